"""The report: true to the tables, plain in its words, inert whatever a corpus says."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecosystem.measures import CATALOGUE
from ecosystem.record.manifest import write_config, write_manifest
from ecosystem.record.reader import RunTables
from ecosystem.record.tables import schemas
from ecosystem.report import document, prose
from ecosystem.report.chronicle import chronicle
from ecosystem.report.findings import accuracy_in_short, common_ground, forecast_skill, held_out_accuracy, truth_check
from ecosystem.report.page import number_pictures
from ecosystem.report.story import Cast, final_coalitions, summarise
from ecosystem.scenario import Parameters, Scenario

VOID = {"meta", "img", "br"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "nav", "h1", "h2", "h3"),
    *("p", "b", "bdi", "a", "ol", "ul", "li", "figure", "img", "figcaption", "div", "table", "caption", "thead"),
    *("tbody", "tr", "th", "td", "small", "span", "i", "br", "blockquote", "footer", "code"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "src", "alt", "role", "tabindex"),
    *("aria-label", "aria-labelledby", "aria-hidden", "scope", "dir", "style"),
}
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eevil\u2066 name\u2069\u2069",
    '" onmouseover="alert(3)" x="',
    "</style><!-- & <b>bold</b>",
)


@dataclass(frozen=True)
class FakeFigure:
    name: str
    title: str = "A <title>"
    caption: str = "How to read it."


@pytest.fixture(autouse=True)
def _figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_figures", lambda: [FakeFigure("coalition_timeline"), FakeFigure("measures")])


def make_run(
    folder: Path,
    names: tuple[str, ...] = ("Ada", "Ben", "Cem", "Dia"),
    steps: int = 6,
    events: list[dict[str, Any]] | None = None,
    texts: tuple[str, ...] = (),
    truth: dict[str, Any] | None = None,
    scored: bool = True,
    card: dict[str, Any] | None = None,
) -> RunTables:
    """Write a small finished run whose numbers are random and whose first half is one coalition."""
    keys = [f"a{i}" for i in range(len(names))]
    rng = np.random.default_rng(5)
    said = {key: texts[i % len(texts)] if texts else f"What {key} says." for i, key in enumerate(keys)}
    scenario = Scenario.model_validate(
        {
            "name": "small",
            "title": f"A debate of {names[0]}"[:200],
            "description": texts[0] if texts else "",
            "topics": [{"id": "t0", "title": "Tides", "motion": "Tides rise."}, {"id": "t1", "title": names[-1]}],
            "personas": {
                key: {"name": name, "description": name, "corpus": [{"text": said[key], "topic": "t0"}]}
                for key, name in zip(keys, names, strict=True)
            },
            "parameters": {"steps": steps, "seed": 3},
            "truth": truth,
        }
    )
    folder.mkdir()
    write_config(folder, scenario)
    write_manifest(folder, {"status": "complete", "seed": 3, "command": ["ecosystem", "run"], "weights_card": card})
    together = max(2, len(keys) // 2)
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in schemas(2)}
    for step in range(1, steps + 1):
        topic = f"t{(step - 1) % 2}"
        values = {name: float(rng.random()) if scored else float("nan") for name in CATALOGUE} | {"coalitions": 1.0}
        tables["metrics"].append(
            {"step": step, "topic": topic, **values, "potential": 0.0, "defectors": 0, "settled": True}
        )
        for i, key in enumerate(keys):
            number = (step - 1) * len(keys) + i
            tables["utterances"].append(
                {"step": step, "utterance": number, "speaker": key, "topic": topic, "text": said[key], "statement": i}
                | {"weighed_by": [], "accepted_by": []}
            )
            label = 1 if i < together else -i - 1
            tables["memberships"].append({"step": step, "agent": key, "coalition": label})
        for speaker, listener in permutations(keys, 2):
            tables["affinity"].append(
                {"step": step, "speaker": speaker, "listener": listener, "topic": topic}
                | {name: float(rng.uniform(-1, 1)) for name in ("forecast", "observed", "cosine")}
            )
            if speaker < listener:
                weight = float(rng.uniform(-1, 1))
                tables["alignment"].append({"step": step, "source": speaker, "target": listener, "weight": weight})
    tables["events"] = events or []
    for name, schema in schemas(2).items():
        pq.write_table(pa.Table.from_pylist(tables[name], schema), folder / f"{name}.parquet")
    support = pa.table({"topic": ["t0", "t1"], "support": pa.array([0.4, -0.3], pa.float32())})
    pq.write_table(support, folder / "statements.parquet")
    return RunTables(folder)


def event(kind: str, step: int, agents: list[str], partners: list[str], **more: Any) -> dict[str, Any]:
    """Return a row of the events table."""
    row = {"step": step, "event": kind, "coalition": 1, "other": None, "agents": agents, "partners": partners}
    row |= {"gain": 0.3, "alignment_before": 0.1, "alignment_after": 0.25, "utterances": [], "listeners": []}
    return row | more


def every_kind() -> list[dict[str, Any]]:
    """Return an event of each kind, with causes."""
    return [
        event("form", 1, ["a0", "a1"], ["a0", "a1"], utterances=[0, 1], listeners=["a1", "a0"]),
        event("join", 2, ["a2"], ["a0", "a1"], utterances=[4, 4], listeners=["a2", "a3"]),
        event("split", 3, ["a0"], ["a1"], other=2, alignment_before=0.31, alignment_after=-0.127),
        event("merge", 4, ["a3"], ["a0", "a1"], other=2, alignment_after=0.1),
        event("leave", 5, ["a2"], ["a0"], gain=0.61),
        event("join", 5, ["a2"], ["a1"], coalition=3, alignment_before=-0.2, alignment_after=0.05),
        event("dissolve", 6, ["a0", "a1"], ["a0", "a1"], alignment_before=float("nan")),
        event("leave", 6, ["a3"], ["a0"], alignment_after=0.04),
    ]


def every_quoted(n_agents: int, steps: int) -> list[dict[str, Any]]:
    """Return a join a step and agent, with two utterances each."""
    return [
        event("join", 1 + s, [f"a{i}"], ["a0"], utterances=[s * n_agents, s * n_agents + 1], listeners=[f"a{i}"] * 2)
        for s in range(steps)
        for i in range(2, n_agents)
    ]


class Page(HTMLParser):
    """What a browser would find on the page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.comments: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in ("th", "td", "p"):
            self.words.append(" ")

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def page_of(run: RunTables) -> Page:
    """Write the report and read it."""
    page = Page(document.write_report(run.path).read_text("utf-8"))
    assert page.open == []
    return page


