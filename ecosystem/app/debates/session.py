"""One visitor's debate: a model that goes on, what is kept of its steps, and what the visitor did to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from ecosystem.app.debates.course import Course
from ecosystem.app.debates.observer import Observer
from ecosystem.app.debates.scenes import Scene, Setting
from ecosystem.app.debates.telling import LiveTables
from ecosystem.complaints import explain
from ecosystem.dynamics.state import State
from ecosystem.errors import InputError, nearest
from ecosystem.execute import write_up
from ecosystem.jepa import PRETRAINED, load_jepa
from ecosystem.model import EcosystemModel
from ecosystem.opening import Reading
from ecosystem.progress import Progress, silent
from ecosystem.record.checkpoint import load_checkpoint, save_checkpoint
from ecosystem.record.manifest import file_hash
from ecosystem.report.prose import Sentence
from ecosystem.scenario import LIVE, Discovery, Enter, Intervention, Leave, Message, Parameters, Scenario, Shock
from ecosystem.sweep.readings import read_statements

if TYPE_CHECKING:
    from ecosystem.report.notebook import Run


class Session:
    """A debate that a visitor watches and steers.

    What a visitor does is recorded as interventions of the scenario, so that a saved run's ``config.yaml`` runs again
    to the same bytes. Steps are written to a temporary folder as they are taken, and memory stays flat. All methods
    may be called from any thread.

    Parameters
    ----------
    scenario : Scenario
        What is debated.
    reading : Reading, optional
        What the affinity model makes of its statements, where that is known.
    weights : Path
        Weights of the affinity model.
    tell : callable
        Told how far the encoding of statements is.

    Attributes
    ----------
    model : EcosystemModel
    observer : Observer
        Keeps what its steps leave behind.
    end : int
        The step at which play stops: the parameter ``steps`` at first.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        reading: Reading | None = None,
        weights: Path = PRETRAINED,
        tell: Progress = silent,
    ) -> None:
        self._lock = RLock()
        self._weights = weights
        self._asked: dict[str, Any] = {}
        self._own = scenario.interventions
        self._by_hand: list[Intervention] = []
        self.end: int
        self._begin(scenario, reading or read_statements(scenario, weights, _digest(weights), tell))

    @property
    def reading(self) -> Reading:
        """What the affinity model makes of the statements."""
        return self._reading

    # Going on.

    @property
    def now(self) -> int:
        """Steps taken."""
        return self.observer.now

    @property
    def running(self) -> bool:
        """Whether there are steps left before `end`."""
        return self.now < self.end

    def step(self) -> Scene:
        """Take one step and return how things stand after it."""
        with self._lock, one_blas_thread():
            self._settle()
            self.model.step()
            assert self.model.last is not None
            return self.observer.take(self.model.last)

    def go_on(self, steps: int) -> None:
        """Let the debate have some steps more before it ends."""
        self.end = max(self.end, self.now) + steps

    # Looking.

    @property
    def setting(self) -> Setting:
        """What stays the same from step to step."""
        return self.observer.setting

    @property
    def course(self) -> Course:
        """What is kept of every step."""
        return self.observer.course

    def scene(self, step: int) -> Scene:
        """Return how things stood at the end of a step from 0 to `now`."""
        with self._lock:
            return self.observer.scene(step)

    def why(self, event: int) -> Sentence:
        """Return why an event, given by its position in the table of events, happened."""
        with self._lock:
            return self.observer.why(event)

    def tables(self) -> LiveTables:
        """Return the tables of the debate so far, as a finished run has them."""
        return self.observer.tables()

    # Steering.

    def live(self, name: str) -> Any:
        """Return the value a parameter has at the next step."""
        return self._asked.get(name, self.model.live(name))

    def change(self, **parameters: Any) -> None:
        """Change parameters from the next step on; what is asked for before that step is one change.

        Raises
        ------
        InputError
            A parameter is unknown, cannot change while a debate goes on, or has a value that is not accepted.
        """
        for name in parameters:
            if name not in LIVE and self.now > 0:
                raise InputError(name, f"cannot change while a debate goes on{nearest(name, LIVE)}")
        with self._lock:
            standing = {name: self.live(name) for name in LIVE}
            try:
                checked = Parameters.model_validate(self.model.parameters.model_dump() | standing | parameters)
            except ValidationError as error:
                raise explain(error, "", Parameters) from None
            if self.now == 0:
                self.observer.close()
                self._begin(self.setting.scenario.with_parameters(**parameters), self._reading)
                return
            for name in parameters:
                value = getattr(checked, name)
                self._asked[name] = value
                if value == self.model.live(name):
                    del self._asked[name]

    @property
    def pending(self) -> dict[str, Any]:
        """Changes of parameters that take effect at the next step."""
        return dict(self._asked)

    @property
    def by_hand(self) -> tuple[Intervention, ...]:
        """Interventions that the visitor made, those to come among them."""
        return tuple(self._by_hand)

    def intervene(self, *events: Intervention) -> None:
        """Schedule interventions for steps to come.

        A visitor's word counts more than the scenario's: what is scheduled for a persona's coming and going later
        than an intervention of the same kind by hand gives way to it.

        Raises
        ------
        InputError
            An intervention is for a step that is over, or does not fit the debate.
        """
        with self._lock:
            for event in events:
                if event.step <= self.now:
                    raise InputError("step", f"found {event.step}; a step from {self.now + 1} on is accepted")
            self._reschedule([*self._by_hand, *events])

    def cancel(self, event: Intervention) -> None:
        """Take back an intervention by hand that has not taken place; what gave way to it is scheduled again."""
        with self._lock:
            if event.step <= self.now or event not in self._by_hand:
                raise InputError("step", f"found {event.step}; what was scheduled by hand for later can be cancelled")
            kept = self._by_hand[::-1]
            kept.remove(event)
            self._reschedule(kept[::-1])

    # Keeping.

    def save(self, out: str | Path, tell_progress: Progress = silent) -> Run:
        """Write the debate so far as a finished run into a folder for runs.

        Raises
        ------
        InputError
            No step has been taken yet, or the folder cannot be used.
        """
        if self.now == 0:
            raise InputError("save", "no step has been taken yet; take one first")
        with self._lock, one_blas_thread():
            scenario = self.setting.scenario.with_parameters(steps=self.now)
            jepa = load_jepa(self._weights)
            return write_up(self.observer.writer, scenario, jepa, _digest(self._weights), out, tell_progress)

    def close(self) -> None:
        """Remove what was written, and let go of the model."""
        with self._lock:
            self.observer.close()

    def _begin(self, scenario: Scenario, reading: Reading) -> None:
        self._reading = reading
        self.model = self._model(scenario, reading)
        self.end = scenario.parameters.steps
        self.observer = Observer(self.model)

    def _settle(self) -> None:
        """Make one shock of the changes that were asked for."""
        if self._asked:
            shock = Shock(kind="shock", step=self.now + 1, **self._asked)
            self._reschedule([*self._by_hand, shock])
            self._asked = {}

    def _model(self, scenario: Scenario, reading: Reading) -> EcosystemModel:
        # Without weights of one's own the model itself is loaded when it is needed, if ever.
        jepa = None if self._weights == PRETRAINED else load_jepa(self._weights)
        return EcosystemModel(scenario, reading=reading, jepa=jepa, rng=scenario.parameters.seed)

    def _reschedule(self, by_hand: list[Intervention]) -> None:
        """Go on with other interventions by hand; statements that they bring in are read first."""
        before = self.setting.scenario
        scheduled = [one for one in self._own if not _gives_way(one, by_hand)]
        # By step, so that in the table of statements what was said comes before what may yet be cancelled.
        interventions = [*scheduled, *sorted(by_hand, key=lambda event: event.step)]
        try:
            scenario = Scenario.model_validate({**before.__dict__, "interventions": tuple(interventions)})
        except ValidationError as error:
            raise explain(error, "", Scenario) from None
        if _absent_at_first(scenario) != _absent_at_first(before):
            self._begin_otherwise(scenario, by_hand)
            return
        reading = self._reading
        if _texts(scenario) != _texts(before):
            reading = read_statements(scenario, self._weights, _digest(self._weights))
        model = self._model(scenario, reading)
        if reading is not self._reading:
            for path in sorted((self.observer.folder / "checkpoints").glob("*.safetensors")):
                state, draws = load_checkpoint(path)
                save_checkpoint(path, _widened(state, model), draws)
        model.restore(_widened(self.model.state, model), self.model.draws)
        model.last, model.datacollector = self.model.last, self.model.datacollector
        self._reading, self.model, self._by_hand = reading, model, by_hand
        self.observer.follow(model)

    def _begin_otherwise(self, scenario: Scenario, by_hand: list[Intervention]) -> None:
        """Begin with others there, or other topics on the agenda; once the debate goes on there is no such way back."""
        if self.now > 0:
            was, would_be = _absent_at_first(self.setting.scenario), _absent_at_first(scenario)
            wrong = "is there already" if would_be - was else "is not there"
            raise InputError("kind", f"{min(would_be - was or was - would_be)!r} {wrong}")
        self.observer.close()
        self._by_hand = by_hand
        self._begin(scenario, read_statements(scenario, self._weights, _digest(self._weights)))


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let sums keep their order, as in any run, until the last of those who asked for it at once is done."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    with _LIMIT.lock:
        if not _LIMIT.users:
            _LIMIT.held = ThreadpoolController().limit(limits=1, user_api="blas")
        _LIMIT.users += 1
    try:
        yield
    finally:
        with _LIMIT.lock:
            _LIMIT.users -= 1
            if not _LIMIT.users:
                _LIMIT.held.restore_original_limits()


