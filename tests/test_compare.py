"""Comparing corpora: what is planted is found, what is shown is inert, what is wrong is named."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import ecosystem
from ecosystem import comparing
from ecosystem.comparison.areas import confidence
from ecosystem.comparison.corpora import MAX_STATEMENTS, read_corpora
from ecosystem.comparison.examine import examine
from ecosystem.comparison.result import Comparison
from ecosystem.comparison.scores import resampled_means, weighted_means
from ecosystem.comparison.topics import discover_topics, telling_words
from ecosystem.errors import InputError
from ecosystem.jepa.coding import Codes
from ecosystem.report.comparison import render
from ecosystem.scenario import Scenario

TOPICS = ("coal", "ice", "bonds", "tides", "homes")
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "{{ 7 * 7 }}{% raw %}",
    '" onmouseover="alert(3)" x="',
    "</style><!-- & <b>bold</b>",
)
COLUMNS = ["a", "b", "topic", "affinity", "relevance", "cosine", "uncertainty", "speaker_a", "speaker_b", "area"]


class Planted:
    """Reads the topic from the first word, and the side from ``backs`` or ``fights``."""

    def __init__(self, spread: float = 0.05) -> None:
        self.card = {"metrics": {"climate-energy": {"pairs_auc": 0.8, "motion_auc": 0.9}}}
        self.spread = spread
        self.encoder = self.sentences = self
        self.calibration = SimpleNamespace(temperatures=(1.0, 1.0, 1.0))
        self.identity = "planted"

    def encode(self, texts: list[str], progress: Any = None) -> Any:
        rows = []
        for text in texts:
            about, noise = (np.random.default_rng(zlib.crc32(part.encode())) for part in (text.split()[0], text))
            rows.append(about.normal(size=32) + 0.25 * noise.normal(size=32))
        vectors = np.array(rows, np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def cosine_matrix(self, a: list[str], b: list[str]) -> Any:
        return self.encode(a) @ self.encode(b).T

    def relate(self, a: list[str], b: list[str]) -> tuple[Any, Any]:
        relevance = 1 / (1 + np.exp(-(self.cosine_matrix(a, b) - 0.6) * 20))
        sides = [np.array([float("backs" in t) - float("fights" in t) for t in texts]) for texts in (a, b)]
        affinity = 0.8 * relevance * sides[0][:, None] * sides[1]
        affinity[np.array(a, object)[:, None] == np.array(b, object)] = 1
        return affinity.astype(np.float32), relevance.astype(np.float32)

    def codes(self, texts: list[str]) -> Codes:
        """Networks whose logits are 2, 2.2 and 2.4 times the product of the sides."""
        side = np.array([[float("backs" in t) - float("fights" in t)] for t in texts], np.float32)
        none = np.zeros_like(side)
        return Codes(np.hstack([part for c in (1, 1.1, 1.2) for part in (side, c * side, none)] + [none]), 3, 1)

    def uncertainty_matrix(self, a: list[str], b: list[str]) -> Any:
        return np.full((len(a), len(b)), self.spread, np.float32)


@pytest.fixture(autouse=True)
def _attribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attribute to words by their length: attribution itself is tested elsewhere."""

    def by_length(model: Any, a: str, b: str) -> Any:
        words = [text.split(" ") for text in (a, b)]
        scores = [np.array([len(word) - 4.0 for word in side]) for side in words]
        return SimpleNamespace(words_a=words[0], words_b=words[1], scores_a=scores[0], scores_b=scores[1])

    monkeypatch.setattr("ecosystem.jepa.attribution.token_attribution", by_length)
    monkeypatch.setattr("ecosystem.jepa.attribution.importance", lambda model, a, b: np.ones((len(a), len(b))))


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Planted:
    model = Planted()
    monkeypatch.setattr(comparing, "load_jepa", lambda path: model)
    return model


def statements(speaker: str, sides: dict[str, str], each: int = 3) -> list[dict[str, str]]:
    return [
        {"speaker": speaker, "text": f"{topic} {side} number {k} says {speaker}.", "topic": topic}
        for topic, side in sides.items()
        for k in range(each)
    ]


