"""Explanations: every figure and quote of one is in the run's tables, and what they credit is what moved alignment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from ecosystem.dynamics.alignment import align
from ecosystem.dynamics.events import carry_labels, find_cause, find_events, lone_label
from ecosystem.errors import InputError
from ecosystem.model import EcosystemModel
from ecosystem.reading import load_scenario
from ecosystem.record.folder import RunWriter
from ecosystem.record.manifest import write_config, write_manifest
from ecosystem.record.tables import schemas
from ecosystem.report.chronicle import chronicle
from ecosystem.report.explain import Explanation
from ecosystem.report.lookback import History
from ecosystem.report.notebook import Run
from ecosystem.report.story import Cast
from ecosystem.scenario import Scenario, Shock

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

Matrix = NDArray[np.float64]
Simulate = Callable[..., Run]

FIGURE = r"(?:[+−]\d\.\d\d|0\.00)"
NAME = r"[A-Z][\w -]*?"
WENT = rf"(?:(?:rose|fell) from (?P<{{0}}from>{FIGURE}) to (?P<{{0}}to>{FIGURE})|stayed at (?P<{{0}}stay>{FIGURE}))"
ENDS = rf"\((?P<{{0}}low>{FIGURE}) to (?P<{{0}}high>{FIGURE})\)"
MOST = rf"(?:, most between (?P<{{0}}one>{NAME}) and (?P<{{0}}other>{NAME}) {ENDS})?"
LOOK = re.compile(
    r"(?P<when>Since step (?P<since>\d+), when .*? changed coalition|From the start of the debate|In the same time), "
    rf"mean alignment (?P<whose>[a-z ]+?) {WENT.format('a')}{MOST.format('b')}"
    rf"(?:, but (?P<then>over the whole debate|at this step alone) it {WENT.format('c')}{MOST.format('d')})?\."
)
QUOTE = re.compile(
    rf"(?P<speaker>{NAME})(?: \(opinion (?P<opinion>{FIGURE})(?P<late> afterwards)?\))? at step (?P<step>\d+), "
    r"heard by (?P<heard>[^“]*?): “(?P<text>[^”]*)”"
)
STEPS = r"(\d+(?:, \d+)*(?: and \d+(?!\d* other))?)"
HEARD = re.compile(
    rf"(?P<name>{NAME}) \((?:opinion (?P<opinion>{FIGURE})(?P<late> afterwards)?, )?affinity (?P<affinity>{FIGURE})"
    r"(?P<taken>, taken over)?\)"
)
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "\u202eevil\u2066 name",
    "“Ben”, heard by {{ 7 }}",
    "</p><script>alert(2)</script>",
)


def write(folder: Path, scenario: Scenario) -> None:
    """Begin a run's folder."""
    (folder / "checkpoints").mkdir(parents=True)
    write_config(folder, scenario)
    write_manifest(
        folder, {"status": "complete", "seed": 0, "agents": {k: p.name for k, p in scenario.personas.items()}}
    )


@pytest.fixture(scope="module")
def simulate(jepa: AffinityModel, tmp_path_factory: pytest.TempPathFactory) -> Simulate:
    """Return what simulates a scenario and writes its tables, once for each set of arguments."""
    known: dict[str, Run] = {}

    def simulated(name: str = "climate-debate", seed: int = 1, shock: bool = False, **parameters: Any) -> Run:
        key = json.dumps([name, seed, shock, parameters])
        if key not in known:
            scenario = load_scenario(name, **parameters)
            if shock:
                sudden = Shock(step=5, kind="shock", learning_rate=0.4)
                scenario = scenario.model_copy(update={"interventions": (sudden,)})
            folder = tmp_path_factory.mktemp("runs") / "run"
            write(folder, scenario)
            model = EcosystemModel(scenario, jepa=jepa, rng=seed)
            writer = RunWriter(folder, model)
            for _ in range(scenario.parameters.steps):
                model.step()
                assert model.last is not None
                writer.add(model.last)
            writer.join()
            known[key] = Run(folder)
        return known[key]

    return simulated


