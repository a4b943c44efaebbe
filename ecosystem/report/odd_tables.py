"""The tables of ``ODD.md``: parameters, traits, state variables, measures, and what a scenario brings."""

from __future__ import annotations

import inspect
import math
import re
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from ecosystem.measures import CATALOGUE, NOTATION, Measure
from ecosystem.record.reader import RunTables
from ecosystem.report.lookback import standing
from ecosystem.report.markdown import MAX_ROWS, Markdown, as_text, code, columns_table, shown, table
from ecosystem.report.prose import MISSING, count, listed, name
from ecosystem.scenario import Enter, Leave, Parameters, Persona, Scenario, Shock, Traits

_MATRIX = 16
"""Agents up to which affinity that is given is printed whole."""

_OF_SPEECH = frozenset(
    ("kernel", "policy", "homophily", "bias", "learning_rate", "confidence", "convergence", "memory_size", "learn")
)
"""Parameters of what does not happen where affinity is given and nothing is said."""

_OF_STATEMENTS = frozenset(
    (
        *("held", "age", "locked", "said", "corpus", "stubbornness", "opinions", "initial", "heard", "heard_affinity"),
        *("last_observed", "agenda", "topic"),
    )
)
"""State variables that mean nothing there."""

_SHAPES = {
    "(n_agents, n_agents)": "pair of agents",
    "(n_agents": "agent",
    "(n_topics": "topic",
    "(next_label": "coalition",
}
"""Whose a state variable is, by how its shape begins; those of no other shape are the debate's."""


def parameters(scenario: Scenario) -> Markdown:
    """Return name, value, default, range and description of every parameter."""
    values, idle = scenario.parameters.model_dump(), idle_parameters(scenario)
    rows = [
        (
            code(key),
            f"{shown(values[key])}{' (idle)' if key in idle else ''}",
            entry["default"],
            _accepted(entry),
            entry["description"],
        )
        for key, entry in Parameters.model_json_schema()["properties"].items()
    ]
    return table(("parameter", "value", "default", "accepted", "meaning"), rows)


def in_force(scenario: Scenario, parameter: str) -> list[Any]:
    """Return the values that a parameter has at some step of a run, the first first."""
    return list(dict.fromkeys(standing(scenario, parameter, scenario.parameters.steps)))


def idle_parameters(scenario: Scenario) -> set[str]:
    """Return the parameters that make no difference to a run of this scenario, whatever their values."""
    if scenario.affinity is not None:
        return set(_OF_SPEECH)
    kernels = set(in_force(scenario, "kernel"))
    messages = any(event.kind == "message" for event in scenario.interventions)
    acts = {
        "homophily": bool(kernels & {"argument", "degroot", "fj"}),
        "bias": "argument" in kernels,
        "confidence": bool(kernels & {"deffuant", "hk"}),
        "convergence": "deffuant" in kernels or ("hk" in kernels and messages),
    }
    return {key for key, does in acts.items() if not does}


def traits(scenario: Scenario) -> Markdown:
    """Return every trait with the values it has among the personas."""
    held = [persona.traits.model_dump() for persona in scenario.personas.values()]
    rows = []
    for key, entry in Traits.model_json_schema()["properties"].items():
        low, high = min(one[key] for one in held), max(one[key] for one in held)
        values = shown(low) if low == high else f"{shown(low)} to {shown(high)}"
        rows.append((code(key), values, entry["default"], _accepted(entry), entry["description"]))
    return table(("trait", "in this run", "default", "accepted", "meaning"), rows)


def _accepted(entry: dict[str, Any]) -> Markdown:
    """Return what a field of the JSON Schema accepts."""
    for option in entry.get("anyOf", [entry]):
        if "enum" in option:
            return Markdown(", ".join(f"`{value}`" for value in option["enum"]))
        if option.get("type") in ("integer", "number"):
            low, high = option.get("minimum", option.get("exclusiveMinimum")), option["maximum"]
            kind = "whole" if option["type"] == "integer" else "real"
            above = "above " if "exclusiveMinimum" in option else ""
            bits = high.bit_length() if isinstance(high, int) else 0
            most = f"2\\^{bits} − 1" if bits > 32 and high == 2**bits - 1 else f"{high:,.15g}"
            return Markdown(f"{kind}, {above}{low:g} to {most}{' or none' if 'anyOf' in entry else ''}")
    return Markdown(MISSING)


