"""How training goes about its data: batches, rephrasing, the recipe, and taking up where it was cut off."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ecosystem.errors import InputError
from ecosystem.jepa import fitting
from ecosystem.jepa.affinity import FORMAT
from ecosystem.jepa.encoder import LayerEncoder, SentenceEncoder, on_one_thread
from ecosystem.jepa.phrasing import DENIED, Phrasing
from ecosystem.jepa.stance import StanceTable, motion_pairs, read_shipped, sample_pairs
from ecosystem.jepa.training import Batches, Objective, Recipe, leave_out, one_cycle
from ecosystem.learn import _recipe
from ecosystem.tensors import read_tensors

WORDS: dict[str, int] = {}


def tokenize(texts: list[str]) -> list[list[int]]:
    """One number a word; 0 and 1 frame a text, as an encoder's special tokens do."""
    return [[0, *(WORDS.setdefault(word, len(WORDS) + 2) for word in text.split()), 1] for text in texts]


def words(tokens: list[int]) -> str:
    known = {number: word for word, number in WORDS.items()}
    return " ".join(known[number] for number in tokens[1:-1])


def table(n_topics: int = 6, size: int = 10) -> StanceTable:
    """The first of every topic is its motion; every fifth statement takes no side."""
    topic = np.repeat(np.arange(n_topics), size)
    place = np.tile(np.arange(size), n_topics)
    side = np.where(place % 5 == 4, 0, np.where(place % 2 == 0, 1, -1))
    return StanceTable(
        texts=tuple(f"topic{t} statement{p} side{s}" for t, p, s in zip(topic, place, side, strict=True)),
        topic=topic,
        side=side,
        motion=place == 0,
        source=np.where(topic < 3, "climate-energy", "ibm").astype(object),
        split=np.full(n_topics * size, "train", object),
    )


def batches(recipe: Recipe, seed: int = 0) -> Batches:
    rows = table()
    tokens = tokenize(list(rows.texts))
    return Batches(rows, np.arange(len(rows)), tokens, Phrasing(tokenize), recipe, np.random.default_rng(seed))


def test_a_batch_holds_whole_topics_with_their_motion() -> None:
    rows = table()
    batch = batches(Recipe(topics_per_batch=5, statements_per_topic=4)).draw(0.5)
    assert len(batch.rows) == 20
    for number in range(5):
        members = batch.rows[batch.group == number]
        assert len(set(rows.topic[members])) == 1
        assert rows.motion[members].sum() == 1
        assert len(set(members)) == 4
    np.testing.assert_array_equal(batch.side, rows.side[batch.rows])


@pytest.mark.parametrize(("own_share", "sources"), [(0.0, {"ibm"}), (1.0, {"climate-energy"})])
def test_own_topics_come_as_often_as_asked(own_share: float, sources: set[str]) -> None:
    draws = batches(Recipe(topics_per_batch=20))
    assert set(table().source[draws.draw(own_share).rows]) == sources


def test_denials_turn_the_side_and_nothing_else_does() -> None:
    """By the words themselves: a denied statement's side is the opposite of the side it was written for."""
    draws = batches(Recipe(topics_per_batch=6, statements_per_topic=10))
    seen = {"denied": 0, "conceded": 0}
    for _ in range(20):
        batch = draws.draw(0.5, rephrased=0.6)
        for tokens, side in zip(batch.tokens, batch.side, strict=True):
            text = words(tokens)
            held = [int(word.removeprefix("side")) for word in text.split() if word.startswith("side")]
            if any(text.startswith(opening) for opening in DENIED):
                seen["denied"] += 1
                assert side == -held[0]
            elif len(held) == 2:
                seen["conceded"] += 1
                assert side in held
                assert held[0] != held[1]
            else:
                assert side == held[0]
    assert min(seen.values()) > 50


def test_what_concedes_keeps_the_side_of_what_it_holds() -> None:
    phrasing, rng = Phrasing(tokenize), np.random.default_rng(0)
    texts = tokenize(["granted point side-1 .", "held point side1 ."])
    openings = set()
    for _ in range(200):
        tokens, side = [list(text) for text in texts], np.array([-1, 1])
        phrasing.rephrase(tokens, side, np.array([0, 0]), 1.0, rng)
        text = words(tokens[1])
        if "granted" in text and "held" in text:
            assert side[1] == 1
            openings.add(text.index("granted") < text.index("held"))
    assert openings == {True, False}, "the point held comes first in some, last in others"


def test_statements_without_a_side_make_no_labelled_pairs() -> None:
    rows = table()
    one, other, agrees = sample_pairs(rows, np.arange(len(rows)), np.random.default_rng(0))
    assert (rows.side[one] != 0).all()
    assert (rows.side[other] != 0).all()
    np.testing.assert_array_equal(agrees, rows.side[one] == rows.side[other])
    statement, motion, _ = motion_pairs(rows, np.arange(len(rows)))
    assert (rows.side[statement] != 0).all()
    assert rows.motion[motion].all()