class _Limit:
    """The limit on threads, which is the whole process's: who lifted it first would lift it for all."""

    def __init__(self) -> None:
        self.lock, self.users = Lock(), 0
        self.held: Any = None


_LIMIT = _Limit()


@cache
def _digest(weights: Path) -> str:
    return file_hash(weights)


def _absent_at_first(scenario: Scenario) -> frozenset[str]:
    """Return the personas and topics that are absent until an intervention lets them in."""
    later = {topic.id for topic in scenario.topics if scenario.comes_later(topic.id)}
    return scenario.latecomers | later


def _texts(scenario: Scenario) -> list[tuple[str, str]]:
    return [(e.topic, e.text) for e in scenario.interventions if isinstance(e, Discovery | Message)]


def _gives_way(scheduled: Intervention, events: Sequence[Intervention]) -> bool:
    """Return whether a persona's coming or going is overruled by one by hand at the same step or before."""
    moves = (event for event in events if isinstance(event, Enter | Leave))
    return isinstance(scheduled, Enter | Leave) and any(
        scheduled.persona == move.persona and scheduled.step >= move.step for move in moves
    )


def _widened(state: State, new: EcosystemModel) -> State:
    """Return a state with room for what a new model knows more, or less: statements, and places to hold them.

    The same as if the new one had taken the steps: places that are free for statements to come are locked, and ages of
    what agents began with count from the number of places. What is taken away has never been said or held.
    """
    known = min(len(new.statements), state.corpus.shape[1])
    corpus = np.pad(state.corpus[:, :known], ((0, 0), (0, len(new.statements) - known)))
    memory, fresh = state.memory, new.state.memory
    wide = fresh.held.shape[1]
    room = wide - memory.held.shape[1]
    if room:
        kept = np.s_[:, : min(wide, memory.held.shape[1])]
        spare = ((0, 0), (0, max(room, 0)))
        age = np.where(memory.age < 0, memory.age - room, memory.age)[kept]
        memory = replace(
            memory,
            held=np.pad(memory.held[kept], spare, constant_values=-1),
            age=np.concatenate([age, fresh.age[:, age.shape[1] :]], axis=1),
            locked=np.pad(memory.locked[kept], spare, constant_values=True),
            said=np.pad(memory.said[kept], spare),
        )
    return replace(state, corpus=corpus, memory=memory)