def two_sides(each: int = 3) -> pd.DataFrame:
    ada = dict.fromkeys(TOPICS, "backs")
    ben = ada | {"coal": "fights", "ice": "fights"}
    return pd.DataFrame(statements("Ada", ada, each) + statements("Ben", ben, each))


def compared(table: pd.DataFrame, model: Planted | None = None) -> Comparison:
    return examine(read_corpora(table), model or Planted(), np.random.default_rng(0))  # type: ignore[arg-type]


@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("named", [True, False])
def test_planted_sides_are_found_by_topic(each: int, named: bool) -> None:
    table = two_sides(each)
    found = compared(table if named else table.drop(columns="topic"))
    assert found.discovered is not named
    sides = {found.corpora.texts[area.evidence.a].split()[0]: area.side for area in found.areas}
    assert sides == {topic: "disagree" if topic in ("coal", "ice") else "agree" for topic in TOPICS}
    ranked = found.topics["affinity"].tolist()
    assert ranked == sorted(ranked, reverse=True)
    for area in found.areas:
        assert area.evidence.a < area.evidence.b
        assert {found.speaker(area.evidence.a), found.speaker(area.evidence.b)} == {"Ada", "Ben"}
        assert np.sign(area.evidence.affinity) == np.sign(area.affinity)
        low, high = area.interval
        assert -1 <= low <= area.affinity <= high <= 1
        assert 0.5 <= area.confidence <= 1
        assert area.clear
        assert 0 < area.spread_model < 0.1
        assert (area.spread_statements > 0) is (each > 1)


def test_pairs_are_all_pairs_of_different_speakers_on_one_topic() -> None:
    found = compared(two_sides())
    assert list(found.pairs.columns) == COLUMNS
    assert len(found.pairs) == 5 * 3 * 3
    assert (found.pairs["speaker_a"].astype(str) != found.pairs["speaker_b"].astype(str)).all()
    assert (found.pairs["topic"].astype(str) == found.pairs["area"].astype(str)).all()
    plain = compared(two_sides().drop(columns="topic")).pairs
    assert len(plain) == 15 * 15
    assert plain["topic"].isna().all()
    row = found.pairs.iloc[0]
    affinity, relevance = Planted().relate([row["a"]], [row["b"]])
    assert row["affinity"] == pytest.approx(affinity[0, 0], abs=1e-6)
    assert row["relevance"] == pytest.approx(relevance[0, 0], abs=1e-6)


def test_statements_without_a_topic_pair_with_all_and_count_towards_none() -> None:
    table = pd.concat([two_sides(1), pd.DataFrame(statements("Ada", {"wind": "backs"}, 1)).assign(topic="")])
    found = compared(table)
    loose = found.pairs[found.pairs["topic"].isna()]
    assert len(loose) == 5
    assert loose["area"].isna().all()
    assert "1 statement belongs to no topic" in visible(render(found, {}))


def test_matrix_follows_the_listeners_corpus() -> None:
    """Ben holds two statements on coal, for and against; Ada one: the directions differ in what is averaged."""
    table = pd.DataFrame(
        [
            {"speaker": "Ada", "text": "coal backs one.", "topic": "coal"},
            {"speaker": "Ada", "text": "ice backs one.", "topic": "ice"},
            {"speaker": "Ben", "text": "coal fights two.", "topic": "coal"},
            {"speaker": "Ben", "text": "coal fights three.", "topic": "coal"},
            {"speaker": "Ben", "text": "ice backs two.", "topic": "ice"},
        ]
    )
    found = compared(table)
    assert found.matrix.loc["Ada", "Ben"] == pytest.approx(0.0, abs=0.1)
    assert found.matrix.loc["Ben", "Ada"] < -0.15
    assert np.isnan(np.diag(found.affinity)).all()
    by_topic = found.by_topic.set_index(["topic", "speaker", "listener"])["affinity"]
    assert by_topic["coal", "Ada", "Ben"] < -0.5 < 0.5 < by_topic["ice", "Ben", "Ada"]


