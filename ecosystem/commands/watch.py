"""The command that opens the browser view."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecosystem.commands.options import OutOption, SetOption, changes_of, whole
from ecosystem.errors import brief


def _port(text: str) -> int:
    number = whole(text)
    if not 0 <= number < 2**16:
        raise typer.BadParameter(f"found {brief(text)}; a port from 0 to 65535 is accepted, 0 for any free one")
    return number


def watch(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO", help="Name of a scenario, a folder, a YAML file or a table (speaker, text)."
        ),
    ] = "climate-debate",
    port: Annotated[
        int | None,
        typer.Option(parser=_port, metavar="P", help="Port; else 8765, or the next that is free. 0 is any free one."),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="H", help="Name or address of this machine to listen on; 0.0.0.0 for all of them.")
    ] = "127.0.0.1",
    set_: SetOption = None,
    seed: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="S", help="Seed of every random choice; else the scenario's own."),
    ] = None,
    out: OutOption = Path("runs"),
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
) -> None:
    """Watch a debate in the browser, and steer it: coalitions form as you look.

    Every visitor has a debate of their own. The page needs no network; it listens on this machine only, unless told
    otherwise.
    """
    from ecosystem.app.server.serve import listen, open_with, serve
    from ecosystem.console import progress

    changes = changes_of(set_, seed=seed)
    listening, address = listen(host, port)
    with listening:
        with progress(quiet=False) as tell:
            served = open_with(scenario, out=out, progress=tell, **changes)
        if not address.loopback:
            reach = f"whoever can reach port {address.port} can steer debates and read runs in {out}"
            typer.echo(f"ecosystem: listens on {host}: {reach}", err=True)
        serve(served, listening, address, open_browser=not no_open, say=_say)


def _say(line: str) -> None:
    typer.echo(line)