RUNS: tuple[dict[str, Any], ...] = (
    {"seed": 1, "steps": 20},
    {"seed": 2, "steps": 20, "homophily": 5.0, "entry": "nash"},
    {"seed": 3, "steps": 12, "shock": True},
    {"seed": 4, "steps": 16, "threshold_rule": "mean", "threshold": 0.02},
    {"seed": 3, "steps": 24, "kernel": "degroot", "learning_rate": 0.2},
    {"seed": 3, "steps": 16, "kernel": "fj"},
    {"seed": 5, "steps": 16, "kernel": "deffuant"},
    {"seed": 3, "steps": 16, "kernel": "hk"},
    {"name": "climate-shock", "seed": 1},
    {"name": "climate-duet", "seed": 1, "steps": 12, "threshold": -0.05},
)


def number(figure: str) -> float:
    return float(figure.replace("−", "-"))


def weight(run: Run, one: str, other: str, step: int) -> float:
    """Return the alignment of two agents at the end of a step, from the table; nothing stood before the first."""
    return weights_of(run)[step, min(one, other), max(one, other)] if step else 0.0


@cache
def weights_of(run: Run) -> dict[tuple[int, str, str], float]:
    rows = run.alignment.to_dict("records")
    return {(row["step"], *sorted((row["source"], row["target"]))): row["weight"] for row in rows}


def pairs_of(agents: list[str], partners: list[str]) -> list[tuple[str, str]]:
    return sorted({(min(a, b), max(a, b)) for a in agents for b in partners if a != b})


def last_change(run: Run, agents: list[str], step: int) -> int:
    """Return the last step before ``step`` at which one of the agents changed coalition."""
    labels = run.memberships.pivot_table(index="step", columns="agent", values="coalition")
    changed = (labels != labels.shift(fill_value=-1)) & ((labels >= 0) | (labels.shift(fill_value=-1) >= 0))
    steps = changed.index[changed[agents].any(axis=1)]
    return max((int(s) for s in steps if s < step), default=0)


def partners_of(run: Run, event: dict[str, Any], whose: str) -> list[str]:
    """Return with whom an event's agents have the alignment that a text speaks of."""
    kind = {"with those left behind": "leave", "with those joined": "join"}.get(whose, event["event"])
    same = run.events[(run.events["step"] == event["step"]) & (run.events["event"] == kind)]
    for _, row in same.iterrows():
        if list(row["agents"]) == list(event["agents"]):
            return list(row["partners"])
    now = run.memberships[run.memberships["step"] == event["step"]].set_index("agent")["coalition"]
    (agent,) = event["agents"]
    return [other for other in now.index if other != agent and now[other] == now[agent]]


def check_alignments(run: Run, told: dict[str, Any], explanation: Explanation) -> list[tuple[int, int, float]]:
    """Hold every alignment that a text names against the table.

    Returns where each look back ends in the text, which way the event would have it go, and how it went last.
    """
    keys = {persona.name: key for key, persona in run.scenario.personas.items()}
    agents, until = list(told["agents"]), int(told["step"])
    named = explanation.alignment
    shown = {(step, *sorted(pair)) for step, *pair in zip(named["step"], named["source"], named["target"], strict=True)}
    looks = []
    for look in LOOK.finditer(explanation.text):
        pairs = pairs_of(agents, partners_of(run, told, look["whose"]))
        start = last_change(run, agents, until)
        if look["since"]:
            assert int(look["since"]) == start
        elif look["when"] == "From the start of the debate":
            assert start == 0
        again = {"over the whole debate": 0, "at this step alone": until - 1}
        for since, mean, most in ((start, "a", "b"), *(((again[look["then"]], "c", "d"),) if look["then"] else ())):
            before, after = (np.array([weight(run, *pair, step) for pair in pairs]) for step in (since, until))
            ends = look[f"{mean}from"] or look[f"{mean}stay"], look[f"{mean}to"] or look[f"{mean}stay"]
            assert [number(end) for end in ends] == pytest.approx([before.mean(), after.mean()], abs=0.00501)
            assert {(step, *pair) for pair in pairs for step in (since, until) if step} <= shown
            change = after.mean() - before.mean()
            if look[f"{most}one"]:
                pair = tuple(sorted((keys[look[f"{most}one"]], keys[look[f"{most}other"]])))
                k = pairs.index((pair[0], pair[1]))
                ends = look[f"{most}low"], look[f"{most}high"]
                assert [number(end) for end in ends] == pytest.approx([before[k], after[k]], abs=0.00501)
                furthest = np.sign(change) * (after - before)
                assert furthest[k] == pytest.approx(furthest.max(), abs=1e-6)
        together = (
            look["whose"] in ("with those joined", "with them", "between the two sides") or told["event"] == "form"
        )
        looks.append((look.end(), 1 if together else -1, change))
    assert looks, explanation.text
    return looks


