"""The affinity model with its shipped weights: what it promises, and weights files that break theirs."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from ecosystem.errors import InputError
from ecosystem.jepa import PRETRAINED, load_jepa
from ecosystem.jepa.affinity import FORMAT, AffinityModel, Calibration
from ecosystem.jepa.attribution import importance, integrated_gradients, legacy_importance
from ecosystem.jepa.encoder import PACKAGED_MODEL, Features
from ecosystem.jepa.network import AGREE, JEPA, OPPOSE
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
    paraphrase, opposite = model.affinity([HUMAN, HUMAN], [AGREED[0][1], OPPOSED[0][1]])
    assert paraphrase > 0.5
    assert opposite < -0.5


def test_agreement_opposition_and_neither(model: AffinityModel) -> None:
    """Every opposed pair lies below every agreed one, the unrelated ones near zero."""
    agreed, opposed, unrelated = np.split(model.affinity(ONE, OTHER), 3)
    assert opposed.max() < agreed.min()
    assert opposed.max() < -0.3
    assert agreed.mean() > 0.3
    assert np.abs(unrelated).max() < 0.15


def test_a_statement_agrees_with_itself(model: AffinityModel) -> None:
    texts = sorted(set(ONE[:6] + OTHER[:6]))
    assert (model.affinity(texts, texts) > 0).all()


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


def test_integrated_gradients_are_complete(model: AffinityModel) -> None:
    """Both attributions together are the pair's gap less that of two average statements, within 2 %."""
    rows, columns = ONE[:5], OTHER[:6]
    to_a, to_b = integrated_gradients(model, rows, columns)
    network, n, m = model.network, len(rows), len(columns)

    def gap(a: torch.Tensor, b: torch.Tensor) -> Any:
        with torch.no_grad():
            energies = network.energies(a, b).numpy()
        return (energies[:, OPPOSE] - energies[:, AGREE]) / model.calibration.temperature

    a, b = (torch.from_numpy(model.latents(texts)) for texts in (rows, columns))
    with torch.no_grad():
        average = network.encode(network.mean[None])
    expected = gap(a.repeat_interleave(m, 0), b.repeat(n, 1)).reshape(n, m) - gap(average, average)
    assert np.abs(to_a + to_b - expected).max() <= 0.02 * np.abs(expected).max()
    np.testing.assert_allclose(importance(model, rows, columns), np.abs(to_a) + np.abs(to_b), rtol=1e-5)


def test_attribution_of_a_pair_does_not_depend_on_the_others(model: AffinityModel) -> None:
    to_a, to_b = integrated_gradients(model, ONE[:4], OTHER[:4])
    for k, whole in enumerate(integrated_gradients(model, [ONE[2]], [OTHER[1]])):
        assert whole[0, 0] == pytest.approx((to_a, to_b)[k][2, 1], rel=1e-3)
    back_b, back_a = integrated_gradients(model, OTHER[:4], ONE[:4])
    np.testing.assert_allclose(back_a.T, to_a, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(back_b.T, to_b, rtol=1e-3, atol=1e-4)


def test_legacy_importance_is_the_mean_size_of_weights_times_joint_latent(model: AffinityModel) -> None:
    found = legacy_importance(model, ONE[:2], OTHER[:3])
    weight = model.network.predictor[0].weight.detach().numpy()[:, : model.network.latent_dim]
    a, b = model.latents(ONE[:2]), model.latents(OTHER[:3])
    for i in range(2):
        for j in range(3):
            assert found[i, j] == pytest.approx(np.abs(weight @ ((a[i] + b[j]) / 2)).mean(), rel=1e-4)


def test_shipped_weights_survive_saving(model: AffinityModel, cache: Path, tmp_path: Path) -> None:
    """They are in half precision already: saved and loaded, they predict the same to the bit."""
    path = tmp_path / "again.safetensors"
    model.save(path, PACKAGED_MODEL, model.encoder.encoder.tuned)  # type: ignore[attr-defined]
    again = load_jepa(path, cache=cache)
    assert again.calibration == model.calibration
    assert again.card == model.card
    assert again.encoder.identity == model.encoder.identity
    np.testing.assert_array_equal(again.affinity_matrix(ONE, OTHER), model.affinity_matrix(ONE, OTHER))
    assert {path.name for path in tmp_path.iterdir()} == {"again.safetensors"}


# Weights files, small ones.


class Fixed:
    """An encoder for models that are only saved and loaded."""

    identity = "fixed"

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Features:
        raise AssertionError("nothing is to be encoded")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file with a tiny network in it."""
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    model = AffinityModel(Fixed(), JEPA(6, 4, 8).eval(), Calibration(0.5, 9.0, -3.0), 2, {"seed": 0})
    model.save(path, PACKAGED_MODEL, {})
    return path


def test_weights_are_saved_in_half_precision(weights: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = JEPA(6, 4, 8)
    loaded = load_jepa(weights, cache=tmp_path)
    for name, value in loaded.network.state_dict().items():
        np.testing.assert_array_equal(value, network.state_dict()[name].half().float(), err_msg=name)
    assert (loaded.calibration, loaded.width, loaded.card) == (Calibration(0.5, 9.0, -3.0), 2, {"seed": 0})
    assert not loaded.network.training


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
        ({"calibration": json.dumps({"temperature": 1.0})}, "is not a complete weights file"),
        ({"width": "wide"}, "is not a complete weights file"),
        ({"card": "no json"}, "is not a complete weights file"),
        ({"tensors": {"network.encoder.1.weight": None}}, "is not a complete weights file"),
        ({"tensors": {"network.predictor.2.bias": None}}, "is not a complete weights file"),
        ({"tensors": {"network.encoder.1.weight": np.zeros(3, np.float16)}}, "is not a complete weights file"),
        ({"tensors": {"network.mean": np.zeros(5, np.float16)}}, "is not a complete weights file"),
        ({"tensors": {"network.extra": np.zeros(5, np.float16)}}, "is not a complete weights file"),
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
