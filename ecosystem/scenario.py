"""What a scenario is: the schema, and nothing but the schema.

Every parameter is named, bounded and described here once; the command line, the sliders, the sweeps and
the documentation read it from `Parameters`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
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

Policy = Literal["random", "salient", "responsive"]
Entry = Literal["nash", "individual", "contractual"]
Learning = Literal["none", "adapt", "online"]


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

    steps: int = Field(50, ge=1, le=1_000_000, description="number of steps")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="seed of every random choice of the run")
    policy: Policy = Field("responsive", description="how a speaker chooses what to say on the topic under debate")
    agenda: Literal["rotate", "random"] = Field(
        "rotate", description="topics in the scenario's order, or drawn at random"
    )
    topic_duration: int = Field(3, ge=1, le=1_000_000, description="steps for which a topic stays under debate")
    homophily: float = Field(
        2.0, ge=0, le=100, description="h: how much agents prefer to hear those they are aligned with; 0 is none"
    )
    bias: float = Field(
        8.0, ge=0, le=1000, description="beta: how much agents favour arguments they agree with; 0 is none"
    )
    learning_rate: float = Field(
        0.1, gt=0, le=1, description="eta: weight of a new exchange in the running mean of alignment"
    )
    memory_size: int | None = Field(
        None, ge=1, le=10_000, description="S: arguments an agent holds; null is the size of its corpus"
    )
    threshold: float = Field(
        0.03, ge=-1, le=1, description="gamma: alignment above which a shared coalition is worth having"
    )
    switching_cost: float = Field(0.02, ge=0, le=1000, description="kappa: gain that a change of coalition must exceed")
    entry: Entry = Field(
        "individual",
        description="who may enter a coalition: anyone (nash), whoever hurts no member (individual), "
        "whoever also hurts no one left behind (contractual)",
    )
    max_coalitions: int | None = Field(None, ge=1, le=1_000_000, description="cap on the number of coalitions")
    learn: Learning = Field(
        "none",
        description="whether the affinity model learns without labels: not at all, from the corpora before the "
        "first step (adapt), or from the exchanges of each step (online)",
    )
    checkpoint_every: int = Field(10, ge=1, le=1_000_000, description="steps between checkpoints")


class Topic(_Frozen):
    """An item of the agenda."""

    id: Identifier
    title: Line | None = Field(None, description="as figures and the report show it; defaults to the id")
    motion: Text | None = Field(None, description="the position that supporters hold")


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
    corpus: tuple[Statement, ...] = Field(min_length=1)


class Truth(_Frozen):
    """What is known of a two-persona scenario: the topics on which the two agree, and disagree."""

    agree: tuple[Identifier, ...] = ()
    disagree: tuple[Identifier, ...] = ()


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
    parameters: Parameters = Parameters()
    truth: Truth | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        ids = [topic.id for topic in self.topics]
        _refuse_repeats("topics", ids)
        _refuse_repeats("personas", [persona.name for persona in self.personas.values()])
        known = set(ids)
        for key, persona in self.personas.items():
            for statement in persona.corpus:
                if statement.topic not in known:
                    raise ValueError(f"personas.{key}.corpus: topic {statement.topic!r} is not among the topics")
        for field in ("agree", "disagree"):
            for topic in getattr(self.truth, field, ()):
                if topic not in known:
                    raise ValueError(f"truth.{field}: topic {topic!r} is not among the topics")
        return self

    def with_parameters(self, **changes: Any) -> Scenario:
        """Return this scenario with some parameters changed (validated anew)."""
        merged = {**self.parameters.model_dump(), **changes}
        return self.model_copy(update={"parameters": Parameters.model_validate(merged)})


def _refuse_repeats(field: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{field}: {name!r} appears twice; names must be distinct")
        seen.add(name)