def check_opinion(run: Run, key: str, topic: str, step: int, found: re.Match[str]) -> None:
    table = run.opinions.set_index(["step", "agent", "topic"])["opinion"]
    when = step if found["late"] else step - 1
    assert number(found["opinion"]) == pytest.approx(table[when, key, topic], abs=0.00501)


def check_quotes(run: Run, explanation: Explanation) -> int:
    """Hold every quote against the tables; return how many there are."""
    keys = {persona.name: key for key, persona in run.scenario.personas.items()}
    said = run.utterances.set_index(["step", "speaker"])
    heard = run.affinity.set_index(["step", "speaker", "listener"])["observed"]
    quotes = list(QUOTE.finditer(explanation.text))
    for quote in quotes:
        step, speaker = int(quote["step"]), keys[quote["speaker"]]
        row = said.loc[(step, speaker)]
        assert row["text"] == quote["text"]
        listeners = list(HEARD.finditer(quote["heard"]))
        assert listeners
        for listener in listeners:
            key = keys[listener["name"]]
            assert number(listener["affinity"]) == pytest.approx(heard[step, speaker, key], abs=0.00501)
            if listener["opinion"]:
                check_opinion(run, key, row["topic"], step, listener)
            if run.scenario.parameters.kernel == "argument":
                assert bool(listener["taken"]) == (key in row["accepted_by"])
        if quote["opinion"]:
            check_opinion(run, speaker, row["topic"], step, quote)
        again = re.findall(rf"again at steps? {STEPS}", quote["heard"])
        repeats = [(speaker, steps) for steps in again] + [
            (keys[name], steps)
            for name, steps in re.findall(rf"(?:by|,|and) ({NAME}) at steps? {STEPS}", quote["heard"])
        ]
        for other, steps in repeats:
            assert all(said.loc[(int(digits), other)]["text"] == quote["text"] for digits in re.findall(r"\d+", steps))
    return len(quotes)


def check_tables(run: Run, explanation: Explanation) -> None:
    """Hold the tables of an explanation against those of the run."""
    rows, whole = explanation.utterances, run.utterances
    pd.testing.assert_frame_equal(rows[whole.columns], whole.loc[rows.index])
    pd.testing.assert_frame_equal(explanation.alignment, run.alignment.loc[explanation.alignment.index])
    heard = run.affinity.set_index(["step", "speaker", "listener"])["observed"]
    for row in rows.to_dict("records"):
        assert row["observed"] == heard[row["step"], row["speaker"], row["listener"]]
        assert row["step"] <= explanation.step
    assert rows["contribution"].gt(0).all() or rows["contribution"].lt(0).all()
    quoted = dict.fromkeys(rows["text"])
    assert [quote["text"] for quote in QUOTE.finditer(explanation.text)] == list(quoted)


def check(run: Run, k: int) -> Explanation:
    """Hold an explanation against the tables of its run."""
    explanation = run.explain(k)
    told = run.events.iloc[k].to_dict()
    looks = check_alignments(run, told, explanation)
    n_quotes = check_quotes(run, explanation)
    assert n_quotes <= 3
    assert n_quotes or "Nothing that was said" in explanation.text
    check_tables(run, explanation)
    if n_quotes:
        quoting = explanation.text.index("What moved it most")
        _, way, change = [look for look in looks if look[0] < quoting][-1]
        assert way * change > 0.005 or not any(way * change > 0.0101 for _, way, change in looks)
        moved = np.sign(explanation.utterances["contribution"].iloc[0])
        assert moved == np.sign(change) or abs(change) <= 0.005
    assert "\n" not in explanation.text
    assert not re.search(r"\bnan\b", explanation.text)
    return explanation


