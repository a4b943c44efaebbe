"""The shipped stance statements: as many, as balanced and as separate from what they are tested on as documented."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecosystem.jepa.stance import OWN, SHIPPED, read_reserve, read_shipped

ROOT = Path(__file__).parent.parent
STANCES = {"support", "oppose", "neutral"}
FORMS = {"plain", "concession", "hedged", "negated", "neutral"}
REGISTERS = {"news", "speech", "negotiation", "tweet", "report", "talk", "opinion", "survey"}
WRITTEN = {"alone", "paired"}
LIKENESS = 0.7
"""Jaccard index of words from which two statements count as near copies."""


@pytest.fixture(scope="module")
def topics() -> pd.DataFrame:
    return pd.read_csv(SHIPPED / "topics.csv", dtype=str)


@pytest.fixture(scope="module")
def statements(topics: pd.DataFrame) -> pd.DataFrame:
    table = pd.read_csv(SHIPPED / "statements.csv", dtype=str, keep_default_na=False)
    return table.merge(topics, on="topic", how="left", validate="many_to_one")


def test_enough_topics_and_statements(topics: pd.DataFrame, statements: pd.DataFrame) -> None:
    climate, training = topics["area"] == "climate-energy", topics["split"] == "train"
    assert len(topics) >= 60
    assert (climate & training).sum() >= 20
    assert (climate & ~training).sum() >= 8
    assert len(statements) >= 3000
    assert (statements["area"] == "climate-energy").sum() >= 1200
    assert statements.groupby("topic").size().min() >= 25


def test_values_are_the_documented_ones(topics: pd.DataFrame, statements: pd.DataFrame) -> None:
    assert topics.columns.tolist() == ["topic", "motion", "area", "split"]
    assert statements.columns.tolist() == [
        "topic", "text", "stance", "form", "register", "written", "motion", "area", "split",
    ]  # fmt: skip
    assert set(statements["written"]) == WRITTEN
    assert set(topics["area"]) == set(OWN)
    assert set(topics["split"]) == {"train", "later", "dev", "reserve"}
    assert topics["topic"].is_unique
    assert topics["motion"].is_unique
    assert set(statements["topic"]) == set(topics["topic"])
    assert set(statements["stance"]) == STANCES
    assert set(statements["form"]) == FORMS
    assert set(statements["register"]) == REGISTERS
    assert ((statements["stance"] == "neutral") == (statements["form"] == "neutral")).all()


def test_datasheet_names_every_value() -> None:
    datasheet = (SHIPPED / "DATASHEET.md").read_text(encoding="utf-8")
    missing = [value for value in STANCES | FORMS | REGISTERS | WRITTEN | set(OWN) if f"`{value}`" not in datasheet]
    assert not missing


def test_texts_are_unique_single_lines_of_a_statement_s_length(statements: pd.DataFrame) -> None:
    text = statements["text"]
    assert text.map(words).map(" ".join).is_unique
    assert not text.str.contains(r"[\r\n\t]|\s{2,}|^\s|\s$").any()
    assert text.map(lambda statement: 5 <= len(statement.split()) <= 45).all()


def test_both_sides_are_balanced_in_every_topic(statements: pd.DataFrame) -> None:
    counts = pd.crosstab(statements["topic"], statements["stance"])
    gap = (counts["support"] - counts["oppose"]).abs() / (counts["support"] + counts["oppose"])
    assert gap.max() <= 0.10
    assert counts["neutral"].min() >= 1


def test_both_sides_have_every_form_and_register_at_like_length(statements: pd.DataFrame) -> None:
    taking = statements[statements["stance"] != "neutral"]
    for column in ("form", "register"):
        counts = pd.crosstab(taking[column], taking["stance"])
        assert ((counts["support"] / counts["oppose"]).between(0.8, 1.25)).all(), counts
    lengths = taking["text"].str.len().groupby(taking["stance"]).mean()
    assert lengths["support"] == pytest.approx(lengths["oppose"], rel=0.03)


def test_every_statement_is_read_and_the_reserve_apart(statements: pd.DataFrame, topics: pd.DataFrame) -> None:
    table = read_shipped(("train", "later", "dev"))
    reserve = statements["split"] == "reserve"
    own = topics[topics["split"] != "reserve"]
    assert set(table["split"]) == {"train", "later", "dev"}
    assert len(table) == (~reserve).sum() + len(own)
    assert table["side"].isin([-1, 0, 1]).all()
    assert table["motion"].sum() == len(own)
    parts = [read_reserve(written) for written in ("alone", "paired")]
    assert sum(len(part) - part.motion.sum() for part in parts) == reserve.sum()
    for part in parts:
        assert part.motion.sum() == len(topics) - len(own)
        assert set(part.split) == {"reserve"}
        assert not set(part.texts) & set(table["text"])


def test_nothing_is_copied_from_what_the_model_is_tested_on(statements: pd.DataFrame) -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    files = [*ROOT.glob("tests/data/*.csv"), *ROOT.glob("scenarios/*/corpora/*.csv")]
    assert len(files) > 3
    tested_on = [cell for path in files for cell in cells(path)] + seed_statements()
    tested_on = [text for text in tested_on if len(set(words(text))) >= 4]
    bag = CountVectorizer(binary=True, analyzer=words)
    given, own = bag.fit_transform(tested_on), bag.transform(statements["text"])
    shared = (given @ own.T).tocoo()
    sizes, own_sizes = (
        np.array([len(set(words(text))) for text in texts]) for texts in (tested_on, statements["text"])
    )
    likeness = shared.data / (sizes[shared.row] + own_sizes[shared.col] - shared.data)
    found = np.flatnonzero(likeness > LIKENESS)
    assert not [(tested_on[shared.row[i]], statements["text"].iloc[shared.col[i]]) for i in found]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def cells(path: Path) -> list[str]:
    return [str(cell) for cell in pd.read_csv(path, dtype=str, keep_default_na=False).to_numpy().ravel()]


def seed_statements() -> list[str]:
    """The statements and lists of the sketch this project began from, where its folder lies beside the data."""
    data = os.environ.get("ECOSYSTEM_DATA")
    if not data or not (Path(data).parent / "seed").is_dir():
        return []
    found = []
    for path in (Path(data).parent / "seed").glob("*.md"):
        scenario = path.read_text(encoding="utf-8").partition("Agent A:")[2]
        found += re.findall(r'"([^"\n]{20,})"', scenario)
        for item in re.findall(r"^\d+\. [^:\n]+: (.+)$", scenario, re.MULTILINE):
            found += [item, *re.split(r"(?<=\.) ", item), *re.split(r", (?:whereas|while) ", item)]
    assert found
    return found