def state_variables(scenario: Scenario) -> Markdown:
    """Return the state variables that play a part in this scenario, from the documentation of `State`."""
    from ecosystem.dynamics.exchange import Memory
    from ecosystem.dynamics.state import State

    unused = set(_OF_STATEMENTS if scenario.affinity is not None else ())
    unused |= (
        set() if any(isinstance(event, Shock) and event.changes for event in scenario.interventions) else {"shocks"}
    )
    unused |= set() if scenario.parameters.learn != "none" and scenario.affinity is None else {"learned"}
    owned: dict[str, list[str]] = {owner: [] for owner in (*_SHAPES.values(), "debate")}
    for variables, kind, meaning in _documented(State):
        parts = _documented(Memory) if kind == Memory.__name__ else [(variables, kind, meaning)]
        for names, shape, words in parts:
            owner = next((who for start, who in _SHAPES.items() if shape.startswith(start)), "debate")
            kept = [code(variable) for variable in names.split(", ") if variable not in unused]
            owned[owner] += [f"{', '.join(kept)}: {as_text(words.rstrip('.'))}"] if kept else []
    return table(
        ("of each", "state variables"), [(who, Markdown(". ".join(said))) for who, said in owned.items() if said]
    )


def _documented(owner: type) -> list[tuple[str, str, str]]:
    """Return name, type and meaning of the attributes that a class documents."""
    _, _, listing = (inspect.getdoc(owner) or "").partition("Attributes\n----------\n")
    found = re.findall(r"^(\S[^:\n]*) : ([^\n]*)\n((?: +[^\n]*(?:\n|$))+)", listing, re.MULTILINE)
    return [(label, kind, " ".join(words.split()).replace("`", "")) for label, kind, words in found]


def measures(run: RunTables) -> Markdown:
    """Return the catalogue of measures with their values at the last step; scores of several forecasts share a row."""
    last = run.metrics.iloc[-1]
    rows = []
    for (_, formula, source), family in groupby(CATALOGUE.items(), _family):
        columns, entries = zip(*family, strict=True)
        works = re.findall(r"([^;]+?) \((\d{4})\)", source)
        cited = as_text("; ".join(f"{who.strip()} {year}" for who, year in works))
        said = f"{as_text(entries[0].meaning)}: {code(formula)}{f' ({cited})' if cited else ''}"
        values = [_significant(float(last.get(column, math.nan))) for column in columns]
        rows.append((Markdown(", ".join(map(code, columns))), Markdown(said), "; ".join(values)))
    return table(("measure", "definition", f"at step {int(last['step'])}"), rows)


def _family(item: tuple[str, Measure]) -> tuple[str, str, str]:
    """Return what the scores of several forecasts have in common: the score, its formula and its source."""
    column, measure = item
    return column.split("_", 1)[-1], measure.formula, measure.source


def _significant(value: float) -> str:
    return f"{value + 0.0:.3g}".replace("-", "−") if math.isfinite(value) else MISSING


def notation() -> Markdown:
    """Return the symbols of the measures' formulas, in words."""
    return Markdown("; ".join(f"{code(symbol)} {as_text(meaning)}" for symbol, meaning in NOTATION.items()))


def personas(scenario: Scenario) -> Markdown:
    """Return the personas with what they start with; traits that are the same for all are left out."""
    people = scenario.personas.values()
    held: dict[str, list[Any]] = {
        "agent": [persona.name for persona in people],
        "statements": [len(statements_of([persona])) for persona in people],
        "topics": [len({statement.topic for statement in persona.corpus}) for persona in people],
    }
    special: dict[str, list[Any]] = {}
    for key in Traits.model_fields:
        values = [getattr(persona.traits, key) for persona in people]
        special |= {key: values} if len(set(values)) > 1 else {}
    special["known bloc"] = [persona.bloc or "" for persona in people]
    special["enters later"] = ["yes" if _enters_later(scenario, key) else "" for key in scenario.personas]
    if any(any(cells) for cells in special.values()):
        return columns_table(held | special, "agent")
    if scenario.affinity is not None:
        return Markdown("")
    told = [f"{as_text(who)} ({n} on {count(m, 'topic')})" for who, n, m in zip(*held.values(), strict=True)]
    more = [f"{len(told) - MAX_ROWS:,} more (`config.yaml`)"] if len(told) > MAX_ROWS else []
    return Markdown(f"Agents, and how many statements they hold: {'; '.join(told[:MAX_ROWS] + more)}.")