def test_hostile_text_shows_as_text_and_does_nothing(tmp_path: Path) -> None:
    long = tuple(name.ljust(200, "x") for name in HOSTILE[:2])
    events = [event("join", 2, ["a2"], ["a0", "a1"], utterances=[9, 10], listeners=["a0", "a1"])]
    run = make_run(tmp_path / "run", (*HOSTILE, *long), events=events, texts=HOSTILE)
    page = page_of(run)
    assert {tag for tag, _ in page.tags} <= ALLOWED
    assert {name for _, attributes in page.tags for name in attributes} <= ATTRIBUTES
    assert page.comments == []
    for tag, attributes in page.tags:
        if "style" in attributes:
            assert tag in ("i", "h2")
        assert attributes.get("href", "#").startswith("#")
    for hostile in HOSTILE[:3] + HOSTILE[4:]:
        assert " ".join(hostile.split()) in page.text
    html = (run.path / "report.html").read_text("utf-8")
    for tag, content in re.findall(r"<(\w+)[^>]*>([^<]*\u202e[^<]*)", html):
        assert tag in ("p", "td", "small", "title", "bdi"), content


def test_names_cannot_reorder_a_sentence_and_are_isolated(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", HOSTILE, events=every_quoted(6, 6))
    cast = Cast.of(run)
    assert not set("".join(cast.agents.values())) & {chr(c) for c in (0x202E, 0x2066, 0x2069)}
    html = document.render(run)
    assert "<bdi>{{ 7 * 7 }}{% raw %}</bdi>" in html


def test_the_page_asks_nothing_of_the_network_and_runs_nothing(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path / "run", events=every_kind()))
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:")
    html = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html


