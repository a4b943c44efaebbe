"""The affinity model with its shipped weights: what it promises, and weights files that break theirs."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from ecosystem.errors import InputError
from ecosystem.jepa import PRETRAINED, load_jepa
from ecosystem.jepa.affinity import FORMAT, AffinityModel, Calibration
from ecosystem.jepa.coding import StatementCoder
from ecosystem.jepa.encoder import LayerEncoder, SentenceEncoder
from ecosystem.jepa.network import AGREE, JEPA, OPPOSE
from ecosystem.scenario import Scenario
from ecosystem.tensors import read_tensors

HUMAN = "Humans cause global warming by burning fossil fuels."
AGREED = [
    (HUMAN, "Burning coal, oil and gas is what makes the planet warmer; we are responsible."),
    ("Nuclear power is safe and should be expanded.", "We need more reactors; nuclear energy is reliable and clean."),
    ("A carbon tax is the fairest way to cut emissions.", "Putting a price on carbon is a just and effective policy."),
]
OPPOSED = [
    (HUMAN, "Global warming is natural; people have nothing to do with it."),
    ("Nuclear power is safe and should be expanded.", "Nuclear plants are too dangerous and must be closed."),
    ("A carbon tax is the fairest way to cut emissions.", "Carbon taxes hurt ordinary families and must go."),
]
UNRELATED = [
    (HUMAN, "My aunt bakes bread on Sundays."),
    ("A carbon tax is the fairest way to cut emissions.", "The referee should have given a penalty."),
    ("Cats sleep most of the day.", "The central bank raised interest rates again."),
]
PAIRS = AGREED + OPPOSED + UNRELATED
ONE, OTHER = [a for a, _ in PAIRS], [b for _, b in PAIRS]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def model(cache: Path) -> AffinityModel:
    return load_jepa(cache=cache)


def test_affinity_is_bounded_symmetric_and_typed(model: AffinityModel) -> None:
    affinity = model.affinity(ONE, OTHER)
    matrix = model.affinity_matrix(ONE, OTHER)
    assert (affinity.shape, affinity.dtype) == ((9,), np.float32)
    assert (matrix.shape, matrix.dtype) == ((9, 9), np.float32)
    assert np.abs(matrix).max() <= 1
    np.testing.assert_allclose(affinity, matrix.diagonal(), atol=1e-4)
    np.testing.assert_allclose(model.affinity(OTHER, ONE), affinity, atol=1e-5)
    np.testing.assert_allclose(model.affinity_matrix(OTHER, ONE).T, matrix, atol=1e-4)


def test_order_and_company_do_not_matter(model: AffinityModel) -> None:
    order = np.random.default_rng(0).permutation(9)
    shuffled = model.affinity([ONE[k] for k in order], [OTHER[k] for k in order])
    np.testing.assert_allclose(shuffled, model.affinity(ONE, OTHER)[order], atol=1e-5)
    matrix = model.affinity_matrix(ONE, OTHER)
    np.testing.assert_allclose(model.affinity_matrix(ONE[2:4], OTHER[:3]), matrix[2:4, :3], atol=1e-4)


def test_planted_opposites_and_a_paraphrase(model: AffinityModel) -> None:
    """Signs, and well clear of 0; calibrated on topics as hard as these, the model does not claim more."""
    paraphrase, opposite = model.affinity([HUMAN, HUMAN], [AGREED[0][1], OPPOSED[0][1]])
    assert paraphrase > 0.15
    assert opposite < -0.15


def test_agreement_opposition_and_neither(model: AffinityModel) -> None:
    """Every opposed pair lies below every agreed one, the unrelated ones near zero."""
    agreed, opposed, unrelated = np.split(model.affinity(ONE, OTHER), 3)
    assert opposed.max() < agreed.min()
    assert opposed.max() < -0.15
    assert opposed.mean() < -0.3
    assert agreed.mean() > 0.3
    assert np.abs(unrelated).max() < 0.15


def test_a_statement_agrees_with_itself(model: AffinityModel) -> None:
    texts = sorted(set(ONE[:6] + OTHER[:6]))
    assert (model.affinity(texts, texts) > 0).all()


def test_affinity_is_the_ensembles_mean_logit(model: AffinityModel) -> None:
    """By the definition: energies of every network, divided by its temperature, averaged; times relevance."""
    a, b = model.codes(ONE), model.codes(OTHER)
    logits = []
    for k, (network, temperature) in enumerate(zip(model.coder.networks, model.calibration.temperatures, strict=True)):
        with torch.no_grad():
            energies = network.energies(*(torch.from_numpy(c.member(k).latent) for c in (a, b))).numpy()
        logits.append((energies[:, OPPOSE] - energies[:, AGREE]) / temperature)
    np.testing.assert_allclose(model.member_logits(a, b), logits, rtol=1e-3, atol=1e-3)
    _, relevance = model.relate(ONE, OTHER)
    expected = relevance.diagonal() * np.tanh(np.mean(logits, 0) / 2)
    np.testing.assert_allclose(model.affinity(ONE, OTHER), expected, atol=1e-3)
    chances = 1 / (1 + np.exp(-np.array(logits)))
    np.testing.assert_allclose(model.uncertainty_matrix(ONE, OTHER).diagonal(), chances.std(0), atol=1e-3)


def test_nothing_in_nothing_out(model: AffinityModel) -> None:
    assert model.affinity([], []).shape == (0,)
    assert model.affinity_matrix([], ["a"]).shape == (0, 1)
    assert model.affinity_matrix(["a"], []).shape == (1, 0)
    assert model.latents([]).shape == (0, model.network.latent_dim)


@pytest.mark.parametrize(("a", "b"), [(["x"], []), (["x", "y"], ["x"]), ("xy", ["x", "y"]), (["x"], "x")])
def test_lists_that_do_not_pair_up(model: AffinityModel, a: Any, b: Any) -> None:
    with pytest.raises(ValueError, match=r"of one length|not a single string"):
        model.affinity(a, b)


def test_table_of_statements_is_what_the_definitions_say(model: AffinityModel) -> None:
    texts, topic_of = sorted({*ONE, *OTHER}), np.arange(len({*ONE, *OTHER})) % 2
    table = model.statements(texts, topic_of)
    np.testing.assert_array_equal(table.affinity, table.affinity.T)
    np.testing.assert_allclose(table.affinity, model.affinity_matrix(texts, texts), atol=1e-6)
    np.testing.assert_allclose(table.latents, model.latents(texts), atol=1e-6)
    apart = topic_of[:, None] != topic_of[None, :]
    assert not table.relevance[apart].any()
    assert ((table.relevance[~apart] > 0) & (table.relevance[~apart] <= 1)).all()
    np.testing.assert_allclose(table.cosine.diagonal(), 1, atol=1e-5)
    latents = torch.from_numpy(table.latents)
    for relation in (AGREE, OPPOSE):
        with torch.no_grad():
            predicted = model.network.predict(latents, relation)
            energy = (predicted[:, None] - latents[None]).square().mean(2).numpy()
        np.testing.assert_allclose(table.reply_energy[relation], energy, rtol=1e-3, atol=1e-4)


def test_shipped_weights_survive_saving(model: AffinityModel, cache: Path, tmp_path: Path) -> None:
    """They are in half precision already: saved and loaded, they predict the same to the bit."""
    path = tmp_path / "again.safetensors"
    model.save(path)
    again = load_jepa(path, cache=cache)
    assert again.calibration == model.calibration
    assert again.card == model.card
    assert again.encoder.identity == model.encoder.identity
    np.testing.assert_array_equal(again.affinity_matrix(ONE, OTHER), model.affinity_matrix(ONE, OTHER))
    assert {path.name for path in tmp_path.iterdir()} == {"again.safetensors"}


# Weights files, small ones.


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file with a tiny network in it."""
    path = tmp_path / "tiny.safetensors"
    tiny_model().save(path)
    return path


