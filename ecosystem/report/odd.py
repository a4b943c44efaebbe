"""``ODD.md``: the model as it was in one run, described by the ODD protocol.

What the code knows is taken from the code: parameters and traits from the schema, measures from the catalogue, state
variables from `State`. Only the submodels in force are described. Names and texts from a scenario or a manifest
appear as text, whatever they hold.

References
----------
Grimm et al. (2020), JASSS 23(2) 7: the ODD protocol, second update.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ecosystem.files import write_atomic
from ecosystem.measures import CATALOGUE
from ecosystem.record.reader import RunTables
from ecosystem.report import findings, odd_tables
from ecosystem.report.markdown import Markdown, as_text
from ecosystem.report.prose import MISSING, label, listed, name
from ecosystem.scenario import LIVE, Scenario, Shock

TEMPLATE = "odd.md.j2"

_WORKS = (
    "Axelrod & Bennett (1993), British Journal of Political Science 23:211–233",
    "Banisch & Olbrich (2021), JASSS 24(1) 1",
    "Banisch & Shamon (2025), Sociological Methods & Research 54:187–236",
    "Bogomolnaia & Jackson (2002), Games and Economic Behavior 38:201–230",
    "Deffuant et al. (2000), Advances in Complex Systems 3:87–98",
    "DeGroot (1974), Journal of the American Statistical Association 69:118–121",
    "Friedkin & Johnsen (1990), Journal of Mathematical Sociology 15:193–206",
    "Grimm et al. (2006), Ecological Modelling 198:115–126",
    "Grimm et al. (2020), JASSS 23(2) 7",
    "Harman (1976), Modern Factor Analysis, University of Chicago Press",
    "Hegselmann & Krause (2002), JASSS 5(3) 2",
    "Mäs & Flache (2013), PLoS ONE 8:e74516",
    "Parsegov et al. (2017), IEEE Transactions on Automatic Control 62:2270–2285",
    "Read (1954), Southwestern Journal of Anthropology 10:1–43",
)
"""Works that the text may cite; those it does are listed."""

_STATED = ("config_hash", "encoder", "weights_sha256", "corpora_sha256", "python", "platform", "git_commit")


_RULES = ("kernel", "policy", "agenda", "topic_duration", "threshold_rule", "entry", "max_coalitions")
"""Parameters that choose among rules; the others are numbers in them."""


def write_odd(folder: Path, run: RunTables) -> Path:
    """Write ``ODD.md`` into a run's folder, atomically, and return its path.

    Parameters
    ----------
    folder : Path
        The run's folder.
    run : RunTables
        The run.

    Raises
    ------
    InputError
        A table of the run cannot be read.
    """
    path = folder / "ODD.md"
    text = describe_model(run)
    with write_atomic(path) as file:
        file.write(text.encode("utf-8", "replace"))
    return path


def describe_model(run: RunTables) -> str:
    """Return the ODD description of the model as it was in a run, as Markdown without HTML."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(  # noqa: S701 - what is escaped here is Markdown, by `as_text`
        finalize=as_text, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["unescaped"] = Markdown
    template = environment.from_string(Path(__file__).with_name(TEMPLATE).read_text("utf-8"))
    text = re.sub(r" +\n", "\n", template.render(_content(run)))
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return f"{text}\n\n## References\n\n{_references(text)}.\n"


def _references(text: str) -> str:
    """Return the works that a text cites, once each."""
    plain = re.sub(r"[\\()]", "", text)
    sources = [part for measure in CATALOGUE.values() for part in measure.source.split("; ")]
    works: dict[str, str] = {}
    for work in (*_WORKS, *sources):
        cited = re.match(r"(.*) \((\d{4})\), ", work)
        if cited and f"{cited[1]} {cited[2]}" in plain:
            works.setdefault(cited[0], re.sub(r" \([a-z][^)]*\)$|, (?:with|averaged) .*", "", work))
    return "; ".join(as_text(work) for work in sorted(works.values()))


