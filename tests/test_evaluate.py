"""`ecosystem evaluate`: labelled pairs in, AUC, accuracy and ECE of three methods out."""

from __future__ import annotations

import gzip
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem.cli import main
from ecosystem.errors import InputError
from ecosystem.evaluation import LABELS, Pairs, evaluate, measure, read_pairs
from ecosystem.jepa.affinity import AffinityModel, Calibration
from ecosystem.jepa.coding import StatementCoder
from ecosystem.jepa.encoder import LayerEncoder, SentenceEncoder
from ecosystem.jepa.network import JEPA
from ecosystem.jepa.scoring import auc, bootstrap
from ecosystem.jepa.sketch import sketch_scores

METHODS = ("affinity", "cosine", "seed")
MEASURES = ("auc", "accuracy", "ece")
PAIRS = """\
text_a,text_b,label,topic
A levy on flights is fair.,Those who fly should pay for it.,1,flights
A levy on flights is fair.,A levy on flights is theft.,0,flights
Coal must go.,"The last coal plant should close, and soon.",1,coal
Coal must go.,"Coal keeps the ""lights"" on
and must stay.",0,coal
Coal must go.,Coal must go.,1,coal
"""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keep the encoded texts of these tests among themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECOSYSTEM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a small weights file whose networks are not trained."""
    layers, rng = LayerEncoder(), np.random.default_rng(0)
    networks = tuple(_untrained(JEPA(7 * 384, 8, 8), seed) for seed in range(2))
    coder = StatementCoder(layers, networks, rng.normal(size=(7 * 384 + 1, 16)).astype(np.float32))
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    AffinityModel(coder, SentenceEncoder(layers), coder, Calibration((0.1, 0.2), 5.0, -1.0)).save(path)
    return str(path)


def _untrained(network: JEPA, seed: int) -> JEPA:
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    return network.eval().requires_grad_(False)


def write(folder: Path, content: str | bytes, name: str = "pairs.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def command(monkeypatch: pytest.MonkeyPatch, *argv: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ecosystem", "evaluate", *argv])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def check_shape(found: dict[str, Any]) -> None:
    """Check the contract of the JSON."""
    assert list(found) == ["n", "topics", *METHODS]
    for method in METHODS:
        assert sorted(found[method]) == sorted([*MEASURES, *(f"{name}_interval" for name in MEASURES)])
        for name in MEASURES:
            value, interval = found[method][name], found[method][f"{name}_interval"]
            assert value is None or 0 <= value <= 1
            if interval is not None:
                low, high = interval
                assert 0 <= low <= high <= 1


# The command.


def test_json_holds_the_contract_and_the_same_bytes_twice(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, PAIRS)
    printed = []
    for _ in range(2):
        assert command(monkeypatch, str(path), "--weights", weights, "--json") == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        printed.append(shown.out)
    assert printed[0] == printed[1]
    found = json.loads(printed[0])
    check_shape(found)
    assert (found["n"], found["topics"]) == (5, 2)
    assert found == evaluate(path, weights=weights)


def test_table_and_what_it_says(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, PAIRS)
    assert command(monkeypatch, str(path), "--weights", weights, "--quiet") == 0
    out, err = capsys.readouterr()
    assert err == ""
    for word in (*METHODS, "AUC", "accuracy", "ECE"):
        assert word in out
    assert out.splitlines()[-1].startswith("5 pairs on 2 topics; 95 % intervals over topics.")
    found = evaluate(path, weights=weights)
    assert f"{found['cosine']['auc']:.3f}" in out


def test_progress_tells_how_far_the_encoding_is(weights: str, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    path = write(
        tmp_path, "text_a,text_b,label\nTrams are quick.,Trams are slow.,0\nTrams are quick.,So are trains.,1\n"
    )
    evaluate(path, weights=weights, progress=lambda *step: told.append(step))
    encoded = [(done, total) for stage, done, total in told if stage == "encode"]
    assert encoded[-1] == (6, 6)  # three distinct texts, by two encoders


BROKEN = [
    pytest.param("text_a,text_b,label\nA.,B.,maybe\n", ("line 2", "label", "'maybe'", "oppose"), id="label"),
    pytest.param("text_a,text_b,label\nA.,B.,nan\n", ("line 2", "label", "'nan'", "accepted"), id="label that is NaN"),
    pytest.param("text_a,text_b,label\nA.,B.,-1\n", ("line 2", "label", "'-1'"), id="label -1"),
    pytest.param("text_a,text_b,label\nA.,B.,1\nA.,B.,\n", ("line 3", "label", "''"), id="no label"),
    pytest.param('text_a,text_b,label\n"A\nB.",B.,1\nA., ,1\n', ("line 4", "text_b", "empty"), id="empty text"),
    pytest.param("text_a,text_b,label\n,B.,1\n", ("line 2", "text_a", "empty"), id="empty first text"),
    pytest.param(f"text_a,text_b,label\n{'a' * 5001},B.,1\n", ("text_a", "5001", "5000"), id="long text"),
    pytest.param("text_a,text_b\nA.,B.\n", ("line 1", "'label'"), id="no label column"),
    pytest.param("text,label\nA.,1\n", ("line 1", "'text_a'", "text, label"), id="other columns"),
    pytest.param("text_a,text_b,label,label\nA.,B.,1,0\n", ("'label'", "twice"), id="column twice"),
    pytest.param("text_a,text_b,label\nA., well,B.,1\n", ("line 2", "4 cells", "3"), id="unquoted comma"),
    pytest.param('text_a,text_b,label\n"A.,B.,1\n', ("not valid CSV",), id="open quote"),
    pytest.param("text_a,text_b,label,topic\nA.,B.,1,x\nA.,B.,1,\n", ("line 3", "topic"), id="topic for some"),
    pytest.param("text_a,text_b,label\n", ("no pair",), id="header alone"),
    pytest.param("", ("line 1", "'text_a'"), id="empty file"),
    pytest.param(b"text_a,text_b,label\n\xff.,B.,1\n", ("line 2", "UTF-8"), id="not UTF-8"),
    pytest.param(b"text_a,text_b,label\n\0.,B.,1\n", ("NUL",), id="NUL byte"),
]


@pytest.mark.parametrize(("content", "words"), BROKEN)
def test_bad_input_is_one_line(
    content: str | bytes,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, content)
    assert command(monkeypatch, "pairs.csv", "--json") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ecosystem: pairs.csv: ")
    assert err.count("\n") == 1
    assert len(err) <= 500
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("pairs.xlsx", b"PK", (".xlsx", "accepted: .csv")),
        ("pairs", b"", ("without suffix",)),
        ("none.csv", None, ("not found",)),
        ("none.csv.gz", None, ("not found",)),
        ("plain.csv.gz", PAIRS.encode(), ("gzip",)),
        ("half.csv.gz", gzip.compress(PAIRS.encode(), mtime=0)[:-20], ("gzip",)),
        ("harm.csv.gz", gzip.compress(PAIRS.encode(), mtime=0)[:12] + b"\xff" * 40, ("gzip",)),
        ("bomb.csv.gz", gzip.compress(b"\0" * 40_000_000, mtime=0), ("too large",)),
    ],
)
def test_files_that_cannot_be_read(name: str, content: bytes | None, words: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / name if content is None else write(tmp_path, content, name)
    with pytest.raises(InputError) as refused:
        read_pairs(path)
    for word in (name, *words):
        assert word in str(refused.value)


def test_weights_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, PAIRS)
    assert command(monkeypatch, str(path), "--weights", str(tmp_path / "none.safetensors")) == 2
    assert capsys.readouterr().err.count("\n") == 1


# The table of pairs.


def test_pairs_as_they_are_read(tmp_path: Path) -> None:
    pairs = read_pairs(write(tmp_path, PAIRS))
    assert pairs.texts_b[3] == 'Coal keeps the "lights" on and must stay.'
    assert pairs.agree.tolist() == [True, False, True, False, True]
    assert pairs.topics.tolist() == [0, 0, 1, 1, 1]


def test_formats_and_orders_that_say_the_same(tmp_path: Path) -> None:
    expected = read_pairs(write(tmp_path, PAIRS))
    rows = [
        ("text_a", "text_b", "label", "topic"),
        *zip(expected.texts_a, expected.texts_b, ("1", "0", "1", "0", "1"), expected.topics.astype(str), strict=True),
    ]
    quoted = [[f'"{cell}"'.replace('"lights"', '""lights""') for cell in row] for row in rows]
    reordered = [[row[2], row[3], "note", row[1], row[0]] for row in quoted]
    variants = {
        "bom.csv": b"\xef\xbb\xbf" + PAIRS.encode(),
        "crlf.csv": PAIRS.replace("\n", "\r\n").encode(),
        "tabs.tsv": "\n".join("\t".join(row) for row in quoted).encode(),
        "semicolons.csv": "\n".join(";".join(row) for row in quoted).encode(),
        "order.CSV": "\n".join(",".join(row) for row in reordered).encode(),
        "blank.csv": PAIRS.replace("Coal must go.,Coal", "\n\nCoal must go.,Coal").encode(),
        "small.csv.gz": gzip.compress(PAIRS.encode(), mtime=0),
        "small.tsv.gz": gzip.compress("\n".join("\t".join(row) for row in quoted).encode()),
        "spelled.csv": PAIRS.replace(",1,", ", Agree,").replace(",0,", ",OPPOSE,").encode(),
    }
    for name, content in variants.items():
        found = read_pairs(write(tmp_path, content, name))
        assert (found.texts_a, found.texts_b) == (expected.texts_a, expected.texts_b), name
        assert found.agree.tolist() == expected.agree.tolist(), name
        assert found.topics.tolist() == expected.topics.tolist(), name


@pytest.mark.parametrize("label", LABELS)
def test_every_spelling_of_a_label(label: str, tmp_path: Path) -> None:
    pairs = read_pairs(write(tmp_path, f"text_a,text_b,label\nA.,B., {label.upper()}\n"))
    assert pairs.agree.tolist() == [LABELS[label]]


@pytest.mark.parametrize("topics", ["", ",topic"])
def test_no_topics_are_one(topics: str, weights: str, tmp_path: Path) -> None:
    lines = PAIRS.replace(",topic\n", f"{topics}\n", 1).replace(",flights\n", "\n").replace(",coal\n", "\n")
    content = lines if not topics else lines.replace(",1\n", ",1,\n").replace(",0\n", ",0, \n")
    found = evaluate(write(tmp_path, content), weights=weights)
    check_shape(found)
    assert found["topics"] == 1
    assert found["affinity"]["auc_interval"] is not None


# What is undefined, and what must be so.


@pytest.mark.parametrize("label", ["1", "0"])
def test_one_label_leaves_auc_undefined(
    label: str, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, f"text_a,text_b,label,topic\nA.,B.,{label},x\nA.,C.,{label},y\n")
    assert command(monkeypatch, str(path), "--weights", weights, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    check_shape(found)
    for method in METHODS:
        assert found[method]["auc"] is None
        assert found[method]["auc_interval"] is None
        assert found[method]["accuracy"] is not None
    assert command(monkeypatch, str(path), "--weights", weights, "--quiet") == 0
    assert "│ -  " in capsys.readouterr().out


def test_one_pair(weights: str, tmp_path: Path) -> None:
    found = evaluate(write(tmp_path, "text_a,text_b,label\nThe sea.,The sea.,agree\n"), weights=weights)
    check_shape(found)
    assert (found["n"], found["topics"]) == (1, 1)
    for method in METHODS:
        assert {name: found[method][f"{name}_interval"] for name in MEASURES} == dict.fromkeys(MEASURES)
    assert found["affinity"]["accuracy"] == 1  # a text agrees with itself
    assert found["cosine"]["ece"] == pytest.approx(0, abs=1e-5)


def test_order_of_rows_and_of_texts_does_not_matter_to_affinity(weights: str, tmp_path: Path) -> None:
    header, *rows = (
        "text_a,text_b,label",
        "Coal must go.,Coal must stay.,0",
        "Coal must go.,End coal now.,1",
        "Trams are quick.,Trams are slow.,0",
    )
    forth = evaluate(write(tmp_path, "\n".join([header, *rows])), weights=weights)
    back = evaluate(write(tmp_path, "\n".join(["text_b,text_a,label", *rows[::-1]])), weights=weights)
    for method in ("affinity", "cosine"):
        for name in MEASURES:
            assert forth[method][name] == pytest.approx(back[method][name], abs=1e-5)


def test_probabilities_that_know_the_answer() -> None:
    agree = np.array([True, False] * 20)
    pairs = Pairs(("a",) * 40, ("b",) * 40, agree, np.arange(40) // 4)
    perfect = measure(pairs, agree.astype(float), np.random.default_rng(0))
    assert [perfect[name] for name in MEASURES] == [1, 1, 0]
    assert [perfect[f"{name}_interval"] for name in MEASURES] == [[1, 1], [1, 1], [0, 0]]
    wrong = measure(pairs, 1 - agree.astype(float), np.random.default_rng(0))
    assert [wrong[name] for name in MEASURES] == [0, 0, 1]


outcomes_and_scores = st.lists(
    st.tuples(st.booleans(), st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))), min_size=2
)


@given(outcomes_and_scores)
@settings(deadline=None)
def test_auc_is_that_of_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    from sklearn.metrics import roc_auc_score

    outcome, score = np.array([o for o, _ in rows]), np.array([s for _, s in rows])
    if outcome.all() or not outcome.any():
        assert math.isnan(auc(outcome, score))
    else:
        assert auc(outcome, score) == pytest.approx(roc_auc_score(outcome, score), abs=1e-12)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 1000))
@settings(deadline=None)
def test_bootstrap_draws_whole_topics(topics: list[int], seed: int) -> None:
    drawn: list[Any] = []

    def keep(rows: Any) -> float:
        drawn.append(rows)
        return 0.0

    labels = np.array(topics)
    bootstrap(keep, labels, np.random.default_rng(seed), n_draws=3)
    n_topics = len(set(topics))
    for rows in drawn:
        times = np.bincount(rows, minlength=len(topics))
        if n_topics == 1:
            assert len(rows) == len(topics)
            continue
        of_topic = {topic: set(times[labels == topic]) for topic in topics}
        assert all(len(found) == 1 for found in of_topic.values())
        assert sum(found.pop() for found in of_topic.values()) == n_topics


# The method this project started from.


def embeddings(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    vectors = np.random.default_rng(seed).normal(size=(2, n, 32)).astype(np.float32)
    one, other = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    return one, other


@pytest.mark.parametrize("n", [1, 2, 40, 300])
def test_sketch_is_bounded_and_the_same_twice(n: int) -> None:
    one, other = embeddings(0, n)
    state = torch.get_rng_state()
    scores = sketch_scores(one, other, np.random.default_rng(3), n_steps=20)
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's random numbers are used up
    assert (scores.shape, scores.dtype) == ((n,), np.float32)
    assert np.abs(scores).max() <= 1
    np.testing.assert_array_equal(scores, sketch_scores(one, other, np.random.default_rng(3), n_steps=20))
    assert n == 1 or not np.array_equal(scores, sketch_scores(one, other, np.random.default_rng(4), n_steps=20))


def test_sketch_connects_what_it_was_trained_on() -> None:
    """It learns what stands side by side, whatever the two have to do with one another."""
    one, other = embeddings(1, 12)
    untrained = sketch_scores(one, other, np.random.default_rng(0), n_steps=0)
    trained = sketch_scores(one, other, np.random.default_rng(0))
    assert trained.min() > untrained.max()
