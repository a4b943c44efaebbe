"""What two runs, or two sweeps, were given: the settings in which they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from typing import Any

from ecosystem.scenario import Intervention, Parameters, Persona, Scenario, Topic

Row = dict[str, Any]
"""``what`` kind of setting, its ``name``, and its value in ``a`` and in ``b``; None where there is none."""

COLUMNS = ["what", "name", "a", "b"]

COUNTED = ("corpus", "affinity")
"""Kinds of settings whose values are numbers of items that the other side does not have."""

_DIGITS = 12


def scenario_rows(a: Scenario, b: Scenario, aside: Container[str] = ()) -> list[Row]:
    """Return in what two scenarios differ, as far as it bears on a run: a row a setting.

    Parameters
    ----------
    a, b : Scenario
        The scenarios.
    aside : container of str
        Parameters that are told elsewhere.
    """
    names = [name for name in Parameters.model_fields if name not in aside]
    rows = _unlike("scenario", {name: (getattr(a, name), getattr(b, name)) for name in ("name", "title")})
    rows += _unlike("parameter", {name: (getattr(a.parameters, name), getattr(b.parameters, name)) for name in names})
    topics = [{topic.id: topic for topic in side.topics} for side in (a, b)]
    for key in _both(*topics):
        rows += _topic_rows(key, topics[0].get(key), topics[1].get(key))
    for key in _both(a.personas, b.personas):
        rows += _persona_rows(key, a.personas.get(key), b.personas.get(key))
    return rows + _affinity_rows(a, b) + _intervention_rows(a, b)


def software_rows(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Row]:
    """Return in what weights and software differ, by two manifests: a row a setting."""
    weights = [manifest.get("weights_sha256") for manifest in (a, b)]
    rows = _unlike("weights", {"sha256": (_short(weights[0]), _short(weights[1]))})
    rows += _unlike("weights", {"encoder": (a.get("encoder"), b.get("encoder"))})
    versions = [manifest.get("versions") or {} for manifest in (a, b)]
    rows += _unlike("software", {name: (a.get(name), b.get(name)) for name in ("python", "platform")})
    rows += _unlike("software", {name: (versions[0].get(name), versions[1].get(name)) for name in _both(*versions)})
    commits = [_short(manifest.get("git_commit")) for manifest in (a, b)]
    return rows + _unlike("software", {"git commit": (commits[0], commits[1])})


def _topic_rows(key: str, a: Topic | None, b: Topic | None) -> list[Row]:
    if a is None or b is None:
        return [_row("topic", key, *(None if topic is None else topic.title or key for topic in (a, b)))]
    fields = [name for name in Topic.model_fields if name != "id"]
    return _unlike("topic", {f"{key}.{name}": (getattr(a, name), getattr(b, name)) for name in fields})


def _persona_rows(key: str, a: Persona | None, b: Persona | None) -> list[Row]:
    if a is None or b is None:
        return [_row("persona", key, *(None if persona is None else persona.name for persona in (a, b)))]
    settings = {f"{key}.{name}": (getattr(a, name), getattr(b, name)) for name in ("name", "bloc")}
    traits = zip(a.traits.model_dump().items(), b.traits.model_dump().values(), strict=True)
    settings |= {f"{key}.{name}": (one, other) for (name, one), other in traits}
    held = [Counter((statement.topic, statement.text) for statement in persona.corpus) for persona in (a, b)]
    counts = (held[0] - held[1]).total(), (held[1] - held[0]).total()
    rows = _unlike("persona", settings)
    if any(counts):
        rows.append(_row("corpus", key, *counts))
    elif a.corpus != b.corpus:
        rows.append(_row("persona", f"{key}.corpus", "in one order", "in another"))
    return rows


def _affinity_rows(a: Scenario, b: Scenario) -> list[Row]:
    """Return how many pairs have an affinity that is given, and is not the same on the other side."""
    given = [
        {(one, other): value for one, row in (side.affinity or {}).items() for other, value in row.items()}
        for side in (a, b)
    ]
    counts = [len(given[k].items() - given[1 - k].items()) for k in (0, 1)]
    return [_row("affinity", "pairs given", *counts)] if any(counts) else []


def _intervention_rows(a: Scenario, b: Scenario) -> list[Row]:
    """Return the interventions that one side alone has."""
    rows = []
    for place, (own, others) in enumerate(((a.interventions, b.interventions), (b.interventions, a.interventions))):
        rest = list(others)
        for event in own:
            if event in rest:
                rest.remove(event)
            else:
                told = (_told(event), None)
                rows.append(_row("intervention", f"step {event.step}, {event.kind}", *(told[::-1] if place else told)))
    return rows


def _told(event: Intervention) -> str:
    content = event.model_dump(mode="json", exclude={"step", "kind"})
    shown = {name: "null" if value is None else value for name, value in content.items() if value != []}
    return ", ".join(f"{name}: {value}" for name, value in shown.items())


def _both(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Return the keys of either, those of the first in their order."""
    return list(dict.fromkeys([*a, *b]))


def _unlike(what: str, settings: Mapping[str, tuple[Any, Any]]) -> list[Row]:
    return [_row(what, name, a, b) for name, (a, b) in settings.items() if a != b]


def _row(what: str, name: str, a: Any, b: Any) -> Row:
    return {"what": what, "name": name, "a": a, "b": b}


def _short(digest: str | None) -> str | None:
    return None if digest is None else digest[:_DIGITS]