def test_headings_go_in_order_and_tables_have_headers(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path / "run", events=every_kind(), truth={"agree": ["t0"], "disagree": ["t1"]}))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    names = [tag for tag, _ in page.tags]
    assert names.count("table") == names.count("caption") == names.count("thead")
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] for tag, a in page.tags if tag == "a"} <= {f"#{i}" for i in ids}


def test_events_say_what_the_tables_say(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", events=every_kind())
    cast = Cast.of(run)
    told = chronicle(run, cast)
    words = {account.rows: "".join(account.words) for account in told.accounts}
    steps = run.alignment.query("target == 'a3' and source != 'a2'").groupby("step")["weight"].mean()
    before, after = prose.signed(steps[3]), prose.signed(steps[4])
    assert f", but at this step alone it rose from {before} to {after}, most between Ada and Dia (" in words[(3,)]
    assert {rows: text.partition(" From the start of the debate, ")[0] for rows, text in words.items()} == {
        (0,): "Ada and Ben formed coalition 1; mean alignment among them rose from +0.10 to +0.25.",
        (1,): "Cem joined coalition 1 (Ada and Ben); mean alignment with them rose from +0.10 to +0.25.",
        (2,): "Ada split off from coalition 1 as coalition 2, leaving Ben; mean alignment between those who went "
        "and those who stayed fell from +0.31 to −0.13.",
        (3,): "Dia (coalition 2) merged into coalition 1 (Ada and Ben); mean alignment between the two sides "
        "stayed at +0.10.",
        (4, 5): "Cem left coalition 1 (Ada) for coalition 3 (Ben); mean alignment with those left behind rose "
        "from +0.10 to +0.25, with those joined it rose from −0.20 to +0.05.",
        (6,): "Coalition 1 (Ada and Ben) dissolved; mean alignment among them is not known.",
        (7,): "Dia left coalition 1 (Ada) and stood alone; mean alignment with those left behind fell from +0.10 "
        "to +0.04.",
    }
    assert told.untold == {}
    joined = told.accounts[1]
    (quote,) = joined.quotes
    (voice,) = quote.voices
    assert (quote.text, voice.speaker, joined.topic) == ("What a0 says.", "Ada", "Dia")
    heard = run.affinity.query("step == 2 and speaker == 'a0'").set_index("listener")["observed"]
    assert dict(voice.heard_by) == {"Cem": pytest.approx(heard["a2"]), "Dia": pytest.approx(heard["a3"])}
    text = page_of(run).text
    assert all(sentence in text for sentence in words.values())
    assert f"— Ada, heard by Cem ({prose.signed(heard['a2'])}) and Dia ({prose.signed(heard['a3'])})" in text


def test_what_is_not_told_is_counted(tmp_path: Path) -> None:
    joins = [event("join", 1 + i % 6, [f"a{i}"], ["a0"], gain=i / 10, alignment_after=0.1) for i in range(20)]
    forms = [event("form", 2, ["a0", "a1"], ["a0", "a1"]) for _ in range(12)]
    names = tuple(f"N{i}" for i in range(20))
    run = make_run(tmp_path / "run", names, events=sorted(joins + forms, key=lambda row: row["step"]))
    told = chronicle(run, Cast.of(run))
    assert len(told.accounts) == 15
    assert told.untold == {"join": 14, "form": 3}
    rows = [row for account in told.accounts for row in account.rows]
    told_gains = [run.events["gain"][row] for row in rows if run.events["event"][row] == "join"]
    assert sorted(told_gains) == pytest.approx([1.4, 1.5, 1.6, 1.7, 1.8, 1.9])
    assert [account.step for account in told.accounts] == sorted(account.step for account in told.accounts)
    assert "Not told here: 3 formations and 14 joins." in page_of(run).text


def test_the_summary_counts_and_names(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", events=every_kind())
    cast = Cast.of(run)
    lines = ["".join(line) for line in summarise(run, cast)]
    assert lines[:3] == [
        "4 agents argued over 2 topics for 6 steps and made 24 utterances.",
        "At the end there was 1 coalition: coalition 1 of 2 agents (Ada and Ben). Cem and Dia stood alone.",
        "Along the way coalitions formed once, merged once, split once and dissolved once; single agents joined "
        "a coalition twice and left one twice.",
    ]
    last = run.alignment.query("step == 6").set_index(["source", "target"])["weight"]
    assert prose.signed(last.max()) in lines[-1]
    assert prose.signed(last.min()) in lines[-1]
    (standing,) = final_coalitions(run, cast)
    assert standing.inside == pytest.approx(last["a0", "a1"])
    assert (standing.members, standing.since) == (("Ada", "Ben"), 1)
    assert standing.outside == pytest.approx(last.drop([("a0", "a1"), ("a2", "a3")]).mean())


def test_swings_are_the_largest_there_are(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (line,) = ("".join(part) for part in summarise(run, Cast.of(run)) if "largest rise" in "".join(part))
    wide = run.alignment.pivot_table(index="step", columns=["source", "target"], values="weight")
    best = max(
        (wide[p][t] - wide[p][s], wide[p][s], s, wide[p][t], t)
        for p in wide
        for t in wide.index
        for s in range(1, t + 1)
    )
    _, low, start, high, end = best
    assert f"from {prose.signed(low)} at step {start} to {prose.signed(high)} at step {end}" in line


def test_one_step_two_agents_and_no_score(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ("Ada", "Ben"), steps=1, scored=False)
    text = page_of(run).text
    assert "2 agents argued over 1 of 2 topics for 1 step and made 2 utterances." in text
    assert "No coalition formed or changed during the run." in text
    assert "No coalition formed, and none changed." in text
    assert "At the end the alignment of Ada and Ben was" in text
    assert "No step could be scored" in text
    assert "Not debated: Ben." in text
    assert "nan" not in text.lower().split()
    assert "Furthest pair" not in text


def test_silence_leaves_a_report(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", scored=False)
    for name in ("utterances", "affinity"):
        path = run.path / f"{name}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    text = page_of(RunTables(run.path)).text
    assert "made 0 utterances" in text
    assert "No one heard anyone" in text


def test_common_ground_is_the_mean_of_what_was_observed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    ground = common_ground(run, Cast.of(run))
    table = run.affinity
    means = table["observed"].groupby(table["topic"]).mean()
    assert [topic.mean for topic in ground.topics] == pytest.approx(sorted(means, reverse=True))
    names = dict(zip(("Ada", "Ben", "Cem", "Dia"), ("a0", "a1", "a2", "a3"), strict=True))
    key = {"Tides": "t0", "Dia": "t1"}
    for topic in ground.topics:
        rows = table[table["topic"] == key[topic.title]]
        directed = rows["observed"].groupby([rows["listener"], rows["speaker"]]).mean()
        for pair in (topic.top, topic.bottom):
            assert pair is not None
            first, second = names[pair.first], names[pair.second]
            assert (pair.forth, pair.back) == pytest.approx((directed[first, second], directed[second, first]))
        both = (directed + directed.swaplevel().reindex(directed.index)) / 2
        assert topic.bottom is not None
        assert (topic.top.forth + topic.top.back) / 2 == pytest.approx(both.max())
        assert (topic.bottom.forth + topic.bottom.back) / 2 == pytest.approx(both.min())
    assert len(ground.closest) == len(ground.furthest) == 3


def test_forecasts_are_compared_where_all_have_a_score(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    run.metrics.loc[0, "persistence_correlation"] = np.nan
    skill = forecast_skill(run, 4)
    assert skill.scored == (5, 6)
    assert skill.correlation["forecast"] == pytest.approx(run.metrics["forecast_correlation"][1:].mean())
    for score, direction in (("correlation", 1), ("brier", -1)):
        run.metrics[[f"{method}_{score}" for method in ("forecast", "cosine", "persistence")]] = [0.5, 0.2, 0.5]
        (line,) = (line for line in forecast_skill(run, 4).reading if score in line.lower())
        assert line.endswith("better than cosine similarity only." if direction > 0 else "better than neither.")
    assert "too few" in forecast_skill(run, 2).reading[-1]
    assert forecast_skill(run, 2).correlation == {}


def test_truth_is_ranked(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", truth={"agree": ["t0"], "disagree": ["t1"]})
    check = truth_check(run, Cast.of(run))
    assert check is not None
    assert (check.auc, check.comparisons) == (1.0, 1)
    assert [round(topic.predicted, 2) for topic in check.topics] == [0.4, -0.3]
    assert "higher in 1 of 1 comparison: an AUC of 1.00" in page_of(run).text
    (run.path / "statements.parquet").unlink()
    check = truth_check(run, Cast.of(run))
    assert check is not None
    assert np.isnan(check.auc)
    assert "nothing can be ranked" in page_of(run).text


def test_accuracy_on_held_out_topics_is_shown_where_known(tmp_path: Path) -> None:
    card = {"metrics": {"<b>IBM</b>": {"pairs_auc": 0.8312, "motion_auc": None}, "odd": 3}}
    run = make_run(tmp_path / "run", card=card)
    (row,) = held_out_accuracy(run.manifest)
    assert (row.pairs, row.motions) == ("0.83", "–")
    assert "<b>IBM</b> 0.83 –" in page_of(run).text
    assert held_out_accuracy({"weights_card": {"interim": True}}) == ()


@pytest.mark.parametrize(
    ("auc", "words"),
    [
        (
            {"climate-energy": 0.603, "ibm": 0.888, "perspectrum": 0.811},
            "60% of cases on climate and energy topics it was not trained on (50% is chance; other data sets: 81% to "
            "89%), so single affinities are rough guides.",
        ),
        ({"climate-energy": 0.603}, "60% of cases on climate and energy topics it was not trained on (50% is chance)"),
        ({"ibm": 0.888}, "89% of cases on topics it was not trained on (50% is chance)"),
        ({"ibm": 0.888, "own": None}, "89% of cases on topics it was not trained on"),
    ],
)
def test_accuracy_is_said_in_short(tmp_path: Path, auc: dict[str, float | None], words: str) -> None:
    run = make_run(tmp_path / "run", card={"metrics": {key: {"pairs_auc": value} for key, value in auc.items()}})
    assert f"above a pair on opposite sides in {words}" in page_of(run).text


@pytest.mark.parametrize("card", [None, {}, {"metrics": 3}, {"metrics": {"ibm": 3}}])
def test_without_measured_accuracy_nothing_is_said_of_it(tmp_path: Path, card: dict[str, Any] | None) -> None:
    run = make_run(tmp_path / "run", card=card)
    assert accuracy_in_short(run.manifest) == ""
    assert "The affinity model ranks" not in page_of(run).text


@pytest.mark.parametrize(
    ("kind", "after", "explained"),
    [
        *(("join", 0.2, True), ("join", 0.104, False), ("merge", 0.0, False), ("form", 0.0, False)),
        *(("split", 0.0, True), ("leave", 0.0, True), ("leave", 0.096, False), ("dissolve", 0.2, False)),
        ("join", float("nan"), True),
    ],
)
def test_what_speaks_against_an_event_is_not_its_cause(
    tmp_path: Path, kind: str, after: float, explained: bool
) -> None:
    said: dict[str, Any] = {"utterances": [4], "listeners": ["a2"], "alignment_after": after, "other": 2}
    run = make_run(tmp_path / "run", events=[event(kind, 2, ["a2"], ["a0"], gain=0.004, **said)])
    (account,) = chronicle(run, Cast.of(run)).accounts
    text = page_of(run).text
    assert bool(account.quotes) == explained
    elsewhere = r"\. (From the start of the debate, |Since step \d+, |The occasion lay in earlier steps)"
    assert bool(re.search(elsewhere, "".join(account.words))) != explained
    assert "Gain 0.00." not in text
    assert not account.gains


def test_a_switch_quotes_what_explains_a_part_of_it(tmp_path: Path) -> None:
    said = {"listeners": ["a2"], "alignment_before": 0.1, "alignment_after": 0.3}
    events = [event("leave", 2, ["a2"], ["a0"], utterances=[4], **said)]
    events += [event("join", 2, ["a2"], ["a1"], utterances=[5], **said)]
    run = make_run(tmp_path / "run", events=events)
    (account,) = chronicle(run, Cast.of(run)).accounts
    assert [quote.text for quote in account.quotes] == ["What a1 says."]
    assert "occasion" not in "".join(account.words)


def test_limits_hold_for_any_scenario(tmp_path: Path) -> None:
    text = page_of(make_run(tmp_path / "run")).text
    assert "sweep" not in text
    assert "written characters" not in text
    assert "--seed" in text
    assert "Label since step" in text
    assert text.index("do not tell whether real people would agree") < text.index("Brier score")


def test_parameters_measures_and_seed_are_all_there(tmp_path: Path) -> None:
    text = page_of(make_run(tmp_path / "run")).text
    for key, field in Parameters.model_fields.items():
        assert f"{key} " in text
        assert field.description in text
    for measure in CATALOGUE.values():
        assert measure.meaning in text
    assert "6 default 50" in text


def test_figures_are_embedded_and_large_ones_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run")
    picture = b"\x89PNG not really"
    (run.path / "figures").mkdir()
    (run.path / "figures" / "coalition_timeline.png").write_bytes(picture)
    page = page_of(run)
    (image,) = [a for tag, a in page.tags if tag == "img"]
    assert image["src"] == "data:image/png;base64," + base64.b64encode(picture).decode()
    assert image["alt"] is not None
    assert image["alt"].startswith("A <title>. At the end there was 1 coalition")
    monkeypatch.setattr(document, "_BUDGET", 3)
    page = page_of(run)
    assert "img" not in {tag for tag, _ in page.tags}
    assert "too large to embed" in page.text


def test_pictures_are_numbered_as_told_and_as_wide_as_drawn() -> None:
    """Of the widest, 9.5 inches at 150 pixels each, a figure of half as many pixels takes half."""
    half = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + int(9.5 * 75).to_bytes(4) + bytes(3)
    told = [(name, name.title(), "How to read it.", "In words.") for name in ("first", "second", "third")]
    pictures = number_pictures({"third": half, "first": half, "unknown": half}, told, budget=len(half) * 1.5)
    assert [(one.number, one.name, one.title) for one in pictures.values()] == [
        (1, "first", "First"),
        (2, "third", "Third"),
    ]
    assert all(abs(one.share - 0.5) < 0.001 for one in pictures.values())
    assert pictures["first"].source == "data:image/png;base64," + base64.b64encode(half).decode()
    assert pictures["third"].source == ""  # no room was left


def test_pages_share_one_head() -> None:
    """A policy or a colour that a page states for itself would drift from the others'."""
    pages = sorted(Path(document.__file__).parent.rglob("*.html.j2"))
    bases = {path.name for path in pages if "<head>" in path.read_text("utf-8")}
    assert bases == {"page.html.j2"}
    own = [path.name for path in pages if '{% extends "page.html.j2" %}' in path.read_text("utf-8")]
    assert own == [
        "comparison.html.j2",
        "fork.html.j2",
        "sensitivity.html.j2",
        "sweep.html.j2",
        "report.html.j2",
        "variants.html.j2",
    ]


def test_the_report_stays_small(tmp_path: Path) -> None:
    names = tuple(f"{i:03d} " + "n" * 196 for i in range(60))
    run = make_run(tmp_path / "run", names, steps=3, events=every_quoted(60, 3), texts=("word " * 990,))
    (run.path / "figures").mkdir()
    for name in ("coalition_timeline", "measures"):
        (run.path / "figures" / f"{name}.png").write_bytes(bytes(5_000_000))
    assert document.write_report(run.path).stat().st_size < 10_000_000


def test_same_run_same_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", events=every_kind())
    assert document.render(run) == document.render(RunTables(run.path))


@pytest.mark.parametrize(
    ("items", "shown"), [(["A"], "A"), (["A", "B"], "A and B"), (list("ABCDEFGH"), "A, B, C, D, E, F and 2 others")]
)
def test_lists(items: list[str], shown: str) -> None:
    assert "".join(prose.listed(items)) == shown
