"""The command line: its commands, and how it ends."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import warnings
from typing import Annotated, Any

import typer

from ecosystem.commands import affinity, batches, runs, scenarios, watch
from ecosystem.errors import InputError, one_line

app = typer.Typer(
    name="ecosystem",
    help="Simulate debates: personas argue from corpora, a JEPA predicts how far they agree, coalitions follow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from ecosystem import __version__

        typer.echo(f"ecosystem {__version__}")
        raise typer.Exit


@app.callback()
def ecosystem(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Simulate debates: personas argue from corpora, a JEPA predicts how far they agree, coalitions follow."""
    del version


for _command in (
    runs.run, watch.watch, batches.sweep, batches.sensitivity, runs.fork, runs.diff, runs.report,
    affinity.compare, affinity.evaluate, affinity.train,
    scenarios.landscape, scenarios.scenarios, scenarios.new, scenarios.validate, scenarios.schema, scenarios.doctor,
):  # fmt: skip
    app.command()(_command)


_INTERRUPTED = 130
_GOES_ON = {
    "run": "`ecosystem run ... --resume`",
    "sweep": "the same command",
    "sensitivity": "the same command",
    "train": "the same command",
}
"""What takes up again what was interrupted, by command."""


def main() -> None:
    """Run the command line; bad input ends in exit status 2 and one line."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Imports make many objects and no garbage: fewer passes over them, and none when the process ends.
    gc.set_threshold(50_000, 20, 20)
    atexit.register(gc.freeze)
    warnings.showwarning = _warn
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = app(standalone_mode=False)
        if status == _INTERRUPTED:  # typer's own answer to Ctrl-C
            hint = _GOES_ON.get(sys.argv[1]) if len(sys.argv) > 1 else None
            _fail(f"interrupted; {hint} goes on" if hint else "interrupted")
    except InputError as error:
        status = _fail(str(error))
    except OSError as error:
        status = _fail(f"{error.filename or 'output'}: {error.strerror or error}")
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's own complaints about options
            raise
        # Without a command the help has been printed, and there is nothing to add.
        status = _fail(error.format_message() or "a command is needed")
    raise SystemExit(status if isinstance(status, int) else 0)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    sys.stderr.write(one_line(f"ecosystem: {message}") + "\n")


def _fail(line: str) -> int:
    sys.stderr.write(one_line(f"ecosystem: {line}") + "\n")
    return 2


if __name__ == "__main__":
    main()