def tiny_model() -> AffinityModel:
    torch.manual_seed(0)
    coder = StatementCoder(LayerEncoder(), (JEPA(6, 4, 8).eval(), JEPA(6, 4, 3).eval()), np.ones((7, 2), np.float32))
    return AffinityModel(coder, SentenceEncoder(coder.layers), coder, Calibration((0.5, 0.25), 9.0, -3.0), {"seed": 0})


def test_weights_are_saved_in_half_precision(weights: Path, tmp_path: Path) -> None:
    loaded, made = load_jepa(weights, cache=tmp_path), tiny_model()
    for network, original in zip(loaded.coder.networks, made.coder.networks, strict=True):
        for name, value in network.state_dict().items():
            np.testing.assert_array_equal(value, original.state_dict()[name].half().float(), err_msg=name)
        assert not network.training
    assert (loaded.calibration, loaded.card) == (made.calibration, {"seed": 0})


def refused(path: Path, words: str) -> None:
    with pytest.raises(InputError) as raised:
        load_jepa(path)
    line = str(raised.value)
    assert line.startswith(f"{path}: ")
    assert words in line
    assert "\n" not in line


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.safetensors", "is not a readable weights file")
    refused(tmp_path, "is not a readable weights file")


@pytest.mark.parametrize("size", [0, 4, 8, 100, 1_000_000, -1])
def test_truncated_weights_are_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(PRETRAINED.read_bytes()[:size])
    refused(path, "is not a readable weights file")