def test_bridges_are_what_all_others_agree_with() -> None:
    table = pd.DataFrame(
        statements("Ada", {"coal": "backs", "ice": "backs"}, 2)
        + statements("Ben", {"coal": "backs", "ice": "fights"}, 2)
        + statements("Cem", {"coal": "backs", "ice": "backs"}, 2)
    )
    found = compared(table)
    assert set(found.bridging["topic"]) == {"coal"}
    assert (found.bridging["lowest"] > 0).all()
    assert (found.bridging["lowest"] <= found.bridging["mean"]).all()
    assert len(found.bridging) == 2  # at most two on a topic


def test_two_camps_are_divided_not_unclear() -> None:
    sides = {"Ada": "backs", "Ben": "backs", "Cem": "fights", "Dia": "fights"}
    table = pd.DataFrame(
        [row for who, side in sides.items() for row in statements(who, {"coal": side, "ice": "backs"})]
    )
    found = compared(table)
    by_topic = found.topics.set_index("topic")
    assert by_topic.loc["coal", "side"] == "divided"
    assert by_topic.loc["ice", "side"] == "agree"
    assert by_topic.loc["coal", "pair_affinity"] < 0
    assert "Where the speakers divide" in render(found, {})


def test_topics_of_one_speaker_are_told_apart() -> None:
    table = pd.DataFrame(statements("Ada", {"coal": "backs", "ice": "backs"}) + statements("Ben", {"coal": "backs"}))
    found = compared(table)
    assert found.topics.set_index("topic")["side"].to_dict() == {"coal": "agree", "ice": "alone"}
    assert "Only one speaker speaks on ice" in visible(render(found, {}))
    apart = compared(table[table["topic"].eq("ice") | table["speaker"].eq("Ben")])
    assert apart.areas == ()
    assert np.isnan(apart.affinity).all()
    assert "share no topic" in visible(render(apart, {}))
    assert json.dumps(apart.summary())


def test_one_statement_each_and_identical_corpora() -> None:
    pair = compared(pd.DataFrame({"speaker": ["Ada", "Ben"], "text": ["coal backs.", "coal fights."]}))
    assert [area.side for area in pair.areas] == ["disagree"]
    same = two_sides().query("speaker == 'Ada'")
    found = compared(pd.concat([same, same.assign(speaker="Ben")]))
    assert {area.side for area in found.areas} == {"agree"}
    assert all(area.evidence.affinity == 1 for area in found.areas)
    assert found.words == {}


def test_twenty_speakers_and_the_same_numbers_twice() -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        [
            row
            for k in range(20)
            for row in statements(f"Speaker {k}", {t: str(rng.choice(["backs", "fights"])) for t in TOPICS}, 2)
        ]
    )
    found, again = compared(table), compared(table)
    assert found.summary() == again.summary()
    page = render(found, {})
    assert page == render(again, {})
    assert page.count('src="data:image/png') == 4
    assert len(found.matrix) == 20


def test_weighted_means_and_their_spread() -> None:
    values = np.array([[0.0, 0.5, 1.0], [0.5, 0.0, -1.0], [1.0, -1.0, 0.0]])
    members = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    weight = np.array([[1.0, 1.0, 3.0], [1.0, 1.0, 1.0], [3.0, 1.0, 1.0]])
    assert weighted_means(values, weight, members)[0, 1] == pytest.approx((3 * 1 - 1) / 4)
    drawn = resampled_means(values, weight, members, 400, np.random.default_rng(0))
    assert set(np.round(np.unique(drawn), 3)) == {-1.0, 0.5, 1.0}
    assert drawn.mean() == pytest.approx((1 - 1 + 2 * 0.5) / 4, abs=0.1)


def test_confidence_grows_with_affinity_and_shrinks_with_spread() -> None:
    assert confidence(0.6, 0.1) > confidence(0.3, 0.1) > confidence(0.3, 0.5) > confidence(0.0, 0.5) == 0.5
    assert confidence(-0.6, 0.1) == confidence(0.6, 0.1)