@pytest.mark.parametrize("given", RUNS, ids=lambda given: "-".join(str(value) for value in given.values()))
def test_any_ten_events_name_what_is_in_the_tables(simulate: Simulate, given: dict[str, Any]) -> None:
    run = simulate(**given)
    assert len(run.events)
    rng = np.random.default_rng(7)
    for k in rng.choice(len(run.events), min(10, len(run.events)), replace=False):
        check(run, int(k))


def test_opinions_are_named_under_the_reference_kernels(simulate: Simulate) -> None:
    run = simulate(seed=3, steps=16, kernel="fj")
    told = [run.explain(k).text for k in range(len(run.events))]
    quoting = [text for text in told if "What moved it most" in text]
    assert quoting
    assert all("affinity being the product of two opinions whatever the words" in text for text in quoting)
    assert any(re.search(rf"\(opinion {FIGURE}\) at step \d+, heard by {NAME} \(opinion", text) for text in quoting)
    late = [quote for text in told for quote in QUOTE.finditer(text) if quote["late"] or "afterwards" in quote["heard"]]
    assert {quote["step"] for quote in late} <= {"1"}
    assert "opinion" not in simulate(seed=1, steps=20).explain(0).text.split("What moved it most")[1].split("“")[0]


def observed_of(run: Run, history: History) -> list[Matrix]:
    """Return what was observed at every step as matrices, from the table."""
    place = {agent: k for k, agent in enumerate(history.agents)}
    matrices = [np.full((len(place), len(place)), np.nan) for _ in range(len(run.metrics))]
    for row in run.affinity.to_dict("records"):
        matrices[row["step"] - 1][place[row["speaker"]], place[row["listener"]]] = row["observed"]
    return matrices


def test_a_contribution_is_what_alignment_would_lack_without_the_exchange(simulate: Simulate) -> None:
    run = simulate(seed=3, steps=12, shock=True)
    history = History(run)
    rates = [0.1] * 4 + [0.4] * 8
    observed = observed_of(run, history)

    def end(matrices: list[Matrix], until: int) -> Matrix:
        alignment = np.zeros_like(matrices[0])
        for matrix, rate in zip(matrices[:until], rates, strict=False):
            alignment = align(alignment, matrix, rate)
        return alignment

    for i, j, step, until in ((0, 1, 2, 6), (3, 7, 5, 9), (4, 10, 8, 8)):
        change = history.change([history.agents[i]], [history.agents[j]], 0, until)
        assert change.end == pytest.approx(end(observed, until)[i, j], abs=1e-6)
        without = [matrix.copy() for matrix in observed]
        without[step - 1][[i, j], [j, i]] = np.nan
        here = run.affinity["step"].to_numpy()[change.heard] == step
        assert here.sum() == 2
        lack = end(observed, until)[i, j] - end(without, until)[i, j]
        assert abs(lack) > 1e-5
        assert change.contribution[here].sum() == pytest.approx(lack, abs=3e-7)


