"""What a scenario is: the schema, and nothing but the schema.

Every parameter is named, bounded and described here once; the command line, the sliders, the sweeps and
the documentation read it from `Parameters`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from itertools import groupby
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    field_validator,
    model_serializer,
    model_validator,
)

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """Return ``text``; a `ValueError` names the first character that no figure, table or XML file can hold."""
    found = _UNPRINTABLE.search(text)
    if found:
        raise ValueError(f"found the character U+{ord(found[0]):04X}; printable text is accepted")
    return text


def _single_spaced(text: str) -> str:
    return " ".join(text.split())


Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(printable),
    AfterValidator(_single_spaced),
]
Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000), AfterValidator(printable)
]
Prose = Annotated[str, AfterValidator(printable)]

Share = Annotated[float, Field(ge=0, le=1)]
Alignment = Annotated[float, Field(ge=-1, le=1)]
Steps = Annotated[int, Field(ge=1, le=1_000_000)]
Homophily = Annotated[float, Field(ge=0, le=100)]
Bias = Annotated[float, Field(ge=0, le=1000)]
Rate = Annotated[float, Field(gt=0, le=1)]
Confidence = Annotated[float, Field(ge=0, le=2)]
Convergence = Annotated[float, Field(gt=0, le=0.5)]
Cost = Annotated[float, Field(ge=0, le=1000)]
Cap = Annotated[int, Field(ge=1, le=1_000_000)]

Policy = Literal["random", "salient", "responsive"]
Entry = Literal["nash", "individual", "contractual"]
Learning = Literal["none", "adapt", "online"]
Kernel = Literal["argument", "degroot", "fj", "deffuant", "hk"]
Agenda = Literal["rotate", "random"]
ThresholdRule = Literal["fixed", "mean", "quantile"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)


class _Numbers(_Frozen):
    @field_validator("*", mode="before")
    @classmethod
    def _no_booleans(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError(f"found {str(value).lower()}; true and false are not accepted")
        return value


class Parameters(_Numbers):
    """The parameters of a run. Names are those of the command line (``--set homophily=5``)."""

    steps: Steps = Field(50, description="number of steps")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="seed of every random choice of the run")
    kernel: Kernel = Field(
        "argument",
        description="how opinions move: by exchange of arguments, or as one number a topic (DeGroot; Friedkin-Johnsen, "
        "fj; Deffuant; Hegselmann-Krause, hk)",
    )
    policy: Policy = Field("responsive", description="how a speaker chooses what to say on the topic under debate")
    agenda: Agenda = Field("rotate", description="topics in the scenario's order, or drawn at random")
    topic_duration: Steps = Field(3, description="steps for which a topic stays under debate")
    homophily: Homophily = Field(
        2.0, description="h: how much agents prefer to hear those they are aligned with; 0 is none"
    )
    bias: Bias = Field(8.0, description="beta: how much agents favour arguments they agree with; 0 is none")
    learning_rate: Rate = Field(0.1, description="eta: weight of a new exchange in the running mean of alignment")
    confidence: Confidence = Field(
        0.2, description="epsilon: opinions, in [-1, 1], further apart than this do not move each other (deffuant, hk)"
    )
    convergence: Convergence = Field(
        0.5, description="mu: share of their difference by which two who meet move together (deffuant)"
    )
    memory_size: int | None = Field(
        None, ge=1, le=10_000, description="S: arguments an agent holds; null is the size of its corpus"
    )
    threshold: Alignment = Field(0.03, description="gamma: alignment above which a shared coalition is worth having")
    threshold_rule: ThresholdRule = Field(
        "fixed",
        description="what the threshold is: gamma itself, the distance of gamma above the mean alignment, or the "
        "quantile of alignment (0 to 1) that gamma is",
    )
    switching_cost: Cost = Field(0.02, description="kappa: gain that a change of coalition must exceed")
    entry: Entry = Field(
        "individual",
        description="who may enter a coalition: anyone (nash), whoever hurts no member (individual), "
        "whoever also hurts no one left behind (contractual)",
    )
    max_coalitions: Cap | None = Field(None, description="cap on the number of coalitions")
    learn: Learning = Field(
        "none",
        description="whether the affinity model learns without labels: not at all, from the corpora before the "
        "first step (adapt), or from the exchanges of each step (online)",
    )
    checkpoint_every: Steps = Field(10, description="steps between checkpoints")

    @field_validator("memory_size", "max_coalitions", mode="before")
    @classmethod
    def _none_in_words(cls, value: Any) -> Any:
        return None if isinstance(value, str) and value.strip().lower() in ("none", "null") else value

    @model_validator(mode="after")
    def _quantile_in_range(self) -> Parameters:
        if self.threshold_rule == "quantile" and self.threshold < 0:
            raise ValueError(f"threshold: found {self.threshold}; as a quantile, 0 to 1 is accepted")
        return self


class Topic(_Frozen):
    """An item of the agenda."""

    id: Identifier
    title: Line | None = Field(None, description="as figures and the report show it; defaults to the id")
    motion: Text | None = Field(None, description="the position that supporters hold")
    depends_on: dict[Identifier, Share] = Field(
        default_factory=dict,
        description="other topics whose opinions bear on this one, with their weights (at most 1 together); fj only",
    )


class Statement(_Frozen):
    """A sentence of a corpus, and the topic it is on."""

    text: Text
    topic: Identifier


class Traits(_Numbers):
    """What distinguishes personas beside their corpora."""

    openness: float = Field(0.5, ge=0, le=1, description="factor on the probability to accept an argument")
    stubbornness: float = Field(0.5, ge=0, le=1, description="share of the corpus that is never displaced")
    talkativeness: float = Field(1.0, ge=0, le=1, description="probability to speak at a step")
    weight: float = Field(1.0, gt=0, le=1e6, description="size of the agent in the coalition game")


class Persona(_Frozen):
    """Who holds a corpus."""

    name: Line
    description: Prose = Field("", max_length=5000)
    traits: Traits = Traits()
    bloc: Line | None = Field(None, description="known alliance, used for validation only, never by the model")
    corpus: tuple[Statement, ...] = Field((), description="what it holds; empty where affinity is given")


class Truth(_Frozen):
    """What is known of a two-persona scenario: the topics on which the two agree, and disagree."""

    agree: tuple[Identifier, ...] = ()
    disagree: tuple[Identifier, ...] = ()


class _Intervention(_Frozen):
    step: int = Field(ge=1, le=1_000_000, description="the step at whose beginning it happens")

    @model_validator(mode="before")
    @classmethod
    def _no_booleans(cls, given: Any) -> Any:
        for name, value in given.items() if isinstance(given, dict) else ():
            if isinstance(value, bool):
                raise ValueError(f"{name}: found {str(value).lower()}; true and false are not accepted")
        return given


class Enter(_Intervention):
    """A persona enters the debate, which went on without it."""

    kind: Literal["enter"]
    persona: Identifier


class Leave(_Intervention):
    """A persona leaves the debate, and its coalition."""

    kind: Literal["leave"]
    persona: Identifier


class Discovery(_Intervention):
    """A new statement becomes known: some personas add it to their corpora."""

    kind: Literal["statement"]
    text: Text
    topic: Identifier
    personas: tuple[Identifier, ...] = Field(min_length=1)


class Message(_Intervention):
    """A statement is broadcast; each who hears it weighs it like an argument of a debater."""

    kind: Literal["message"]
    text: Text
    topic: Identifier
    personas: tuple[Identifier, ...] = Field((), description="who hears it; everyone where it is empty")


class NewTopic(_Intervention):
    """A topic enters the agenda, which did not have it before, and is debated at once."""

    kind: Literal["topic"]
    topic: Identifier


class Turn(_Intervention):
    """The debate turns to a topic at once, out of its turn; where it was off the agenda it is on it from then on."""

    kind: Literal["turn"]
    topic: Identifier


class Shock(_Intervention):
    """A parameter changes for everyone, or the stubbornness of some."""

    kind: Literal["shock"]
    kernel: Kernel | None = None
    policy: Policy | None = None
    agenda: Agenda | None = None
    topic_duration: Steps | None = None
    homophily: Homophily | None = None
    bias: Bias | None = None
    learning_rate: Rate | None = None
    confidence: Confidence | None = None
    convergence: Convergence | None = None
    threshold: Alignment | None = None
    threshold_rule: ThresholdRule | None = None
    switching_cost: Cost | None = None
    entry: Entry | None = None
    max_coalitions: Cap | None = Field(
        None,
        description="null, where it is written out, lifts the cap; a cap below the number of coalitions there are "
        "breaks none up, but no move may found another",
    )
    stubbornness: Share | None = None
    personas: tuple[Identifier, ...] = Field((), description="whose stubbornness; everyone's where it is empty")

    @model_validator(mode="after")
    def _not_empty(self) -> Shock:
        if not self.changes and self.stubbornness is None:
            raise ValueError(f"found no change; one of {', '.join([*LIVE, 'stubbornness'])} is needed")
        if self.personas and self.stubbornness is None:
            raise ValueError(f"personas: found {self.personas[0]!r}; only stubbornness changes for some")
        return self

    @model_serializer(mode="wrap")
    def _as_given(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what does not change, so that a null that is written down is one that was given."""
        kept = {"step", "kind", *self.changes}
        return {name: value for name, value in write(self).items() if name in kept or value not in (None, (), [])}

    @property
    def changes(self) -> dict[str, Any]:
        """The parameters that change, with their new values."""
        given = {name: getattr(self, name) for name in LIVE if name in self.model_fields_set}
        return {name: value for name, value in given.items() if value is not None or name in _OPTIONAL}