def test_topics_are_discovered_and_strays_left_out() -> None:
    texts = [f"{topic} {k}" for topic in TOPICS for k in range(6)] + ["stray one"]
    labels = discover_topics(Planted().encode(texts))
    assert labels[-1] == -1
    assert [len(set(labels[k * 6 : k * 6 + 6])) for k in range(5)] == [1] * 5
    assert len(set(labels[:-1])) == 5
    assert (discover_topics(Planted().encode(texts[:3])) == 0).all()


def test_words_of_a_topic() -> None:
    assert telling_words(["🌊 🔥", "— —"]) == [(), ()]
    assert telling_words(["The tides rise and rise.", "Coal is dear; coal burns."], 1) == [("rise",), ("coal",)]


def visible(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", page.split("</style>")[1]).split())


def test_hostile_text_shows_as_text_and_does_nothing() -> None:
    rows = [
        {"speaker": f"{who} {name}", "text": f"{topic} backs {text}", "topic": f"{topic} {text}"}
        for who, name in zip("AB", HOSTILE, strict=False)
        for topic, text in zip(TOPICS, HOSTILE, strict=True)
    ]
    for table in (pd.DataFrame(rows), pd.DataFrame(rows).drop(columns="topic")):
        found = compared(table)
        page = render(found, {"command": ["ecosystem", HOSTILE[0]]})
        for bad in ("<img src=x", "<script", "<b>bold", 'onmouseover="', "<!--"):
            assert bad not in page, bad
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert "{{ 7 * 7 }}" in page
        assert "://" not in page
        assert "default-src 'none'" in page
        assert "<img src=x" not in found._repr_html_()


def test_emoji_and_other_scripts(tmp_path: Path, planted: Planted) -> None:
    table = pd.DataFrame(
        {
            "speaker": ["Zoë", "王"] * 3,
            "text": ["🔥 backs", "🔥 fights", "冰 backs", "冰 backs ❄", "café backs", "café fights é"],
        }
    )
    found = ecosystem.compare(table, tmp_path / "out")
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000
    assert len(found.areas) >= 1


def test_folder_tables_and_page(tmp_path: Path, planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ecosystem.compare(two_sides(), tmp_path / "out")
    folder = tmp_path / "out"
    assert found.path == folder
    names = {"pairs.parquet", "topics.parquet", "affinity.parquet", "bridging.parquet", "manifest.json", "report.html"}
    assert {path.name for path in folder.iterdir()} == names
    pairs = pd.read_parquet(folder / "pairs.parquet")
    assert list(pairs.columns) == COLUMNS
    assert pairs["affinity"].tolist() == pytest.approx(found.pairs["affinity"].tolist())
    assert pairs["a"].tolist() == found.pairs["a"].tolist()
    directed = pd.read_parquet(folder / "affinity.parquet")
    assert directed["topic"].isna().sum() == 2
    first = (folder / "pairs.parquet").read_bytes()
    ecosystem.compare(two_sides(), folder)  # an earlier comparison is replaced, by the same bytes
    assert (folder / "pairs.parquet").read_bytes() == first
    page = (folder / "report.html").read_text("utf-8")
    places = [page.index(f'id="{name}"') for name in ("agreement", "disagreement", "speakers", "bridges", "limits")]
    assert places == sorted(places)
    assert 'class="for' in page
    monkeypatch.chdir(tmp_path)
    ones = [ecosystem.compare(two_sides().drop(columns="topic")).path for _ in range(2)]
    assert ones[0] != ones[1]
    assert {path.parent for path in ones if path} == {Path("runs/compare-ada-ben")}
    assert pd.read_parquet(tmp_path / str(ones[0]) / "pairs.parquet")["topic"].isna().all()


def command(*arguments: object) -> Any:
    from ecosystem.cli import app

    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_command(tmp_path: Path, planted: Planted) -> None:
    for name, side in (("ada", "backs"), ("ben", "fights")):
        (tmp_path / f"{name}.txt").write_text(f"coal {side} it.\n\nice backs it, says {name}.\n", "utf-8")
    files = (tmp_path / "ada.txt", tmp_path / "ben.txt")
    told = command(*files, "--out", tmp_path / "out", "--quiet")
    assert told.stdout.strip() == str(tmp_path / "out" / "report.html")
    told = command(*files, "--out", tmp_path / "out", "--json")
    found = json.loads(told.stdout)
    assert found["speakers"] == {"ada": 2, "ben": 2}
    assert found["affinity"]["ada"]["ada"] is None
    assert {row["side"] for row in found["topics"]} <= {"agree", "disagree"}
    two_sides().to_csv(tmp_path / "table.csv", index=False)
    told = command(tmp_path / "table.csv", "--out", tmp_path / "two")
    assert "agreement" in told.stdout
    assert told.stdout.strip().endswith("report.html")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.txt": "One."}, "column 'speaker'"),
        ({"a.txt": "One.", "b.txt": "\n \n"}, "b.txt: holds no statement"),
        ({"a.txt": "One.", "b.txt": ""}, "b.txt: holds no statement"),
        ({"t.csv": "speaker,text\nAda,One.\nAda,Two.\n"}, "only 'Ada' speaks"),
        ({"t.csv": "text,topic\nOne.,x\n"}, "column 'speaker'"),
        ({"t.csv": "speaker,topic\nAda,x\n"}, "no column 'text'"),
        ({"t.csv": "speaker,text\nAda,One.\n,Two.\n"}, "line 3: no speaker"),
        ({"t.csv": "speaker,text\n"}, "holds no statement"),
        ({"a.txt": "One.", "b.txt": b"caf\xe9"}, "not valid UTF-8"),
        ({"a.txt": "One.", "b.pdf": "Two."}, "format '.pdf'"),
        ({"a.txt": "One.", "A.txt": "Two."}, "names the same speaker"),
        ({"a.txt": "One.", "folder": None}, "is a folder"),
        ({"folder": None}, "is a folder"),
        ({"a.txt": "One.", "b.csv": "speaker,text\nAda,Two.\n"}, "of several files each is one speaker's"),
        ({"a.txt": "\n".join(f"Number {k}." for k in range(MAX_STATEMENTS)), "b.txt": "One."}, "too many to compare"),
        ({"a.txt": "x" * 6000, "b.txt": "One."}, "too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_input_is_named(tmp_path: Path, files: dict[str, Any], words: str) -> None:
    paths = []
    for name, content in files.items():
        paths.append(tmp_path / name)
        if content is None:
            paths[-1].mkdir()
        else:
            paths[-1].write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=re.escape(words)) as error:
        ecosystem.compare(paths, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_bad_frames_and_folders_are_named(tmp_path: Path, planted: Planted) -> None:
    for table, words in (
        (pd.DataFrame({"speaker": ["A"], "words": ["x"]}), "no column 'text'"),
        (pd.DataFrame({"speaker": ["A", "B"], "text": ["x", None]}), "row 1: text: found None"),
        (pd.DataFrame({"speaker": ["A", 3], "text": ["x", "y"]}), "row 1: speaker: found 3"),
        (pd.DataFrame({"speaker": [], "text": []}), "holds no statement"),
    ):
        with pytest.raises(InputError, match=re.escape(words)):
            ecosystem.compare(table, tmp_path / "out")
    with pytest.raises(InputError, match="found none"):
        ecosystem.compare([])
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        ecosystem.compare(two_sides(), tmp_path / "file")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.html").write_text("mine")
    with pytest.raises(InputError, match="not of a comparison"):
        ecosystem.compare(two_sides(), tmp_path / "mine")
    assert (tmp_path / "mine" / "report.html").read_text() == "mine"


def test_the_duets_known_lists(duet: Scenario, jepa: Any) -> None:
    """Topics known to be agreed rank above those known to be disputed."""
    from ecosystem.jepa.scoring import auc

    table = pd.DataFrame(
        [
            {"speaker": persona.name, "text": statement.text, "topic": statement.topic}
            for persona in duet.personas.values()
            for statement in persona.corpus
        ]
    )
    found = examine(read_corpora(table), jepa, np.random.default_rng(0))
    assert duet.truth is not None
    agreed = found.topics["topic"].isin(duet.truth.agree).to_numpy()
    assert len(agreed) == 16
    assert auc(agreed, found.topics["affinity"].to_numpy()) > 0.75
