"""``ODD.md``: complete by the protocol, true to the run, and inert whatever a scenario says."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ecosystem.dynamics.exchange import Memory
from ecosystem.dynamics.state import State
from ecosystem.measures import CATALOGUE
from ecosystem.model import EcosystemModel
from ecosystem.record.manifest import write_config, write_manifest
from ecosystem.record.reader import RunTables
from ecosystem.report.markdown import as_text
from ecosystem.report.odd import describe_model, write_odd
from ecosystem.report.odd_tables import idle_parameters
from ecosystem.scenario import Parameters, Scenario, Traits

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

MODEL = Path(__file__).parents[1] / "ecosystem" / "model.py"
ELEMENTS = [
    "1. Purpose and patterns",
    "2. Entities, state variables, and scales",
    "3. Process overview and scheduling",
    "4. Design concepts",
    "5. Initialization",
    "6. Input data",
    "7. Submodels",
]
CONCEPTS = [
    *("Basic principles", "Emergence", "Adaptation", "Objectives", "Learning", "Prediction", "Sensing", "Interaction"),
    *("Stochasticity", "Collectives", "Observation"),
]
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "a | b || c \\| d",
    "**bold** _italic_ ~~gone~~ `code` ``",
    "two\nlines\n\n# heading\n- item\n| cell |\n--- | ---\n",
    "[link](https://example.org) ![image](x.png) <https://example.org> www.example.org me@example.org",
    "{{ 7 * 7 }}{% raw %} &amp; &lt;script&gt; $x^2$ [^1] :::",
    "1. first",
    "- - -",
    "```\nfence",
    "(a) list",
    "\u202eevil\u2066 name",
    "ends with \\",
]
EVENTS: list[dict[str, Any]] = [
    {"step": 9, "kind": "leave", "persona": "a1"},
    {"step": 2, "kind": "enter", "persona": "a2"},
    {"step": 4, "kind": "statement", "text": "A dam broke.", "topic": "t0", "personas": ["a0"]},
    {"step": 5, "kind": "message", "text": "Stay calm.", "topic": "t0"},
    {"step": 6, "kind": "topic", "topic": "t1"},
    {"step": 7, "kind": "shock", "homophily": 6.5, "stubbornness": 0.9, "personas": ["a0"]},
]
SPOKEN = re.compile("Exchange of arguments|Kernel|Speech|Alignment|Affinity|Opinions")


def make_run(
    folder: Path,
    names: list[str] | None = None,
    given_affinity: dict[str, dict[str, float]] | None = None,
    manifest: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
    traits: dict[str, float] | None = None,
    **rest: Any,
) -> RunTables:
    """Write the folder of a run with the parts that the description is made from."""
    names = names or ["Ada", "Ben", "Cem"]
    personas: dict[str, dict[str, Any]] = {
        f"a{i}": {"name": name, "traits": traits if i == 0 and traits else {}} for i, name in enumerate(names)
    }
    for i, persona in enumerate(personas.values()):
        if given_affinity is None:
            persona["corpus"] = [{"text": f"{i} says it.", "topic": "t0"}, {"text": "All say.", "topic": "t1"}]
    raw: dict[str, Any] = {
        "name": "small",
        "topics": [{"id": "t0", "title": "Tides", "motion": "Tides rise."}, {"id": "t1"}],
        "personas": personas,
        "affinity": given_affinity,
        "parameters": {"steps": 8, "seed": 3} | (parameters or {}),
    }
    folder.mkdir()
    write_config(folder, Scenario.model_validate(raw | rest))
    write_manifest(folder, {"status": "complete"} | (manifest or {}))
    rng = np.random.default_rng(7)
    metrics: dict[str, Any] = {"step": [1, 8]} | {column: rng.normal(size=2) for column in CATALOGUE}
    metrics["bloc_recovery"] = [0.5, float("nan")]
    pq.write_table(pa.table(metrics), folder / "metrics.parquet")
    return RunTables(folder)


def parse(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def spoken(token: Token) -> str:
    """Return what a reader sees of an inline token."""
    return "".join(" " if child.type == "softbreak" else child.content for child in token.children or [])


def shape(text: str) -> list[str]:
    """Return the kinds of all tokens, in order."""
    tokens = parse(text)
    return [kind.type for token in tokens for kind in (token, *(token.children or []))]


def tables(text: str) -> dict[str, list[list[str]]]:
    """Return the rows of every table by the head of its first column, the head among them."""
    found: list[list[list[str]]] = []
    for token in parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and token.level >= 4 and found:
            found[-1][-1].append(spoken(token))
    return {rows[0][0]: rows for rows in found}


def headings(text: str, tag: str) -> list[str]:
    tokens = parse(text)
    return [
        spoken(tokens[i + 1]) for i, token in enumerate(tokens) if token.type == "heading_open" and token.tag == tag
    ]


def fences(text: str) -> str:
    return "".join(token.content for token in parse(text) if token.type == "fence")


def words(text: str) -> str:
    return "\n".join(spoken(token) for token in parse(text) if token.type == "inline")


def test_all_seven_elements_and_eleven_concepts_are_there_in_order(tmp_path: Path) -> None:
    text = describe_model(make_run(tmp_path / "run"))
    assert headings(text, "h2") == [*ELEMENTS, "References"]
    concepts = text[text.index("## 4.") : text.index("## 5.")]
    assert re.findall(r"^\*\*(.+?)\.\*\*", concepts, re.MULTILINE) == CONCEPTS
    assert "Purpose." in words(text)
    assert "Patterns." in words(text)
    assert "Grimm et al. (2020), JASSS 23(2) 7" in words(text)


def test_every_parameter_has_its_value_default_range_and_meaning(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", parameters={"homophily": 7.25, "max_coalitions": 2, "threshold": -0.5})
    head, *rows = tables(describe_model(run))["parameter"]
    assert head == ["parameter", "value", "default", "accepted", "meaning"]
    found = {row[0]: row[1:] for row in rows}
    assert list(found) == list(Parameters.model_fields)
    for key, field in Parameters.model_fields.items():
        assert found[key][3] == field.description
        assert found[key][2] not in ("", "–")
    assert found["homophily"][:3] == ["7.25", "2", "real, 0 to 100"]
    assert found["max_coalitions"][:3] == ["2", "none", "whole, 1 to 1,000,000 or none"]
    assert found["threshold"][:3] == ["-0.5", "0.03", "real, -1 to 1"]
    assert found["seed"][:3] == ["3", "0", "whole, 0 to 2^63 − 1"]
    assert found["learning_rate"][:3] == ["0.1", "0.1", "real, above 0 to 1"]
    assert found["entry"][:3] == ["individual", "individual", "nash, individual, contractual"]


def test_every_measure_has_its_definition_and_last_value(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    text = describe_model(run)
    head, *rows = tables(text)["measure"]
    assert head == ["measure", "definition", "at step 8"]
    values = {
        column: value for row in rows for column, value in zip(row[0].split(", "), row[2].split("; "), strict=True)
    }
    assert list(values) == list(CATALOGUE)
    for column, value in run.metrics.iloc[1].drop("step").items():
        if column != "bloc_recovery":
            assert float(values[str(column)].replace("−", "-")) == pytest.approx(value, rel=5e-3)
    assert values["bloc_recovery"] == "–"
    definitions = "\n".join(row[1] for row in rows)
    assert all(measure.formula in definitions for measure in CATALOGUE.values())
    assert CATALOGUE["frustration"].meaning in definitions
    assert f"{CATALOGUE['frustration'].formula} (Doreian & Mrvar 1996)" in definitions
    assert "Doreian & Mrvar (1996), Social Networks" in words(text).splitlines()[-1]


def test_traits_and_personas_are_those_of_the_scenario(tmp_path: Path) -> None:
    found = tables(describe_model(make_run(tmp_path / "run", traits={"openness": 0.9, "weight": 12.5})))
    traits = {row[0]: row[1:] for row in found["trait"][1:]}
    assert list(traits) == list(Traits.model_fields)
    assert traits["openness"][0] == "0.5 to 0.9"
    assert traits["weight"][:3] == ["1 to 12.5", "1", "real, above 0 to 1,000,000"]
    assert traits["stubbornness"][0] == "0.5"
    assert found["agent"] == [
        ["agent", "statements", "topics", "openness", "weight"],
        ["Ada", "2", "2", "0.9", "12.5"],
        ["Ben", "2", "2", "0.5", "1"],
        ["Cem", "2", "2", "0.5", "1"],
    ]
    assert found["topic"] == [
        ["topic", "statements", "motion"],
        ["Tides", "3", "Tides rise."],
        ["t1", "1", "–"],
    ]
    alike = words(describe_model(make_run(tmp_path / "alike")))
    assert "Ada (2 on 2 topics); Ben (2 on 2 topics); Cem (2 on 2 topics)" in alike
    assert "4 distinct statements on 2 topics" in alike


def test_the_process_is_that_of_the_model(tmp_path: Path) -> None:
    (step,) = [
        node
        for node in ast.walk(ast.parse(MODEL.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "step"
    ]
    calls = [
        node.func
        for node in sorted((n for n in ast.walk(step) if isinstance(n, ast.Call)), key=lambda n: n.lineno)
        if isinstance(node.func, ast.Attribute)
    ]
    methods = [call.attr for call in calls if isinstance(call.value, ast.Name) and call.value.id == "self"]
    text = describe_model(make_run(tmp_path / "run"))
    process = text[text.index("## 3.") : text.index("## 4.")]
    assert re.findall(r"^\d\. \*\*(\w+)\.\*\*", process, re.MULTILINE) == [method.capitalize() for method in methods]


def test_state_variables_are_those_of_the_state(tmp_path: Path) -> None:
    shock = [{"step": 1, "kind": "shock", "bias": 2}]
    run = make_run(tmp_path / "run", parameters={"learn": "online"}, interventions=shock)
    cells = "\n".join(" ".join(row) for row in tables(describe_model(run))["of each"])
    kept = {field.name for owner in (State, Memory) for field in fields(owner)} - {"memory"}
    for name in kept:
        assert re.search(rf"\b{name}\b", cells), name
    plain = tables(describe_model(make_run(tmp_path / "plain")))["of each"]
    assert not re.search(r"\b(shocks|learned)\b", "\n".join(row[1] for row in plain))
    assert [row[0] for row in plain[1:]] == ["pair of agents", "agent", "topic", "coalition", "debate"]


@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_hostile_text_is_text_and_changes_nothing_else(tmp_path: Path, place: int) -> None:
    hostile = HOSTILE[place]
    line = " ".join(hostile.translate({0x202E: None, 0x2066: None}).split())

    def describe(folder: str, text: str) -> str:
        changes: dict[str, Any] = {
            "title": text,
            "description": text,
            "source": text,
            "licence": text,
            "topics": [{"id": "t0", "title": f"{text} t", "motion": text}, {"id": "t1", "depends_on": {"t0": 0.5}}],
            "truth": {"agree": ["t0"], "disagree": ["t1"]},
            "interventions": [
                {"step": 1, "kind": "message", "text": text, "topic": "t0", "personas": ["a0"]},
                {"step": 1, "kind": "leave", "persona": "a0"},
            ],
        }
        names = [text, f"{text} 2", f"3 {text}"]
        card = {"recipe": {"latent_dim": text}, "metrics": {text: {"pairs_auc": 0.5}}}
        manifest = {"encoder": text, "git_commit": text, "versions": {text: text}, "weights_card": card}
        run = make_run(
            tmp_path / folder, names, manifest=manifest, parameters={"kernel": "fj"}, traits={"weight": 2}, **changes
        )
        return describe_model(run)

    plain, text = describe("plain", "word"), describe("hostile", hostile)
    assert shape(text) == shape(plain)
    kinds = set(shape(text))
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "em", "s_open", "bullet_list"}
    # "word" stands in "statement and a motion" and the like as well: count it where it is the scenario's.
    assert words(text).count(line) >= 17
    assert tables(text)["agent"][1][0] == line
    assert tables(text)["topic"][1][0] == f"{line} t"


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn"), exclude_characters="\ufffe\uffff"), max_size=60))
def test_whatever_is_escaped_reads_as_it_was(text: str) -> None:
    line = " ".join(text.translate(dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])).split())
    if not line:
        return
    for before, after, level in (("", "", 1), ("> ", "", 2), ("words ", " words", 1), ("- ", "", 3)):
        tokens = parse(f"{before}{as_text(text)}{after}")
        (inline,) = [token for token in tokens if token.type == "inline"]
        lead = before if before == "words " else ""
        assert (spoken(inline), inline.level) == (f"{lead}{line}{after}", level)
        assert {child.type for child in inline.children or []} <= {"text"}
    assert tables(f"| head | b |\n| --- | --- |\n| {as_text(text)} | b |")["head"][1] == [line, "b"]


def test_links_are_broken_where_readers_make_them_from_bare_words() -> None:
    escaped = as_text("see https://example.org or www.example.org, 2.0 and v1.2")
    assert escaped == "see https\\://example\\.org or www\\.example\\.org, 2.0 and v1.2"


KERNELS = {
    "argument": ["P(i accepts) = openness_i · σ(β s)", "P(j | i) = ((1 + a_ij) / 2)^h / Σ_k ((1 + a_ik) / 2)^h"],
    "degroot": ["x_i ← (1 − openness_i) x_i + openness_i Σ_j P(j | i) x_j", "P(j | i) = "],
    "fj": ["x_i ← (1 − stubbornness_i) y_i + stubbornness_i x_i(0)", "P(j | i) = "],
    "deffuant": ["x_i ← x_i + μ (x_j − x_i) and x_j ← x_j + μ (x_i − x_j)      if |x_i − x_j| < ε"],
    "hk": ["x_i ← mean of x_j over j = i and all who spoke with |x_i − x_j| ≤ ε"],
}
AUTHORS = {
    "argument": "Mäs & Flache",
    "degroot": "DeGroot",
    "fj": "Friedkin & Johnsen",
    "deffuant": "Deffuant et al.",
    "hk": "Hegselmann & Krause",
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_kernel_in_force_is_described_and_no_other(tmp_path: Path, kernel: str) -> None:
    text = describe_model(make_run(tmp_path / "run", parameters={"kernel": kernel}))
    equations = fences(text)
    for name, lines in KERNELS.items():
        if name == kernel:
            assert all(line in equations for line in lines)
        else:
            assert lines[0] not in equations
    works = words(text).splitlines()[-1]
    cited = {name for name, author in AUTHORS.items() if f"{author} (" in works}
    assert cited == {kernel} | ({"fj"} if kernel == "argument" else set())
    assert f"{AUTHORS[kernel]} " in words(text[text.index("## 4.") : text.index("## 5.")])
    own = "exchange of arguments" if kernel == "argument" else "kernel"
    patterns = [row[0] for row in tables(text)["submodel"][1:]]
    assert set(patterns) == {"coalitions", "measures", own}


def test_topics_that_bear_on_others_are_told_of_friedkin_johnsen_only(tmp_path: Path) -> None:
    coupled = [{"id": "t0"}, {"id": "t1", "title": "Bridges", "depends_on": {"t0": 0.25}}]
    text = describe_model(make_run(tmp_path / "fj", parameters={"kernel": "fj"}, topics=coupled))
    assert "Σ_t′ C_tt′ y_it′" in fences(text)
    assert "Bridges: 0.25 of t0" in words(text)
    assert "Parsegov et al. (2017)" in words(text)
    other = describe_model(make_run(tmp_path / "hk", parameters={"kernel": "hk"}, topics=coupled))
    assert "Bridges: 0.25" not in words(other)
    assert "Parsegov" not in other


@pytest.mark.parametrize(
    ("entry", "equation"),
    [
        ("nash", None),
        ("individual", "\na_ji ≥ γ for all j ∈ C′\n"),
        ("contractual", "\na_ji ≥ γ for all j ∈ C′ and a_ji ≤ γ for all j ∈ C, j ≠ i\n"),
    ],
)
def test_the_rule_of_entry_in_force_has_its_equation(tmp_path: Path, entry: str, equation: str | None) -> None:
    run = make_run(tmp_path / "run", parameters={"entry": entry, "switching_cost": 0.125, "threshold": 0.25})
    text = describe_model(run)
    equations = fences(text)
    assert "u_i(C) = Σ_(j ∈ C, j ≠ i) s_j (a_ij − γ)\n" in equations
    assert "u_i(C′) − u_i(C) > κ\n" in equations
    assert ("a_ji" in equations) == (equation is not None)
    assert equation is None or equation in equations
    assert f"({entry})" in words(text) or f"is {entry}:" in words(text)
    assert "Here κ = 0.125." in words(text)
    assert "Here γ = 0.25." in words(text)
    assert "Φ = Σ_(i < j together) s_i s_j (a_ij − γ)" in equations


def test_rules_that_come_into_force_are_described_with_those_of_the_start(tmp_path: Path) -> None:
    shocks = [
        {"step": 3, "kind": "shock", "kernel": "hk", "entry": "nash", "policy": "random", "agenda": "random"},
        {"step": 5, "kind": "shock", "threshold_rule": "mean", "max_coalitions": 2},
        {"step": 6, "kind": "shock", "max_coalitions": None},
        {"step": 9, "kind": "shock", "kernel": "fj", "entry": "contractual"},  # the run has eight steps
    ]
    text = describe_model(make_run(tmp_path / "run", interventions=shocks))
    told = words(text)
    assert "Rules change during this run (kernel, policy, agenda, threshold rule, entry and max coalitions;" in told
    assert re.findall("### (?:Kernel|Exchange)[^\n]*", text) == [
        "### Exchange of arguments", "### Kernel: averaging among the near (Hegselmann–Krause)",
    ]  # fmt: skip
    assert "under responsive: the nearest to the predicted reply" in told
    assert "Under random: one is drawn at random." in told
    assert "Entry is free (nash)" in told
    assert "The rule is individual:" in told
    assert "The rule is contractual:" not in told
    assert "γ_t = γ      under fixed" in fences(text)
    assert "γ_t = γ + mean of a_ij over all pairs      under mean" in fences(text)
    assert "No move may raise the number of blocks above 2 while that cap is in force" in told
    assert "the topic under debate" in told.split("Drawn at random:")[1].split(".")[0]
    at_once = describe_model(make_run(tmp_path / "at_once", interventions=[{**shocks[0], "step": 1}]))
    assert "### Exchange of arguments" not in at_once
    assert "It weighs one argument" not in at_once
    assert "Rules change during this run" not in at_once
    plain = words(describe_model(make_run(tmp_path / "plain", interventions=shocks[3:])))
    assert "Rules change during this run" not in plain
    assert "Under" not in plain.split("Among these,")[1].split("Opinions")[0]


@pytest.mark.parametrize(
    ("rule", "equation"),
    [("fixed", None), ("mean", "γ_t = γ + mean of a_ij"), ("quantile", "γ_t = the γ-quantile of a_ij")],
)
def test_the_threshold_rule_in_force_has_its_equation(tmp_path: Path, rule: str, equation: str | None) -> None:
    run = make_run(tmp_path / "run", parameters={"threshold_rule": rule, "threshold": 0.5, "max_coalitions": 4})
    text = describe_model(run)
    assert ("γ_t" in fences(text)) == (equation is not None)
    assert equation is None or equation in fences(text)
    assert "No move may raise the number of blocks above 4." in words(text)


def test_given_affinity_is_printed_and_nothing_is_said(tmp_path: Path) -> None:
    affinity = {"a0": {"a1": 0.5, "a2": -1.0}, "a1": {"a0": -0.25}, "a2": {"a0": -1.0}}
    text = describe_model(make_run(tmp_path / "run", given_affinity=affinity, interventions=EVENTS[:2]))
    assert tables(text)["of row to column"] == [
        ["of row to column", "1", "2", "3"],
        ["1 Ada", "–", "0.5", "-1"],
        ["2 Ben", "-0.25", "–", "0"],
        ["3 Cem", "-1", "0", "–"],
    ]
    assert not SPOKEN.search("\n".join(headings(text, "h3")))
    assert "Affinity is not symmetric." in words(text)
    assert "moves may go round in a circle" in words(text)
    assert "Φ" not in fences(text)
    assert "held" not in tables(text)["of each"][1][1]
    body = re.sub(r"^\|.*", "", text[: text.index("### Parameters")], flags=re.MULTILINE)
    assert not re.search("JEPA|[Ss]peaker|encoder|utterance|topic|locked|hears", body[: body.index("In the formulas")])
    assert not re.search("JEPA|[Ss]peaker|encoder|utterance|topic|locked|hears", body[body.index("## 5.") :])
    parameters = {row[0]: row[1] for row in tables(text)["parameter"][1:]}
    assert parameters["homophily"] == "2 (idle)"
    assert parameters["threshold"] == "0.03"


def test_symmetric_affinity_has_a_potential_and_much_of_it_is_summed_up(tmp_path: Path) -> None:
    names = [f"Agent {i}" for i in range(17)]
    affinity = {f"a{i}": {f"a{j}": 1.0 for j in (i - 1, i + 1) if 0 <= j < 17} for i in range(17)}
    text = describe_model(make_run(tmp_path / "run", names, given_affinity=affinity))
    assert "32 affinities, from 1 to 1: 32 positive, 0 negative, 0 zero" in words(text)
    assert "Affinity is symmetric." in words(text)
    assert "Φ = " in fences(text)


def test_interventions_are_told_in_their_order_and_only_those_there_are(tmp_path: Path) -> None:
    text = describe_model(make_run(tmp_path / "run", interventions=EVENTS))
    assert tables(text)["step"] == [
        ["step", "intervention", "what happens"],
        ["2", "enter", "Cem enters"],
        ["4", "statement", "“A dam broke.” (Tides) becomes known to Ada"],
        ["5", "message", "“Stay calm.” (Tides) is broadcast to everyone"],
        ["6", "topic", "t1 enters the agenda"],
        ["7", "shock", "homophily becomes 6.5; stubbornness of Ada becomes 0.9"],
        ["9 (never: the run ends before)", "leave", "Ben leaves"],
    ]
    assert tables(text)["agent"] == [
        ["agent", "statements", "topics", "enters later"],
        *(["Ada", "2", "2", "–"], ["Ben", "2", "2", "–"], ["Cem", "2", "2", "yes"]),
    ]
    assert "enters later" in tables(text)["topic"][0]
    assert "who takes a message over" in words(text)
    only = describe_model(make_run(tmp_path / "only", interventions=EVENTS[3:4]))
    told = only[only.index("### Interventions") : only.index("### Parameters")]
    assert "A message is weighed" in told
    assert not re.search("Who enters|joins the corpora|comes under debate|A shock", told)
    none = describe_model(make_run(tmp_path / "none"))
    assert "### Interventions" not in none
    assert "No interventions are scheduled." in none


TO_DEGROOT = {"step": 3, "kind": "shock", "kernel": "degroot"}


@pytest.mark.parametrize(
    ("parameters", "rest", "idle"),
    [
        ({}, {}, {"confidence", "convergence"}),
        ({"kernel": "degroot"}, {}, {"bias", "confidence", "convergence"}),
        ({"kernel": "deffuant"}, {}, {"homophily", "bias"}),
        ({"kernel": "hk"}, {}, {"homophily", "bias", "convergence"}),
        ({"kernel": "hk"}, {"interventions": EVENTS[3:4]}, {"homophily", "bias"}),
        ({"kernel": "hk"}, {"interventions": [TO_DEGROOT]}, {"bias", "convergence"}),
        ({"kernel": "hk"}, {"interventions": [{**TO_DEGROOT, "step": 1}]}, {"bias", "confidence", "convergence"}),
        ({"kernel": "hk"}, {"interventions": [{**TO_DEGROOT, "step": 999}]}, {"homophily", "bias", "convergence"}),
    ],
)
def test_idle_parameters_are_those_the_kernel_does_not_read(
    tmp_path: Path, parameters: dict[str, Any], rest: dict[str, Any], idle: set[str]
) -> None:
    run = make_run(tmp_path / "run", parameters=parameters, **rest)
    assert idle_parameters(run.scenario) == idle
    rows = tables(describe_model(run))["parameter"][1:]
    assert {row[0] for row in rows if row[1].endswith(" (idle)")} == idle


OTHER: dict[str, Any] = {
    **{"policy": "random", "homophily": 60.0, "bias": 0.5, "learning_rate": 0.9, "confidence": 0.02, "memory_size": 3},
    **{"convergence": 0.1, "kernel": "hk"},
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_idle_parameters_make_no_difference_and_the_others_do(
    debate: Scenario, jepa: AffinityModel, kernel: str
) -> None:
    topics = debate.topics[:2]
    people = {
        key: persona.model_copy(
            update={"corpus": tuple(s for s in persona.corpus if s.topic in {t.id for t in topics})}
        )
        for key, persona in list(debate.personas.items())[:5]
    }
    scenario = debate.model_copy(update={"topics": topics, "personas": people})

    def outcome(**changes: Any) -> list[Any]:
        settings: dict[str, Any] = {"kernel": kernel, "confidence": 0.9} | changes
        model = EcosystemModel(scenario, rng=1, jepa=jepa, **settings)
        for _ in range(6):
            model.step()
        return [model.state.opinions, model.state.alignment, model.state.partition]

    base, idle = outcome(), idle_parameters(scenario.with_parameters(kernel=kernel))
    for key in ("homophily", "bias", "confidence", "convergence"):
        same = [np.array_equal(one, other) for one, other in zip(outcome(**{key: OTHER[key]}), base, strict=True)]
        assert all(same) == (key in idle), key


def test_nothing_of_speech_matters_where_affinity_is_given(tmp_path: Path, jepa: AffinityModel) -> None:
    affinity = {"a0": {"a1": 0.5, "a2": -1.0}, "a1": {"a0": 0.5}, "a2": {"a0": -1.0}}
    scenario = make_run(tmp_path / "run", given_affinity=affinity).scenario
    assert idle_parameters(scenario) == {*OTHER, "learn"}
    outcomes = []
    settings: list[dict[str, Any]] = [{}, OTHER]
    for changes in settings:
        model = EcosystemModel(scenario, rng=1, jepa=jepa, **changes)
        for _ in range(3):
            model.step()
        outcomes.append(model.state)
    np.testing.assert_array_equal(outcomes[0].alignment, outcomes[1].alignment)
    np.testing.assert_array_equal(outcomes[0].partition, outcomes[1].partition)


@pytest.mark.parametrize(
    ("parameters", "traits", "drawn"),
    [
        (
            {},
            {},
            "which of the statements in memory are locked, whom a listener hears, whether it takes the argument over",
        ),
        ({"kernel": "hk"}, {}, "Drawn at random: the order in which agents are asked to regroup."),
        ({"kernel": "deffuant"}, {}, "Drawn at random: who meets whom and the order"),
        (
            {"kernel": "fj", "memory_size": 1},
            {"talkativeness": 0.5},
            "which statements an agent starts with, who speaks",
        ),
        (
            {"kernel": "hk", "agenda": "random", "policy": "random"},
            {},
            "the topic under debate, which statement is said",
        ),
    ],
)
def test_what_is_drawn_at_random_is_what_this_run_draws(
    tmp_path: Path, parameters: dict[str, Any], traits: dict[str, float], drawn: str
) -> None:
    text = words(describe_model(make_run(tmp_path / "run", parameters=parameters, traits=traits)))
    assert drawn in text
    assert "follows from the seed, 3, the step and the purpose alone" in text


def test_the_affinity_model_is_that_of_the_manifest(tmp_path: Path) -> None:
    card = {"recipe": {"latent_dim": 96, "members": 3}, "metrics": {"ibm": {"pairs_auc": 0.8312, "motion_auc": 0.9}}}
    manifest = {
        "encoder": "small-encoder",
        "weights_sha256": "abc123",
        "corpora_sha256": "def456",
        "python": "3.11.7",
        "versions": {"mesa": "3.3.1"},
        "weights_card": card,
    }
    text = words(describe_model(make_run(tmp_path / "run", manifest=manifest)))
    for part in ("small-encoder", "abc123", "def456", "96 dimensions", "4 networks", "ibm 0.83 and 0.90", "mesa 3.3.1"):
        assert part in text


@pytest.mark.parametrize("card", [None, 3, {}, {"recipe": 3, "metrics": 3}, {"recipe": {"members": "many"}}])
def test_what_the_manifest_does_not_say_is_left_out(tmp_path: Path, card: Any) -> None:
    text = words(describe_model(make_run(tmp_path / "run", manifest={"weights_card": card, "versions": None})))
    assert not re.search("dimensions|ROC-AUC|networks|None", text)
    assert "versions not recorded" in text


@pytest.mark.parametrize(("learn", "said"), [("adapt", "once, before the first step"), ("online", "of each step")])
def test_what_learns_is_told(tmp_path: Path, learn: str, said: str) -> None:
    text = words(describe_model(make_run(tmp_path / "run", parameters={"learn": learn})))
    assert said in text
    assert f"without labels ({learn})" in text
    assert "does not learn" not in text


def test_known_outcomes_are_patterns(tmp_path: Path) -> None:
    truth = {"agree": ["t0"], "disagree": ["t1"]}
    text = words(describe_model(make_run(tmp_path / "run", truth=truth)))
    assert "They agree on Tides. They disagree on t1." in text
    assert "names no outcome" not in text
    assert "names no outcome" in words(describe_model(make_run(tmp_path / "plain")))


def test_many_agents_are_counted(tmp_path: Path) -> None:
    names = [f"Agent {i}" for i in range(60)]
    text = describe_model(make_run(tmp_path / "run", names, traits={"weight": 2}))
    assert len(tables(text)["agent"]) == 41
    assert "20 further agents: config.yaml." in words(text)
    alike = words(describe_model(make_run(tmp_path / "alike", names)))
    assert "Agent 39 (2 on 2 topics); 20 more (config.yaml)." in alike


def test_same_run_same_bytes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", interventions=EVENTS)
    path = write_odd(run.path, run)
    assert path == run.path / "ODD.md"
    first = path.read_bytes()
    assert write_odd(run.path, RunTables(run.path)).read_bytes() == first
    assert first.decode() == describe_model(run)
    assert sorted(file.name for file in run.path.iterdir()) == [
        "ODD.md",
        "config.yaml",
        "manifest.json",
        "metrics.parquet",
    ]


def test_it_reads_like_a_document(tmp_path: Path, debate: Scenario) -> None:
    folder = make_run(tmp_path / "run").path
    text = describe_model(RunTables(folder, debate))
    assert len(text) < 30_000
    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    assert "\n\n\n" not in text
    prose = re.sub(r"```.*?```|`[^`]*`", "code", text, flags=re.DOTALL)
    assert not re.search(r"[a-z]\.[A-Z]|,[a-z]|  |\{\{|\{%|None|Undefined", prose)