LIVE = tuple(name for name in Parameters.model_fields if name in Shock.model_fields)
"""Parameters that may change while a debate goes on."""

_OPTIONAL = {name for name in LIVE if type(None) in get_args(Parameters.model_fields[name].annotation)}

Intervention = Annotated[Enter | Leave | Discovery | Message | NewTopic | Turn | Shock, Field(discriminator="kind")]


class Scenario(_Frozen):
    """A debate, ready to run: agenda, personas with their corpora, and parameters.

    ``config.yaml`` in a run's folder is one of these, written out whole.
    """

    name: Identifier
    title: Line | None = None
    description: Prose = Field("", max_length=20_000)
    source: Prose = Field("", max_length=5000)
    licence: Prose = Field("", max_length=500)
    topics: tuple[Topic, ...] = Field(min_length=1)
    # Alignment is kept for all pairs; beyond this its tables outgrow a laptop.
    personas: dict[Identifier, Persona] = Field(min_length=2, max_length=2000)
    affinity: dict[Identifier, dict[Identifier, Alignment]] | None = Field(
        None, description="affinity of each persona to each other, given instead of corpora"
    )
    parameters: Parameters = Parameters()
    interventions: tuple[Intervention, ...] = Field((), max_length=10_000)
    truth: Truth | None = None

    # A scenario is one thing: what goes through iterables, as `mesa.batch_run` does, is not to go through its fields.
    __iter__ = None  # type: ignore[assignment]

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        ids = [topic.id for topic in self.topics]
        _refuse_repeats("topics", ids)
        _refuse_repeats("personas", [persona.name for persona in self.personas.values()])
        known = set(ids)
        for topic in self.topics:
            _refuse_unknown(f"topics.{topic.id}.depends_on", topic.depends_on, known, "topic")
            if topic.id in topic.depends_on or sum(topic.depends_on.values()) > 1:
                raise ValueError(
                    f"topics.{topic.id}.depends_on: weights of other topics, at most 1 together, are accepted"
                )
        for key, persona in self.personas.items():
            _refuse_unknown(f"personas.{key}.corpus", (s.topic for s in persona.corpus), known, "topic")
            if bool(persona.corpus) == (self.affinity is not None):
                raise ValueError(
                    f"personas.{key}.corpus: found {len(persona.corpus)} statements; at least 1 is needed, none where "
                    "affinity is given"
                )
        self._check_affinity()
        self._check_interventions(known)
        self._check_thresholds()
        self._check_attendance()
        for field in ("agree", "disagree"):
            _refuse_unknown(f"truth.{field}", getattr(self.truth, field, ()), known, "topic")
        return self

    def _check_affinity(self) -> None:
        for key, row in (self.affinity or {}).items():
            _refuse_unknown("affinity", [key], self.personas, "persona")
            _refuse_unknown(f"affinity.{key}", row, self.personas, "persona")
        if self.affinity is not None:
            missing = next((key for key in self.personas if key not in self.affinity), None)
            if missing is not None:
                raise ValueError(f"affinity: {missing!r} is missing; a row for every persona is needed")

    def _check_interventions(self, topics: Container[str]) -> None:
        for number, intervention in enumerate(self.interventions):
            place = f"interventions.{number}"
            _refuse_unknown(place, _named(intervention, "topic"), topics, "topic")
            _refuse_unknown(place, _named(intervention, "persona", "personas"), self.personas, "persona")
            if self.affinity is not None and intervention.kind in ("statement", "message", "topic", "turn"):
                raise ValueError(f"{place}.kind: found {intervention.kind!r}; where affinity is given nothing is said")
        if all(self.comes_later(topic.id) for topic in self.topics):
            raise ValueError("interventions: every topic enters the agenda later; one is needed from the start")

    def _check_thresholds(self) -> None:
        """Refuse shocks that leave a threshold below 0 where it is a quantile."""
        p, shocks = self.parameters, [(n, e) for n, e in enumerate(self.interventions) if isinstance(e, Shock)]
        standing: dict[str, Any] = {"threshold": p.threshold, "threshold_rule": p.threshold_rule}
        shocks.sort(key=lambda shock: shock[1].step)
        for _, due in groupby(shocks, key=lambda shock: shock[1].step):
            numbers, events = zip(*due, strict=True)
            for event in events:
                standing |= event.changes
            gamma = standing["threshold"]
            if standing["threshold_rule"] == "quantile" and gamma < 0:
                raise ValueError(
                    f"interventions.{numbers[-1]}.threshold: found {gamma}; as a quantile, 0 to 1 is accepted"
                )

    def _check_attendance(self) -> None:
        """Refuse to let in who is there, to let go who is not, and to let everyone go."""
        moves = [(n, event) for n, event in enumerate(self.interventions) if isinstance(event, Enter | Leave)]
        moves.sort(key=lambda move: move[1].step)
        here = set(self.personas) - self.latecomers
        if not here and moves[0][1].step > 1:
            raise ValueError("interventions: every persona enters later; one is needed from the start")
        for step, due in groupby(moves, key=lambda move: move[1].step):
            for number, event in due:
                enters = isinstance(event, Enter)
                if (event.persona in here) == enters:
                    wrong = "enters, but is there already" if enters else "leaves, but is not there"
                    raise ValueError(f"interventions.{number}: at step {step} {event.persona!r} {wrong}")
                (here.add if enters else here.remove)(event.persona)
            if not here:
                raise ValueError(f"interventions.{number}: no one is left at step {step}; one persona is needed")

    @property
    def latecomers(self) -> frozenset[str]:
        """The personas who are absent until an intervention lets them in."""
        first: dict[str, Enter | Leave] = {}
        for event in sorted(self.interventions, key=lambda event: event.step):
            if isinstance(event, Enter | Leave):
                first.setdefault(event.persona, event)
        return frozenset(persona for persona, event in first.items() if isinstance(event, Enter))

    def comes_later(self, topic: str) -> bool:
        """Return whether a topic is off the agenda until an intervention brings it in."""
        return any(isinstance(event, NewTopic) and event.topic == topic for event in self.interventions)

    def with_parameters(self, **changes: Any) -> Scenario:
        """Return this scenario with some parameters changed (validated anew)."""
        merged = Parameters.model_validate({**self.parameters.model_dump(), **changes})
        return type(self).model_validate({**self.__dict__, "parameters": merged})


def _named(intervention: Any, *fields: str) -> list[str]:
    """Return the identifiers that an intervention has in some of its fields."""
    values = [getattr(intervention, field, ()) for field in fields]
    return [name for value in values for name in ((value,) if isinstance(value, str) else value)]


def _refuse_unknown(place: str, names: Iterable[str], known: Container[str], kind: str) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{place}: {kind} {name!r} is not among the {kind}s")


def _refuse_repeats(field: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{field}: {name!r} appears twice; names must be distinct")
        seen.add(name)