def planted(
    folder: Path,
    observed: Matrix,
    partitions: NDArray[np.int64],
    names: tuple[str, ...],
    texts: Callable[[int, int], str] = lambda step, speaker: f"Statement {speaker} of step {step}.",
    eta: float = 0.5,
    interventions: tuple[dict[str, Any], ...] = (),
) -> Run:
    """Write a run in which alignment follows from what was observed, and events from given partitions.

    ``observed`` is (n_steps, n_agents, n_agents), NaN where nothing was heard; ``partitions`` (n_steps, n_agents).
    """
    n_steps, n, _ = observed.shape
    keys = [f"p{k}" for k in range(n)]
    corpus = [{"text": "A statement.", "topic": "tides"}]
    scenario = Scenario.model_validate(
        {
            "name": "planted",
            "topics": [{"id": "tides", "title": "Tides"}],
            "personas": {key: {"name": name, "corpus": corpus} for key, name in zip(keys, names, strict=True)},
            "parameters": {"steps": n_steps, "learning_rate": eta},
        }
    )
    write(folder, scenario)
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in schemas(2)}
    alignment, label = np.zeros((n, n)), 1
    before = np.array([lone_label(k) for k in range(n)])
    for step in range(1, n_steps + 1):
        heard, earlier = observed[step - 1], alignment
        alignment = align(alignment, heard, eta)
        after, label = carry_labels(before, partitions[step - 1], label)
        at = {"step": step, "topic": "tides"}
        tables["metrics"].append(at)
        spoke = np.flatnonzero(~np.isnan(heard).all(1))
        for k in range(n):
            tables["memberships"].append({"step": step, "agent": keys[k], "coalition": int(after[k]), "present": True})
        for k in spoke.tolist():
            said = {"utterance": (step - 1) * n + k, "speaker": keys[k], "text": texts(step, k), "statement": k}
            tables["utterances"].append({**at, **said, "weighed_by": [], "accepted_by": [keys[(k + 1) % n]]})
        for k, other in np.argwhere(~np.isnan(heard)).tolist():
            row = {"speaker": keys[k], "listener": keys[other], "observed": heard[k, other]}
            tables["affinity"].append({**at, **row, "forecast": 0.0, "cosine": 0.0})
        for k, other in zip(*np.triu_indices(n, 1), strict=True):
            row = {"source": keys[k], "target": keys[other], "weight": alignment[k, other]}
            tables["alignment"].append({"step": step, **row})
        for event in find_events(before, after):
            cause = find_cause(event, earlier, alignment, heard)
            sides = {"agents": [keys[k] for k in event.agents], "partners": [keys[k] for k in event.partners]}
            row = {"step": step, "event": event.kind, "coalition": event.coalition, "other": event.other, "gain": 0.25}
            ends = {"alignment_before": cause.before, "alignment_after": cause.after, "utterances": [], "listeners": []}
            tables["events"].append({**row, **sides, **ends})
        before = after
    tables["interventions"] = list(interventions)
    for name, schema in schemas(2).items():
        pq.write_table(pa.Table.from_pylist(tables[name], schema), folder / f"{name}.parquet")
    return Run(folder)


def pair_run(folder: Path) -> Run:
    """Write three steps of three agents: Ada and Ben agree and form a coalition at step 2; Cem is against Ada."""
    nothing = np.nan
    observed = np.full((3, 3, 3), nothing)
    observed[0, 0, 1], observed[0, 1, 0] = 0.8, 0.5
    observed[1, 0, 1], observed[1, 2, 0] = 0.6, -0.4
    observed[2, 2, 0] = -0.4
    spoken = {0: "Build the weir.", 1: "Build it now.", 2: "Leave the river alone!"}
    partitions = np.array([[0, 1, 2], [0, 0, 2], [0, 1, 2]])
    return planted(folder, observed, partitions, ("Ada", "Ben", "Cem"), lambda _, speaker: spoken[speaker])


def test_the_words_are_these(tmp_path: Path) -> None:
    """Alignment of Ada and Ben: 0, then .5 * .65 = .325, then .5 * .325 + .5 * .6 = .4625."""
    run = pair_run(tmp_path / "run")
    formed = run.explain(0)
    assert str(formed) == (
        "At step 2, with Tides under debate, Ada and Ben formed coalition 1. From the start of the debate, mean "
        "alignment among them rose from 0.00 to +0.46. What moved it most: Ada at step 2, heard by Ben (affinity "
        "+0.60, taken over), again at step 1: “Build the weir.”; and Ben at step 1, heard by Ada (affinity +0.50): "
        "“Build it now.”"
    )
    # Step 2: .5 * (.6 - .325). Step 1: half of .5 * .8, and of .5 * .5, of which step 2 keeps half.
    assert formed.utterances["contribution"].tolist() == pytest.approx([0.1375, 0.1, 0.0625])
    assert formed.utterances["step"].tolist() == [2, 1, 1]
    assert formed.utterances["listener"].tolist() == ["p1", "p1", "p0"]
    assert formed.alignment[["step", "source", "target"]].to_numpy().tolist() == [[2, "p0", "p1"]]
    assert formed.step == 2


def test_what_alignment_does_not_account_for_is_told_otherwise(tmp_path: Path) -> None:
    run = pair_run(tmp_path / "run")
    assert str(run.explain(1)) == (
        "At step 3, with Tides under debate, coalition 1 (Ada and Ben) dissolved. Since step 2, when Ada and Ben "
        "changed coalition, mean alignment among them stayed at +0.46. Nothing that was said in that time moved it. "
        "What else counted: the move brought a gain of 0.25 in alignment above the threshold."
    )
    assert run.explain(1).utterances.empty
    assert run.explain(1).alignment["step"].tolist() == [2, 3]