def test_learning_rate_rises_then_falls_to_nothing() -> None:
    rates = [one_cycle(k / 100) for k in range(101)]
    assert max(rates) == rates[10] == 1
    assert all(a < b for a, b in pairwise(rates[:11]))
    assert all(a > b for a, b in pairwise(rates[10:]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tune_step": "5"}, "is no part of a recipe; accepted: seed, head_steps"),
        ({"tune_steps": "1.5"}, "found 1.5; a whole number from 0 is accepted"),
        ({"guard": "-1"}, "found -1; a number from 0 is accepted"),
        ({"guard": "nan"}, "found nan; a number from 0 is accepted"),
        ({"tune_rate": None}, "found None; a number from 0 is accepted"),
    ],
)
def test_recipes_that_cannot_be(changes: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        _recipe(changes)


TINY = Recipe(
    seed=3, head_steps=5, tune_steps=5, tuned_layers=1, hidden=16, members=1, member_hidden=8,
    member_steps=2, topics_per_batch=2, statements_per_topic=6,
)  # fmt: skip


class CutOff(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def small() -> StanceTable:
    """A few topics of the shipped statements: two to train on and a later one, two to calibrate on, one to score."""
    frame = read_shipped(("train", "dev", "later"))
    topics = ["carbon-tax", "onshore-wind", "hydro-dams", "electric-grid", "coal-exit", "offshore-wind"]
    frame = frame[frame["topic"].isin(topics)].sort_values("motion", ascending=False, kind="stable")
    frame = frame.groupby("topic").head(24)
    number = frame["topic"].map(topics.index).to_numpy(np.int64)
    split = np.array(["train", "train", "validation", "validation", "dev", "later"], object)[number]
    side, motion = frame["side"].to_numpy(np.int64), frame["motion"].to_numpy(bool)
    return StanceTable(tuple(frame["text"]), number, side, motion, frame["source"].to_numpy(object), split)


def test_rounds_begin_from_weights_as_a_file_holds_them_and_end_in_their_mean(
    small: StanceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "_HEALTHY_DEVIATION", 0.0)  # so short a training is no good
    monkeypatch.setattr(fitting, "_HEALTHY_RANK", 0.0)
    recipe = replace(TINY, rounds=2, round_steps=3)
    encoder = LayerEncoder()
    ends: list[dict[str, NDArray[np.float32]]] = []
    add = fitting.Training._add_to_mean

    def noted(training: fitting.Training, objective: Objective, count: int) -> None:
        ends.append({name: value.copy() for name, value in training._weights(objective).items()})
        add(training, objective, count)

    monkeypatch.setattr(fitting.Training, "_add_to_mean", noted)

    def train(name: str, recipe: Recipe, start: Path | None = None) -> bytes:
        training = fitting.Training(small, recipe, encoder, encoder, SentenceEncoder(encoder), start=start)
        with on_one_thread():
            training.run(lambda *_: None).save(tmp_path / name)
        return (tmp_path / name).read_bytes()

    train("first", replace(recipe, rounds=0))
    assert not ends
    whole = train("whole", recipe)
    assert train("continued", recipe, tmp_path / "first") == whole, "a file takes the place of what was before"
    one, two = ends[:2]
    mean = read_tensors(tmp_path / "whole", FORMAT, "weights file")[0]
    assert any(not np.allclose(one[name], two[name]) for name in one)
    for name in one:
        expected = (one[name] + two[name]) / 2
        np.testing.assert_allclose(mean[name], expected, atol=1e-3 * max(1.0, float(np.abs(expected).max())))
    with pytest.raises(InputError, match=r"holds no weights of this recipe's network and layers"):
        train("other", replace(recipe, hidden=17), tmp_path / "first")


def test_words_left_out_are_the_share_asked_for_and_never_the_marks() -> None:
    rng, tokens = np.random.default_rng(0), list(range(30))
    made = [leave_out(tokens, 0.1, rng) for _ in range(3000)]
    assert 1 - np.mean([len(ids) for ids in made]) / 30 == pytest.approx(0.1 * 28 / 30, abs=0.01)
    assert 0.4 < np.mean([ids == tokens for ids in made]) < 0.7
    assert all(ids[0] == 0 and ids[-1] == 29 and len(ids) > 2 for ids in made)
    assert leave_out([0, 7, 1], 0.25, rng) == [0, 7, 1]


def test_training_cut_off_and_taken_up_again_ends_with_the_same_bytes(
    small: StanceTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "_CHECK_EVERY", 2)
    monkeypatch.setattr(fitting, "_HEALTHY_DEVIATION", 0.0)  # so short a training is no good
    monkeypatch.setattr(fitting, "_HEALTHY_RANK", 0.0)
    recipe = replace(TINY, rounds=2, round_steps=3)
    encoder = LayerEncoder()

    def train(name: str, stop: tuple[str, int] | None = None) -> bytes:
        def report(stage: str, done: int, _total: int) -> None:
            if (stage, done) == stop:
                raise CutOff

        sentences = SentenceEncoder(encoder)
        training = fitting.Training(small, recipe, encoder, encoder, sentences, tmp_path / f"{name}.partial")
        with on_one_thread():
            training.run(report).save(tmp_path / name)
        return (tmp_path / name).read_bytes()

    whole = train("whole")
    for stop in (("head", 4), ("encoder", 3), ("round 2", 3)):
        name = f"{stop[0]}-{stop[1]}"
        with pytest.raises(CutOff):
            train(name, stop)
        assert train(name) == whole
    other = fitting.Training(
        small, Recipe(seed=4), encoder, encoder, SentenceEncoder(encoder), tmp_path / "whole.partial"
    )
    with pytest.raises(InputError, match="was left by a training on other data or settings"):
        other.run(lambda *_: None)