def _content(run: RunTables) -> dict[str, Any]:
    """Return everything that the template shows."""
    scenario, manifest = run.scenario, run.manifest
    people, card, versions = scenario.personas, manifest.get("weights_card"), manifest.get("versions")
    recipe = card.get("recipe") if isinstance(card, dict) else None
    return {
        "s": scenario,
        "p": scenario.parameters.model_copy(update={name: odd_tables.in_force(scenario, name)[0] for name in LIVE}),
        "opening_cap": scenario.parameters.max_coalitions,
        "shocked": any(isinstance(event, Shock) and event.changes for event in scenario.interventions),
        "title": scenario.title or scenario.name,
        "n": len(people),
        "n_statements": len(odd_tables.statements_of(people.values())),
        "given": scenario.affinity is not None,
        "symmetric": _is_symmetric(scenario),
        "rules": {rule: odd_tables.in_force(scenario, rule) for rule in _RULES},
        "shifting": "".join(listed(_shifting(scenario), len(_RULES))) if _shifting(scenario) else "",
        "kinds": {event.kind for event in scenario.interventions},
        "hardened": any(
            isinstance(event, Shock) and event.stubbornness is not None for event in scenario.interventions
        ),
        "blocs": all(persona.bloc is not None for persona in people.values()),
        "truth": _truth(scenario),
        "couplings": _couplings(scenario),
        "chance": _chance(scenario),
        "traits": odd_tables.traits(scenario),
        "state": odd_tables.state_variables(scenario),
        "measures": odd_tables.measures(run),
        "notation": odd_tables.notation(),
        "personas": odd_tables.personas(scenario),
        "topics": odd_tables.topics(scenario),
        "affinity": odd_tables.given_affinity(scenario),
        "interventions": odd_tables.interventions(scenario),
        "parameters": odd_tables.parameters(scenario),
        "manifest": {key: manifest.get(key) or MISSING for key in _STATED},
        "latent_dim": _whole(recipe, "latent_dim"),
        "members": _whole(recipe, "members"),
        "held_out": _held_out(manifest),
        "versions": ", ".join(f"{key} {value}" for key, value in versions.items())
        if isinstance(versions, dict)
        else "",
    }


def _whole(recipe: Any, key: str) -> int | None:
    """Return a whole number of the recipe by which the affinity model was trained; None where it is not stated."""
    value = recipe.get(key) if isinstance(recipe, dict) else None
    return value if isinstance(value, int) else None


def _is_symmetric(scenario: Scenario) -> bool:
    given = scenario.affinity or {}
    return all(given[other].get(key, 0.0) == value for key, row in given.items() for other, value in row.items())


def _truth(scenario: Scenario) -> dict[str, str]:
    """Return the topics on which the personas are known to agree and to disagree, in words."""
    truth = scenario.truth
    known = {} if truth is None else {"agree": truth.agree, "disagree": truth.disagree}
    titles = {side: [name(odd_tables.title_of(scenario, key)) for key in keys] for side, keys in known.items()}
    return {side: "".join(listed(names, 12)) for side, names in titles.items() if names}


def _couplings(scenario: Scenario) -> Markdown:
    """Return how topics bear on others, one a line; nothing where none does."""
    lines = []
    for topic in scenario.topics:
        others = [
            f"{as_text(weight)} of {as_text(odd_tables.title_of(scenario, other))}"
            for other, weight in topic.depends_on.items()
        ]
        lines += [f"- {as_text(topic.title or topic.id)}: {', '.join(others)}"] if others else []
    return Markdown("\n".join(lines))


def _shifting(scenario: Scenario) -> list[str]:
    """Return the rules that change during a run, in words; where nothing is said, those of speech do not matter."""
    idle = odd_tables.idle_parameters(scenario)
    return [label(rule) for rule in _RULES if rule not in idle and len(odd_tables.in_force(scenario, rule)) > 1]


def _chance(scenario: Scenario) -> str:
    """Return what is drawn at random in a run of this scenario, as a list in words."""
    p, people = scenario.parameters, scenario.personas.values()
    said, rules = scenario.affinity is None, {rule: odd_tables.in_force(scenario, rule) for rule in _RULES}
    argued = said and "argument" in rules["kernel"]
    largest = max(len(odd_tables.statements_of([persona])) for persona in people)
    shares: list[float | None] = [persona.traits.stubbornness for persona in people]
    shares += [event.stubbornness for event in scenario.interventions if isinstance(event, Shock)]
    messages = any(event.kind == "message" for event in scenario.interventions)
    drawn = {
        "which statements an agent starts with": p.memory_size is not None and largest > p.memory_size,
        "which of the statements in memory are locked": argued and any(share and share < 1 for share in shares),
        "the topic under debate": "random" in rules["agenda"] and len(scenario.topics) > 1,
        "who speaks": said and any(persona.traits.talkativeness < 1 for persona in people),
        "which statement is said": said and "random" in rules["policy"],
        "whom a listener hears": argued,
        "whether it takes the argument over": argued,
        "who meets whom": said and "deffuant" in rules["kernel"],
        "who takes a message over": argued and messages,
        "the order in which agents are asked to regroup": True,
    }
    return "".join(listed([what for what, is_drawn in drawn.items() if is_drawn], len(drawn)))


def _held_out(manifest: dict[str, Any]) -> str:
    """Return the affinity model's accuracy on topics it was not trained on, in words; empty where it is not known."""
    rows = findings.held_out_accuracy(manifest)
    return "; ".join(f"{row.source} {row.pairs} and {row.motions}" for row in rows)