def statements_of(people: Iterable[Persona]) -> set[tuple[str, str]]:
    """Return the distinct statements of personas, each with its topic."""
    return {(statement.topic, statement.text) for persona in people for statement in persona.corpus}


def _enters_later(scenario: Scenario, key: str) -> bool:
    moves = [event for event in scenario.interventions if isinstance(event, Enter | Leave) and event.persona == key]
    return bool(moves) and isinstance(min(moves, key=lambda event: event.step), Enter)


def topics(scenario: Scenario) -> Markdown:
    """Return the topics with their motions and how many statements are on each."""
    sizes = Counter(topic for topic, _ in statements_of(scenario.personas.values()))
    columns: dict[str, list[Any]] = {
        "topic": [topic.title or topic.id for topic in scenario.topics],
        "statements": [sizes[topic.id] for topic in scenario.topics],
        "motion": [topic.motion or "" for topic in scenario.topics],
        "enters later": ["yes" if scenario.comes_later(topic.id) else "" for topic in scenario.topics],
    }
    return columns_table(columns, "topic")


def given_affinity(scenario: Scenario) -> Markdown:
    """Return affinity that is given: whole where there are few agents, else in short."""
    given, people = scenario.affinity, scenario.personas
    if given is None:
        return Markdown("")
    if len(people) <= _MATRIX:
        numbered = {key: f"{number} {persona.name}" for number, (key, persona) in enumerate(people.items(), 1)}
        rows = [
            (numbered[key], *("" if other == key else given[key].get(other, 0.0) for other in people)) for key in people
        ]
        return table(("of row to column", *map(str, range(1, len(people) + 1))), rows)
    values = [value for row in given.values() for value in row.values()]
    signs = Counter("positive" if value > 0 else "negative" if value < 0 else "zero" for value in values)
    spread = f", from {shown(min(values))} to {shown(max(values))}" if values else ""
    shares = ", ".join(f"{signs[sign]} {sign}" for sign in ("positive", "negative", "zero"))
    return Markdown(f"{count(len(values), 'affinity', 'affinities')}{spread}: {shares}; all others 0 (`config.yaml`).")


def interventions(scenario: Scenario) -> Markdown:
    """Return the interventions in the order in which they happen; nothing where there are none."""
    last = scenario.parameters.steps
    events = sorted(scenario.interventions, key=lambda event: event.step)
    columns: dict[str, list[Any]] = {
        "step": [
            event.step if event.step <= last else f"{event.step} (never: the run ends before)" for event in events
        ],
        "intervention": [event.kind for event in events],
        "what happens": [_told(scenario, event) for event in events],
    }
    return columns_table(columns, "intervention") if events else Markdown("")


def _told(scenario: Scenario, event: Any) -> str:
    """Return what an intervention does, in words."""
    if isinstance(event, Enter | Leave):
        return f"{scenario.personas[event.persona].name} {event.kind}s"
    if event.kind == "topic":
        return f"{title_of(scenario, event.topic)} enters the agenda"
    if event.kind == "turn":
        return f"the debate turns to {title_of(scenario, event.topic)}"
    named = listed([name(scenario.personas[key].name) for key in event.personas], 8)
    whom = "".join(named) if event.personas else "everyone"
    if isinstance(event, Shock):
        changes = [f"{key} becomes {shown(value)}" for key, value in event.changes.items()]
        if event.stubbornness is not None:
            changes.append(f"stubbornness of {whom} becomes {shown(event.stubbornness)}")
        return "; ".join(changes)
    verb = "becomes known to" if event.kind == "statement" else "is broadcast to"
    return f"“{name(event.text, 200)}” ({title_of(scenario, event.topic)}) {verb} {whom}"


def title_of(scenario: Scenario, key: str) -> str:
    """Return a topic's title, or its id where it has none."""
    return next(topic.title or topic.id for topic in scenario.topics if topic.id == key)
