"""Comparing corpora: from files of statements to a finished folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosystem.comparison.corpora import Corpora, read_corpora
from ecosystem.comparison.examine import examine
from ecosystem.comparison.result import Comparison
from ecosystem.errors import InputError
from ecosystem.files import RUNS, write_atomic
from ecosystem.jepa import PRETRAINED, load_jepa
from ecosystem.progress import Progress, silent

if TYPE_CHECKING:
    import pandas as pd

    from ecosystem.jepa.affinity import AffinityModel


KIND = "comparison"

_ROW_GROUP = 250_000


def compare(
    source: pd.DataFrame | str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    weights: str | Path | None = None,
    rng: np.random.Generator | int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two or more corpora: where their speakers agree, where they do not, and what shows it.

    Parameters
    ----------
    source : DataFrame, path or sequence of paths
        Two or more files, one a speaker, named for it; or one table with ``speaker``, ``text`` and perhaps
        ``topic``.
    out : str or Path, optional
        Folder to write; ``runs/<name>/<UTC time>-...`` by default. An earlier comparison in it is replaced.
    weights : str or Path, optional
        Weights of the affinity model; the shipped ones by default.
    rng : Generator or int
        Draws statements for the intervals.
    progress : callable, optional
        Told a stage (``encode``, ``examine``, ``report``), how much of it is done, and how much there is.

    Returns
    -------
    Comparison
        With the data frames ``pairs``, ``topics``, ``matrix``, ``by_topic`` and ``bridging``.

    Raises
    ------
    InputError
        A source, the weights or the output folder cannot be used.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    tell = progress or silent
    corpora = read_corpora(source)
    _check(out)
    path = Path(weights) if weights is not None else PRETRAINED
    jepa = load_jepa(path)
    began = time.process_time()
    with threadpool_limits(1, "blas"):
        _encode(list(dict.fromkeys(corpora.texts)), jepa, tell)
        tell("examine", 0, 1)
        found = examine(corpora, jepa, np.random.default_rng(rng))
        tell("examine", 1, 1)
        manifest = _manifest(corpora, jepa, path)
        manifest["timings"] = {"comparison_cpu_s": round(time.process_time() - began, 3)}
        tell("report", 0, 1)
        with _folder(out, corpora, str(manifest["weights_sha256"])) as (folder, final):
            _write(folder, found, manifest)
        tell("report", 1, 1)
    return replace(found, path=final())


@contextmanager
def _folder(out: str | Path | None, corpora: Corpora, weights_hash: str) -> Iterator[tuple[Path, Callable[[], Path]]]:
    """Give the folder to write into, and what returns its final name afterwards."""
    import hashlib
    import shutil

    from ecosystem.record.folder import new_folder, publish

    if out is not None:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder, lambda: folder
        return
    digest = hashlib.sha256(f"{corpora.digest}{weights_hash}".encode()).hexdigest()[:8]
    partial = new_folder(RUNS, corpora.name, 0, digest)
    done: list[Path] = []
    try:
        yield partial, lambda: done[0]
        done.append(publish(partial))
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _check(out: str | Path | None) -> None:
    """Refuse a folder in which a comparison would replace what is not one."""
    from ecosystem.record.manifest import MANIFEST, read_manifest

    if out is None:
        return
    folder = Path(out)
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(str(folder), "is a file; a folder, or a name that is free, is accepted")
        earlier = (folder / MANIFEST).is_file() and read_manifest(folder).get("kind") == KIND
        for name in ("report.html", "pairs.parquet", MANIFEST):
            if not earlier and (folder / name).exists():
                raise InputError(str(folder), f"holds a {name} that is not of a comparison; name another folder")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(folder), f"cannot be written: {error}") from None


def _encode(texts: list[str], jepa: AffinityModel, tell: Progress) -> None:
    """Encode what is not cached yet, telling how far it is."""
    from ecosystem.jepa.encoder import CachedEncoder

    encoders = [
        (encoder, encoder.missing(texts))
        for encoder in (jepa.encoder, jepa.sentences)
        if isinstance(encoder, CachedEncoder)
    ]
    total, done = sum(len(missing) for _, missing in encoders), 0

    def step(n: int) -> None:
        nonlocal done
        done += n
        tell("encode", done, total)

    for encoder, missing in encoders:
        if missing:
            encoder.encode(missing, step)


def _manifest(corpora: Corpora, jepa: AffinityModel, weights: Path) -> dict[str, Any]:
    from ecosystem.record.manifest import command_line, file_hash, provenance

    return {
        "kind": KIND,
        "name": corpora.name,
        "speakers": list(corpora.speakers),
        "statements": len(corpora),
        "corpora_sha256": corpora.digest,
        "weights_sha256": file_hash(weights),
        "weights_card": jepa.card,
        "encoder": jepa.encoder.identity,
        "started_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": command_line(),
        **provenance(),
    }


def _write(folder: Path, found: Comparison, manifest: dict[str, Any]) -> None:
    """Write the tables and the page, then the manifest."""
    from ecosystem.record.manifest import write_manifest
    from ecosystem.report.comparison import render

    write_manifest(folder, manifest)
    _write_pairs(folder / "pairs.parquet", found)
    for name, table in {"topics": found.topics, "affinity": found.directed, "bridging": found.bridging}.items():
        with write_atomic(folder / f"{name}.parquet") as file:
            table.to_parquet(file, index=False, compression="zstd")
    with write_atomic(folder / "report.html") as file:
        file.write(render(found, manifest).encode("utf-8", "replace"))


def _write_pairs(path: Path, found: Comparison) -> None:
    """Write all pairs, a part at a time: there may be millions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, number = pa.string(), pa.float32()
    columns = [("a", text), ("b", text), ("topic", text)]
    columns += [(name, number) for name in ("affinity", "relevance", "cosine", "uncertainty")]
    columns += [(name, text) for name in ("speaker_a", "speaker_b", "area")]
    schema = pa.schema(columns)
    a, b = found.pair_rows
    with write_atomic(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for start in range(0, max(len(a), 1), _ROW_GROUP):
            part = slice(start, start + _ROW_GROUP)
            rows = pa.Table.from_pandas(found.pair_table(a[part], b[part]), preserve_index=False)
            writer.write_table(rows.cast(schema))
