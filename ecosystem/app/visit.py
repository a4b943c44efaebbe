"""What one visitor does: which debate is open, what is shown of it, and what is under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import solara
from pydantic import ValidationError

from ecosystem.app.debates.replay import Replay, find_run
from ecosystem.app.debates.session import Session
from ecosystem.app.debates.view import View
from ecosystem.complaints import explain
from ecosystem.errors import InputError, one_line
from ecosystem.jepa import PRETRAINED
from ecosystem.opening import Reading
from ecosystem.reading import load_scenario
from ecosystem.scenario import LIVE, Discovery, Intervention, Message, Parameters, Scenario

PATIENCE = 2.0
"""Seconds that play waits for a browser to show a step before it goes on."""


class Visit:
    """The state of one visitor's page; made anew for every window.

    Parameters
    ----------
    scenario : Scenario
        What is open at first.
    out : Path
        Folder for runs: where what is saved goes, and what is replayed comes from.
    reading : Reading, optional
        What the affinity model makes of the scenario's statements.
    weights : Path
        Weights of the affinity model.

    Attributes
    ----------
    session : Session
        The debate that goes on, or waits behind a replay.
    replay : Replay or None
        The recorded run that is looked at instead.
    values : dict of str to parameter
        The parameters with which the debate begins anew.
    revision, step, selected, playing, speed, busy, message : Reactive
        Steps shown: None is the last there is. ``speed`` in steps a second. ``busy`` says what is under way;
        ``message`` is (kind, text).
    """

    def __init__(
        self, scenario: Scenario, out: Path, reading: Reading | None = None, weights: Path = PRETRAINED
    ) -> None:
        self.out, self._weights = out, weights
        self.first = scenario
        self.base = scenario
        self.values = scenario.parameters.model_dump()
        self.replay: Replay | None = None
        self.session = Session(scenario, reading=reading, weights=weights)
        self._reading = self.session.reading
        self.revision = solara.Reactive(0)
        self.step = solara.Reactive[int | None](None)
        self.selected = solara.Reactive[int | None](None)
        self.playing = solara.Reactive(False)
        self.speed = solara.Reactive(2.0)
        self.busy = solara.Reactive[str](None)
        self.message = solara.Reactive[tuple[str, str] | None](None)
        self._seen = threading.Condition()
        self._seen_revision = -1
        self._closed = False

    # What is shown.

    @property
    def viewing(self) -> Session | Replay:
        """What is looked at."""
        return self.replay or self.session

    def view(self, dark: bool) -> View:
        """Return what the panels show."""
        now = self.viewing.now
        step = self.step.value
        shown = now if step is None else min(step, now)
        n = len(self.viewing.setting.personas)
        selected = self.selected.value
        view = View(
            self.viewing, shown, selected if selected is not None and selected < n else None, dark, self.revision.value
        )
        try:
            assert view.scene
        except InputError as error:  # a recorded run that was damaged since it was opened
            if self.replay is None:
                raise
            self.message.value = ("error", str(error))
            self.close_run()
            return self.view(dark)
        return view

    def show(self, step: int | None) -> None:
        """Look at a step; None follows the debate."""
        now = self.viewing.now
        self.step.value = None if step is None or step >= now else max(step, 0)
        self._renew()

    def select(self, agent: int | None) -> None:
        """Open an agent's card, or close it."""
        self.selected.value = agent

    def saw(self, revision: int) -> None:
        """Take note that the browser shows a revision."""
        with self._seen:
            self._seen_revision = max(self._seen_revision, int(revision))
            self._seen.notify_all()

    # Going on.

    def advance(self) -> None:
        """Take a step, or go to the next of those that are there already."""
        with self._complaints():
            shown = self.step.value
            if shown is not None and shown < self.viewing.now:
                self.show(shown + 1)
            elif self.replay is None and self.session.running:
                self.session.step()
                self.step.value = None
                self._renew()

    def back(self) -> None:
        """Look at the step before."""
        self.playing.value = False
        shown = self.step.value
        self.show((self.viewing.now if shown is None else shown) - 1)

    @property
    def at_end(self) -> bool:
        """Whether there is nothing left to play."""
        following = self.step.value is None or self.step.value >= self.viewing.now
        return following and (self.replay is not None or not self.session.running)

    def toggle_play(self) -> None:
        """Play, or pause; from the end of a recorded run play begins at its beginning."""
        if not self.playing.value and self.replay is not None and self.at_end:
            self.show(0)
        self.playing.value = not self.playing.value and not self.at_end

    def play(self, cancelled: threading.Event) -> None:
        """Take steps until paused, at the end, or cancelled; no faster than the browser shows them."""
        while self.playing.value and not cancelled.is_set() and not self._closed:
            began = time.monotonic()
            self.advance()
            if self.at_end or (self.message.value or ("",))[0] == "error":
                self.playing.value = False
                self._renew()
                return
            self._wait_for_browser()
            cancelled.wait(max(1 / self.speed.value - (time.monotonic() - began), 0.0))

    def choose(self, scenario: Scenario) -> None:
        """Begin a debate on a scenario that was chosen, with its own parameters."""
        self.open_scenario(scenario, own=True)

    def restart(self) -> None:
        """Begin the debate anew with the parameters as they are set."""
        self.open_scenario(self.base)

    def go_on(self) -> None:
        """Let the debate go on beyond its end, for as many steps again as it was to have."""
        self.session.go_on(self.session.model.parameters.steps)
        self._renew()

    # Steering.

    def open_scenario(self, scenario: Scenario | str | Path, own: bool = False) -> None:
        """Begin a debate on a scenario; ``own`` takes its own parameters and not those that are set."""
        with self._complaints():
            checked = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
            same = all(
                getattr(checked, part) == getattr(self.base, part) for part in ("personas", "topics", "interventions")
            )
            values = checked.parameters.model_dump() if own else self.values
            session = Session(
                checked.with_parameters(**values), reading=self._reading if same else None, weights=self._weights
            )
            before, self.session = self.session, session
            self.base, self._reading, self.values = checked, session.reading, values
            self._leave_replay()
            self.playing.value = False
            self.step.value = self.selected.value = self.message.value = None
            before.close()
            self._renew()

    def set(self, name: str, value: Any) -> None:
        """Set a parameter: now where that can be, and for the next debate.

        Raises
        ------
        InputError
            The value is not accepted.
        """
        try:
            values = Parameters.model_validate({**self.values, name: value}).model_dump()
        except ValidationError as error:
            raise explain(error, "", Parameters) from None
        if self.session.now == 0 or name in LIVE:
            self.session.change(**{name: value})
        self.values = values
        self._renew()

    def apply(self, changes: dict[str, Any]) -> None:
        """Set several parameters and begin anew."""
        self.values = {**self.base.parameters.model_dump(), "seed": self.values["seed"], **changes}
        self.restart()

    def intervene(self, event: Intervention) -> None:
        """Schedule an intervention; a statement that it brings in is read on the side.

        Raises
        ------
        InputError
            It does not fit the debate.
        """

        def work() -> None:
            self.session.intervene(event)
            self._renew()

        if isinstance(event, Discovery | Message):
            self.do("Reading the statement", work)
        else:
            work()

    def cancel(self, event: Intervention) -> None:
        """Take back what was scheduled by hand and is still to come."""
        self.session.cancel(event)
        self._renew()

    # Keeping and opening.

    def save(self) -> None:
        """Write the debate so far as a run's folder."""

        def work() -> None:
            path = self.session.save(self.out).path
            self.message.value = ("done", f"Saved as {path}")

        self.do("Saving the run", work)

    def open_run(self, name: str) -> None:
        """Open a recorded run for replay, by its name among those in the folder for runs."""

        def work() -> None:
            replay = Replay(find_run(self.out, name), weights=self._weights)
            self._leave_replay()
            self.replay = replay
            self.playing.value = False
            self.selected.value = None
            self.step.value = 0
            self._renew()

        self.do("Opening the run", work)

    def close_run(self) -> None:
        """Go back from a replay to the debate that goes on."""
        self._leave_replay()
        self.playing.value = False
        self.step.value = self.selected.value = None
        self._renew()

    def progress(self, what: str) -> Callable[[str, int, int], None]:
        """Return what tells how far something is that is under way, twice a second at most."""
        told = time.monotonic()

        def tell(_: str, done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told > 0.5:
                told = time.monotonic()
                self.busy.value = f"{what}, {done} of {total}"

        return tell

    def do(self, what: str, work: Callable[[], None]) -> None:
        """Do something that takes a while, off the visitor's way."""
        if self.busy.value:
            return
        self.playing.value = False
        self.busy.value = what

        def run() -> None:
            try:
                with self._complaints():
                    work()
            except Exception as error:
                self.message.value = ("error", f"{what} failed: {one_line(str(error)) or type(error).__name__}")
                raise
            finally:
                self.busy.value = None

        threading.Thread(target=run, daemon=True).start()

    def close(self) -> None:
        """Let go of everything: the window was closed."""
        self._closed = True
        self.playing.value = False
        self._leave_replay()
        self.session.close()

    def _leave_replay(self) -> None:
        if self.replay is not None:
            self.replay.close()
            self.replay = None

    def _renew(self) -> None:
        self.revision.value = self.revision.value + 1

    def _wait_for_browser(self) -> None:
        with self._seen:
            self._seen.wait_for(lambda: self._seen_revision >= self.revision.value, PATIENCE)

    def _complaints(self) -> Any:
        return _Complaints(self)


class _Complaints:
    """Shows what went wrong with a visitor's wish as a message."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def __enter__(self) -> None:
        if (self._visit.message.value or ("",))[0] == "error":
            self._visit.message.value = None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, OSError):
            self._visit.message.value = ("error", f"{error.filename or 'output'}: {error.strerror or error}")
            return True
        if isinstance(error, InputError):
            self._visit.message.value = ("error", str(error).removeprefix(": "))
            return True
        return False
