"""Writing files so that nothing is ever half-written, and the folders that Ecosystem keeps."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

RUNS = Path("runs")
"""Where what is run goes by default."""


@contextmanager
def write_atomic(path: Path) -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` for bytes; rename it to ``path`` when the block succeeds.

    Raises
    ------
    OSError
        The file cannot be written; the error names ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:200]}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            raise OSError(error.errno or errno.EIO, error.strerror or str(error), str(path)) from error
        raise


def cache_folder() -> Path:
    """Return where derived data is kept: ``$ECOSYSTEM_CACHE``, or the user's cache folder."""
    configured = os.environ.get("ECOSYSTEM_CACHE")
    if configured:
        return Path(configured)
    from platformdirs import user_cache_path

    return user_cache_path("ecosystem")