def scripted(folder: Path, seed: int) -> Run:
    """Write a run of seven agents whose partitions are drawn at random, as is what they make of one another."""
    rng = np.random.default_rng(seed)
    observed = rng.uniform(-1, 1, (9, 7, 7))
    observed[rng.random(observed.shape) < 0.3] = np.nan
    observed[:, range(7), range(7)] = np.nan
    names = tuple(f"Agent {letter}" for letter in "ABCDEFG")
    texts = rng.integers(0, 12, (10, 7))
    partitions = rng.integers(0, 4, (9, 7))
    return planted(folder, observed, partitions, names, lambda step, k: f"Point {texts[step, k]}.", eta=0.2)


def test_every_kind_of_event_is_explained(tmp_path: Path) -> None:
    kinds: set[str] = set()
    elsewhere = 0
    for seed in range(4):
        run = scripted(tmp_path / str(seed), seed)
        for k in range(len(run.events)):
            elsewhere += "What else counted" in check(run, k).text
        kinds |= set(run.events["event"])
    assert kinds == {"form", "join", "leave", "merge", "split", "dissolve"}
    assert elsewhere > 5


def test_a_move_is_told_whole(tmp_path: Path) -> None:
    """Who leaves one coalition for another is explained by both; for a new one, by those who are there."""
    run = scripted(tmp_path / "run", 1)
    events = run.events
    moves = events[events["event"].isin(["leave", "join"])]
    switches = [rows for _, rows in moves.groupby(["step", moves["agents"].str[0]]) if len(rows) == 2]
    assert switches
    for rows in switches:
        for k in rows.index:
            whose = [look["whose"] for look in LOOK.finditer(run.explain(int(k)).text)]
            own = "with those left behind" if events["event"][k] == "leave" else "with those joined"
            assert (len(whose), whose[0]) == (2, own)
    told = [run.explain(int(k)).text for k in events.index[events["event"] == "leave"]]
    new = [text for text in told if "for the new coalition" in text.split(". ")[0]]
    assert new
    assert all("In the same time, mean alignment with those joined" in text for text in new)


def test_an_event_is_its_row_or_its_position(simulate: Simulate) -> None:
    run = simulate(seed=1, steps=20)
    row = run.events.iloc[3]
    told = {str(run.explain(event)) for event in (3, np.int64(3), row, row.to_dict(), run.events.to_dict("records")[3])}
    assert len(told) == 1
    plain = json.loads(run.events.iloc[[3]].to_json(orient="records"))[0]
    assert str(run.explain(plain)) in told


def wrong_events() -> Iterator[Any]:
    yield from (-1, 10**9, True, None, "form", 1.0, {}, {"step": 1}, [3], pd.Series({"step": 1, "event": "form"}))
    yield {"step": 999, "event": "join", "coalition": 1, "agents": ["farmer"]}
    yield {"step": "x\ny", "event": "join", "coalition": 1, "agents": 3}
    yield {"step": 1, "event": [], "coalition": 1, "agents": ["farmer"]}


@pytest.mark.parametrize("event", list(wrong_events()), ids=lambda event: type(event).__name__)
def test_what_is_no_event_is_refused_in_one_line(simulate: Simulate, event: Any) -> None:
    run = simulate(seed=1, steps=20)
    last = len(run.events) - 1
    with pytest.raises(InputError, match=f"^event: found .*from 0 to {last}, is accepted$") as error:
        run.explain(event)
    assert "\n" not in str(error.value)


def test_a_run_without_events_says_so(tmp_path: Path) -> None:
    run = planted(tmp_path / "run", np.full((2, 2, 2), np.nan), np.array([[0, 1], [0, 1]]), ("Ada", "Ben"))
    with pytest.raises(InputError, match=r"^event: found 0; the run has no events$"):
        run.explain(0)


