"""The guard against collapse, the measures that notice one, and a training that collapses without it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch

from ecosystem.jepa.fitting import CollapseError, check_collapse
from ecosystem.jepa.losses import least_deviation, rankme, sigreg
from ecosystem.jepa.network import AGREE, JEPA, OPPOSE
from ecosystem.jepa.phrasing import Phrasing
from ecosystem.jepa.stance import StanceTable
from ecosystem.jepa.training import Batches, Objective, Recipe, head_descent


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute on one thread: at these sizes a second one only spins."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def normal(n: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def naive_sigreg(latents: torch.Tensor, seed: int, n_slices: int, n_knots: int) -> float:
    """Return the mean Epps-Pulley statistic, one direction and one knot at a time, in double precision."""
    n, dim = latents.shape
    points = latents.double().numpy()
    directions = torch.randn(dim, n_slices, generator=torch.Generator().manual_seed(seed)).double().numpy()
    knots = np.linspace(-5, 5, n_knots)
    statistics = []
    for direction in directions.T:
        projected = points @ (direction / np.linalg.norm(direction))
        integrand = []
        for knot in knots:
            empirical = np.mean([np.exp(1j * knot * x) for x in projected])
            integrand.append(abs(empirical - np.exp(-(knot**2) / 2)) ** 2 * np.exp(-(knot**2) / 2))
        area = sum((a + b) / 2 * (knots[1] - knots[0]) for a, b in pairwise(integrand))
        statistics.append(n * area)
    return float(np.mean(statistics))


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_sigreg_equals_its_naive_form(shift: float) -> None:
    latents = normal(40, 6) * 0.5 + shift
    found = sigreg(latents, torch.Generator().manual_seed(3), n_slices=12, n_knots=9)
    assert float(found) == pytest.approx(naive_sigreg(latents, 3, 12, 9), rel=1e-4)


def floor(n_knots: int = 17) -> float:
    """Return the expectation of `sigreg` under its null: var of the empirical function, integrated."""
    knots = np.linspace(-5, 5, n_knots)
    return float(np.trapezoid((1 - np.exp(-(knots**2))) * np.exp(-(knots**2) / 2), knots))


def test_sigreg_is_at_its_floor_for_a_standard_normal_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = [float(sigreg(normal(400, 12, seed), generator)) for seed in range(20)]
    assert np.mean(drawn) == pytest.approx(floor(), rel=0.05)
    point = torch.zeros(400, 12)
    line = normal(400, 12) * torch.eye(12)[0]
    for away in (point, line, normal(400, 12) * 0.5, normal(400, 12) * 2, normal(400, 12) + 1):
        assert float(sigreg(away, generator)) > 5 * floor()


def test_sigreg_pushes_a_collapsed_cloud_apart() -> None:
    latents = (normal(128, 8) * 0.05).requires_grad_()
    optimizer, generator = torch.optim.Adam([latents], lr=0.05), torch.Generator().manual_seed(0)
    for _ in range(150):
        optimizer.zero_grad()
        sigreg(latents, generator, n_slices=32).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert least_deviation(latents.detach()) > 0.8
    assert latents.detach().mean(0).abs().max() < 0.2


def test_sigreg_takes_its_directions_from_the_generator() -> None:
    latents = normal(50, 4)
    one, same, other = (float(sigreg(latents, torch.Generator().manual_seed(seed))) for seed in (1, 1, 2))
    assert one == same != other


def test_least_deviation_is_that_of_the_flattest_dimension() -> None:
    spread = torch.tensor([1.0, 0.3, 2.0, 0.01])
    assert least_deviation(normal(5000, 4) * spread + 7) == pytest.approx(0.01, rel=0.05)
    assert least_deviation(torch.ones(10, 3)) == 0


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_rankme_counts_the_dimensions_in_use(rank: int) -> None:
    orthogonal = torch.linalg.qr(normal(200, 8) - normal(200, 8).mean(0))[0]
    orthogonal = torch.linalg.qr(orthogonal - orthogonal.mean(0))[0]
    cloud = orthogonal * (torch.arange(8) < rank) @ torch.linalg.qr(normal(8, 8, 1))[0]
    assert rankme(cloud + 5) == pytest.approx(rank / 8, rel=1e-3)
    assert rankme(1e-3 * cloud) == pytest.approx(rankme(cloud), rel=1e-3), "blind to size"


def test_rankme_stays_within_its_range() -> None:
    assert rankme(torch.full((9, 4), 3.0)) == pytest.approx(1 / 4)
    assert rankme(torch.cat([torch.eye(128), -torch.eye(128)])) <= 1 + 1e-6


def planted() -> tuple[StanceTable, torch.Tensor]:
    """Return statements on 12 topics with two sides each, 9 to train on, and their features."""
    rng = np.random.default_rng(1)
    topic, side = np.repeat(np.arange(12), 20), np.tile([1, -1], 120)
    centre, axis = rng.normal(size=(12, 24)), rng.normal(size=(12, 24))
    features = centre[topic] + side[:, None] * axis[topic] + rng.normal(size=(240, 24)) * 0.5
    table = StanceTable(
        texts=tuple(f"statement {row}" for row in range(240)),
        topic=topic,
        side=side,
        motion=np.zeros(240, bool),
        source=np.full(240, "climate-energy", object),
        split=np.where(topic < 9, "train", "dev").astype(object),
    )
    return table, torch.from_numpy(features.astype(np.float32))


def train(guard: float, contrast: bool) -> tuple[JEPA, torch.Tensor, torch.Tensor]:
    """Train a tiny JEPA; return it with the latents of held-out topics before and after."""
    table, features = planted()
    recipe = Recipe(
        head_steps=150, head_rate=1e-2, latent_dim=16, hidden=64, dropout=0.0, guard=guard,
        topics_per_batch=6, statements_per_topic=10, contrast=float(contrast), retrieval=0.2 * contrast,
    )  # fmt: skip
    torch.manual_seed(1)
    network = JEPA(24, recipe.latent_dim, recipe.hidden, recipe.dropout)
    with torch.no_grad():
        network.encoder[-1].weight.mul_(4)  # a start that is wide enough to be healthy
    objective = Objective(network, recipe, torch.Generator().manual_seed(1))
    held_out = features[np.flatnonzero(table.split == "dev")]
    with torch.no_grad():
        before = network.encode(held_out)
    no_phrasing = Phrasing(lambda texts: [[101, 1012, 102] for _ in texts])
    train = np.flatnonzero(table.split == "train")
    batches = Batches(table, train, [[]] * len(table), no_phrasing, recipe, np.random.default_rng(1))
    descent = head_descent(lambda batch: features[batch.rows], batches, objective, recipe.head_steps, recipe.head_rate)
    assert [step for step, _ in descent] == list(range(1, 151))
    with torch.no_grad():
        return network, before, network.encode(held_out)


def test_prediction_alone_collapses_and_fails_loudly() -> None:
    _, before, after = train(guard=0.0, contrast=False)
    assert check_collapse(before.numpy())["least_deviation"] > 0.4
    assert rankme(after) > 0.3, "RankMe alone reads the collapsed latents as healthy"
    with pytest.raises(CollapseError, match=r"the latents collapsed \(least_deviation 0\.\d+, rankme 0\.\d+; healthy"):
        check_collapse(after.numpy())


def test_guard_prevents_the_collapse() -> None:
    _, _, after = train(guard=0.05, contrast=False)
    measures = check_collapse(after.numpy())
    assert measures == {"least_deviation": least_deviation(after), "rankme": rankme(after)}
    assert measures["least_deviation"] > 0.3


def test_trained_network_tells_the_sides_of_planted_topics_apart() -> None:
    """With the whole objective, on the topics trained on: agreement has the lower energy."""
    table, features = planted()
    network, _, _ = train(guard=0.05, contrast=True)
    rows = np.flatnonzero(table.split == "train")
    with torch.no_grad():
        z = network.encode(features[rows])
        one, other = np.triu_indices(len(rows), 1)
        same_topic = table.topic[rows][one] == table.topic[rows][other]
        one, other = one[same_topic], other[same_topic]
        energies = network.energies(z[one], z[other]).numpy()
    agrees = table.side[rows][one] == table.side[rows][other]
    assert ((energies[:, AGREE] < energies[:, OPPOSE]) == agrees).mean() > 0.95


def test_network_energies_are_symmetric_and_those_of_the_definition() -> None:
    torch.manual_seed(0)
    network = JEPA(5, 4, 8, dropout=0.5).eval()
    a, b = normal(7, 4), normal(7, 4, 1)
    with torch.no_grad():
        energies = network.energies(a, b)
        torch.testing.assert_close(energies, network.energies(b, a))
        for relation in (AGREE, OPPOSE):
            for k in range(7):
                forth = network.predict(a[k : k + 1], relation)[0] - b[k]
                back = network.predict(b[k : k + 1], relation)[0] - a[k]
                expected = (forth @ forth + back @ back) / 8
                assert float(energies[k, relation]) == pytest.approx(float(expected), rel=1e-5)


def test_rank_and_width_must_both_be_healthy() -> None:
    wide_line = normal(300, 1) @ torch.ones(1, 16)
    shrunken = normal(300, 16) * 0.1
    for collapsed in (wide_line, shrunken):
        with pytest.raises(CollapseError):
            check_collapse(collapsed.numpy())
    assert check_collapse(normal(300, 16).numpy())["rankme"] > 0.9