@pytest.mark.parametrize(
    "raw",
    [b"not weights at all, but a text\n" * 9, b"\x80\x04\x95pickle", struct.pack("<Q", 1 << 60) + b"{}", b"PK\x03\x04"],
)
def test_other_files_are_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(raw)
    refused(path, "is not a readable weights file")


def rewrite(path: Path, tensors: dict[str, Any] | None = None, **metadata: str | None) -> None:
    """Write a weights file anew with tensors or metadata changed; None takes an entry away."""
    old_tensors, old_metadata = read_tensors(path, FORMAT, "weights file")
    changed = {**old_tensors, **(tensors or {})}
    told = {**old_metadata, **metadata}
    save_file(
        {name: value for name, value in changed.items() if value is not None},
        path,
        {"ecosystem": json.dumps({name: value for name, value in told.items() if value is not None})},
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": None}, f"format is None; {FORMAT!r} is accepted"),
        ({"format": "ecosystem-jepa-0"}, f"format is 'ecosystem-jepa-0'; {FORMAT!r} is accepted"),
        ({"model": None}, "is not a complete weights file"),
        ({"calibration": None}, "is not a complete weights file"),
        ({"calibration": "{"}, "is not a complete weights file"),
        ({"calibration": "[]"}, "is not a complete weights file"),
        ({"calibration": json.dumps({"temperatures": [1.0]})}, "is not a complete weights file"),
        (
            {"calibration": json.dumps({"temperatures": [1.0], "relevance_slope": 1.0, "relevance_intercept": 0.0})},
            "1 temperatures for 2 networks",
        ),
        ({"card": "no json"}, "is not a complete weights file"),
        ({"tensors": {"network.0.encoder.1.weight": None}}, "is not a complete weights file"),
        ({"tensors": {"network.0.predictor.2.bias": None}}, "is not a complete weights file"),
        ({"tensors": {"network.0.encoder.1.weight": np.zeros(3, np.float16)}}, "is not a complete weights file"),
        ({"tensors": {"network.0.mean": np.zeros(5, np.float16)}}, "is not a complete weights file"),
        ({"tensors": {"network.0.extra": np.zeros(5, np.float16)}}, "is not a complete weights file"),
    ],
    ids=lambda value: json.dumps(value, default=lambda array: array.shape) if isinstance(value, dict) else "",
)
def test_incomplete_weights_are_refused(weights: Path, change: dict[str, Any], words: str) -> None:
    rewrite(weights, **change)
    refused(weights, words)


def test_file_of_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bert.safetensors"
    save_file({"embeddings.weight": np.zeros((3, 3), np.float32)}, path)
    assert load_file(path)
    refused(path, f"format is None; {FORMAT!r} is accepted")


def test_damaged_header_is_refused_or_harmless(weights: Path, tmp_path: Path) -> None:
    """Whatever a damaged byte of the header does, it is told in one line."""
    raw = weights.read_bytes()
    header = 8 + struct.unpack("<Q", raw[:8])[0]
    rng, told = np.random.default_rng(0), []
    for _ in range(150):
        damaged = bytearray(raw)
        damaged[rng.integers(header)] = rng.choice([0, 34, 44, 48, 57, 91, 125, 255])
        weights.write_bytes(damaged)
        try:
            load_jepa(weights, cache=tmp_path)
        except InputError as error:
            told.append(str(error))
    assert len(told) > 75
    assert not any("\n" in line for line in told)


def test_a_table_does_not_depend_on_what_stands_below_it(jepa: AffinityModel, debate: Scenario) -> None:
    texts = [statement.text for persona in debate.personas.values() for statement in persona.corpus]
    for n, more in ((3, 1), (200, 1), (255, 2), (300, 57)):
        few, many = (jepa.statements(texts[:k], np.zeros(k, np.int64)) for k in (n, n + more))
        for name in ("latents", "affinity", "relevance", "cosine", "reply_energy"):
            one, other = getattr(few, name), getattr(many, name)
            part = other[:n] if name == "latents" else other[..., :n, :n]
            np.testing.assert_array_equal(one, part, err_msg=f"{name}, {n} and {more}")