def test_hostile_names_and_quotes_stay_text(tmp_path: Path) -> None:
    observed = np.random.default_rng(3).uniform(-1, 1, (6, 4, 4))
    observed[:, range(4), range(4)] = np.nan
    partitions = np.random.default_rng(3).integers(0, 3, (6, 4))
    run = planted(
        tmp_path / "run", observed, partitions, HOSTILE, lambda step, k: f"{HOSTILE[k]}\n<b>{step}</b> " + "x" * 400
    )
    assert len(run.events)
    for k in range(len(run.events)):
        explanation = run.explain(k)
        assert not set(explanation.text) & {chr(c) for c in (0x0A, 0x202E, 0x2066, 0x2069)}
        assert len(explanation.text) < 4000
        html = explanation._repr_html_()
        assert set(re.findall(r"<[^>]*>", html)) == {"<p>", "</p>", "<bdi>", "</bdi>"}
        assert html.count("<bdi>") == html.count("</bdi>")
    assert "<img" in "".join(run.explain(k).text for k in range(len(run.events)))


def test_who_leaves_the_debate_is_said_to(tmp_path: Path) -> None:
    observed, partitions = np.full((2, 4, 4), np.nan), np.array([[0, 0, 0, 0], [0, 1, 1, 1]])
    observed[0, 0, 1:] = 0.8
    gone = {"step": 2, "intervention": "leave", "agents": ["p0"], "accepted_by": []}
    run = planted(tmp_path / "run", observed, partitions, ("Ada", "Ben", "Cem", "Dia"), interventions=(gone,))
    assert str(run.explain(1)).startswith(
        "At step 2, with Tides under debate, Ada left coalition 1 (Ben, Cem and Dia) with the debate. The step began "
        "with an intervention: Ada left the debate. Since step 1, "
    )
    assert [account.step for account in chronicle(run, Cast.of(run)).accounts] == [1, 2, 2]
    words = ["".join(account.words) for account in chronicle(run, Cast.of(run)).accounts]
    assert words[1] == "Ada left the debate."
    assert words[2].endswith("with the debate; mean alignment with those left behind stayed at +0.40.")


def test_interventions_are_told_where_they_happened(simulate: Simulate) -> None:
    run = simulate("climate-shock", seed=1)
    told = {
        (account.step, "".join(account.words)) for account in chronicle(run, Cast.of(run)).accounts if not account.rows
    }
    assert {
        (13, "Reactor engineer entered the debate."),
        (19, "Nuclear power came onto the agenda."),
        (31, "Homophily was set to 8."),
        (31, "Stubbornness of Steelworker and Climate striker was set to 1."),
        (40, "Steelworker left the debate."),
    } <= told
    (message,) = (words for step, words in told if step == 10)
    row = run.interventions.iloc[0]
    assert message.startswith(f"A message on Gas terminals, “{row['text']}”, reached Energy minister, ")
    assert message.endswith("and was taken over by no one.") == (len(row["accepted_by"]) == 0)
    assert len(told) == 7


def test_the_chronicle_looks_back_where_the_step_does_not_tell(simulate: Simulate) -> None:
    run = simulate(seed=1, steps=20)
    accounts = chronicle(run, Cast.of(run), limit=100).accounts
    looking = [
        account for account in accounts if ". Since step " in (words := "".join(account.words)) or ". From" in words
    ]
    assert looking
    for account in looking:
        assert not account.quotes
        text = "".join(account.words)
        assert any("".join(look.group(0)) in text for k in account.rows for look in LOOK.finditer(run.explain(k).text))


def test_given_affinity_is_explained_by_alignment_alone(simulate: Simulate) -> None:
    run = simulate("highland-tribes", seed=0, steps=2)
    assert len(run.events)
    for k in range(len(run.events)):
        explanation = run.explain(k)
        event = run.events.iloc[k]
        mean = np.mean([weight(run, *pair, 1) for pair in pairs_of(event["agents"], event["partners"])])
        (stood,) = re.findall(rf"stayed at ({FIGURE})", explanation.text)
        assert number(stood) == pytest.approx(mean, abs=0.00501)
        assert "The scenario gives the affinities, and nothing is said in it." in explanation.text
        assert "above the threshold of 0.00 that makes a coalition worth sharing" in explanation.text
        assert explanation.utterances.empty
        assert set(explanation.alignment["step"]) == {1}
