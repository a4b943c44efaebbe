"""Attribution: what its definitions promise, whatever the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from ecosystem.jepa.attribution import (
    TokenAttribution,
    importance,
    legacy_importance,
    pair_logits,
    pool_present,
    read_words,
    statement_attribution,
    token_attribution,
)
from ecosystem.jepa.deletion import deletion_check, gradient_times_input, leave_one_out

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

A = "A carbon tax isn't unfair: re-insulating homes costs less than decarbonisation—far less."
B = "Taxing emissions hurts ordinary families."
MORE = ["Wind farms spoil the view.", "Nuclear power is safe, and should be expanded.", A, B]


@pytest.fixture(scope="module")
def attribution(jepa: AffinityModel) -> TokenAttribution:
    return token_attribution(jepa, A, B)


def test_words_are_those_of_the_text(jepa: AffinityModel, attribution: TokenAttribution) -> None:
    assert attribution.words_a == (*A.replace("—", "— ").split(),)
    assert attribution.words_b == (*B.split(),)
    assert attribution.scores_a.shape == (len(attribution.words_a),)
    assert attribution.scores_b.dtype == np.float32
    reading = read_words(jepa.coder.layers, A)
    pieces = jepa.coder.layers.tokenizer.convert_ids_to_tokens(reading.ids.tolist())
    for k, word in enumerate(reading.words):
        parts = [piece.removeprefix("##") for piece, at in zip(pieces, reading.word_of, strict=True) if at == k]
        assert "".join(parts) == word.lower()
    assert [piece for piece, at in zip(pieces, reading.word_of, strict=True) if at < 0] == ["[CLS]", "[SEP]"]


def test_word_scores_sum_over_pieces(jepa: AffinityModel) -> None:
    reading = read_words(jepa.coder.layers, A)
    ones = reading.by_word(torch.ones(len(reading.ids)))
    assert ones.sum() == len(reading.ids) - 2
    assert ones[list(reading.words).index("isn't")] == 3


def test_scores_are_complete(jepa: AffinityModel, attribution: TokenAttribution) -> None:
    """They sum to the logit less that of no words, within a few hundredths of the sizes involved."""
    logit = jepa.member_logits(jepa.codes([A]), jepa.codes([B])).mean()
    assert attribution.logit == pytest.approx(logit, abs=1e-3)
    size = np.abs(attribution.scores_a).sum() + np.abs(attribution.scores_b).sum()
    assert abs(attribution.error) <= 0.05 * size
    finer = token_attribution(jepa, A, B, n_steps=48)
    assert abs(finer.error) <= 0.01 * size


def test_exchanged_texts_have_the_same_scores(jepa: AffinityModel, attribution: TokenAttribution) -> None:
    back = token_attribution(jepa, B, A)
    np.testing.assert_allclose(back.scores_b, attribution.scores_a, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(back.scores_a, attribution.scores_b, rtol=1e-3, atol=1e-4)


def test_what_is_fully_present_is_pooled_as_ever(jepa: AffinityModel) -> None:
    layers = jepa.coder.layers
    ids = torch.tensor(layers.tokenize([B]))
    with torch.no_grad():
        found = pool_present(layers, ids, torch.ones(ids.shape))
        np.testing.assert_allclose(found, layers.pool(ids), rtol=1e-4, atol=1e-5)


def test_what_is_absent_makes_no_difference(jepa: AffinityModel) -> None:
    """Two texts of one length with all words absent give the same features."""
    layers = jepa.coder.layers
    ids = torch.tensor([layers.tokenize([text])[0] for text in ("Cats sleep.", "Coal kills.")])
    presence = torch.zeros(ids.shape)
    presence[:, [0, -1]] = 1
    with torch.no_grad():
        one, other = pool_present(layers, ids, presence)
    np.testing.assert_allclose(one, other, atol=5e-5)  # float32, over six layers


@pytest.mark.parametrize("text", ["", "   ", "word " * 400])
def test_no_words_and_too_many(jepa: AffinityModel, text: str) -> None:
    found = token_attribution(jepa, text, B, n_steps=2)
    assert len(found.words_a) == len(text.split())
    assert np.isfinite(found.scores_b).all()
    assert not found.scores_a[256:].any()


def test_statements_have_the_sum_of_their_words(jepa: AffinityModel) -> None:
    to_a, to_b = statement_attribution(jepa, [A], [B], n_steps=32)
    found = token_attribution(jepa, A, B, n_steps=32)
    size = float(np.abs(found.scores_a).sum() + np.abs(found.scores_b).sum())
    assert to_a[0, 0] == pytest.approx(found.scores_a.sum(), abs=0.02 * size)
    assert to_b[0, 0] == pytest.approx(found.scores_b.sum(), abs=0.02 * size)


def test_statement_attribution_is_complete(jepa: AffinityModel) -> None:
    """Whatever the steps: the two sum to the logit less that of two texts with no words."""
    to_a, to_b = statement_attribution(jepa, MORE, MORE[:3], n_steps=2)
    for i, one in enumerate(MORE):
        for j, other in enumerate(MORE[:3]):
            found = token_attribution(jepa, one, other, n_steps=1)
            assert to_a[i, j] + to_b[i, j] == pytest.approx(found.logit - found.baseline, abs=2e-3)


def test_statement_attribution_does_not_depend_on_the_others(jepa: AffinityModel) -> None:
    to_a, to_b = statement_attribution(jepa, MORE, MORE)
    for whole, alone in zip((to_a, to_b), statement_attribution(jepa, [MORE[1]], [MORE[2]]), strict=True):
        assert alone[0, 0] == pytest.approx(whole[1, 2], abs=1e-3)
    np.testing.assert_allclose(to_a.T, to_b, atol=1e-3)
    np.testing.assert_allclose(importance(jepa, MORE, MORE), np.abs(to_a) + np.abs(to_b), rtol=1e-4, atol=1e-5)


def test_importance_of_nothing(jepa: AffinityModel) -> None:
    assert importance(jepa, [], [A]).shape == (0, 1)
    assert importance(jepa, [A], []).shape == (1, 0)


def test_legacy_importance_is_the_mean_size_of_weights_times_joint_latent(jepa: AffinityModel) -> None:
    found = legacy_importance(jepa, MORE[:2], MORE[1:])
    weight = jepa.network.predictor[0].weight.detach().numpy()[:, : jepa.network.latent_dim]
    a, b = jepa.latents(MORE[:2]), jepa.latents(MORE[1:])
    for i in range(2):
        for j in range(3):
            assert found[i, j] == pytest.approx(np.abs(weight @ ((a[i] + b[j]) / 2)).mean(), rel=1e-4)


def test_leave_one_out_is_the_change_of_the_logit(jepa: AffinityModel) -> None:
    found = leave_one_out(jepa, A, B)
    without = jepa.codes([" ".join(found.words_a[1:])])
    less = jepa.member_logits(without, jepa.codes([B])).mean()
    assert found.scores_a[0] == pytest.approx(found.logit - less, abs=1e-3)


def test_all_attributions_are_of_one_logit(jepa: AffinityModel) -> None:
    found = gradient_times_input(jepa, A, B)
    assert np.isfinite(found.scores_a).all()
    assert found.logit == pytest.approx(token_attribution(jepa, A, B, n_steps=1).logit, abs=1e-3)
    with torch.no_grad():
        layers = jepa.coder.layers
        rows = [layers.pool(torch.tensor(layers.tokenize([text]))) for text in (A, B)]
        assert found.logit == pytest.approx(float(pair_logits(jepa, *rows)), abs=1e-3)


def test_deletion_check_of_planted_attributions(jepa: AffinityModel) -> None:
    """Naming the words whose deletion moves the logit most wins over naming those that move it least."""
    pairs = [(A, B), (MORE[0], MORE[1]), (B, MORE[1])]

    def least(model: AffinityModel, text_a: str, text_b: str) -> TokenAttribution:
        found = leave_one_out(model, text_a, text_b)
        small = [1 / (0.001 + np.abs(scores)) for scores in (found.scores_a, found.scores_b)]
        return TokenAttribution(found.words_a, found.words_b, *small, found.logit, found.baseline)

    best, worst = (
        deletion_check(jepa, pairs, rng=np.random.default_rng(0), attribute=attribute)
        for attribute in (leave_one_out, least)
    )
    assert best.named.shape == best.drawn.shape == (3,)
    np.testing.assert_array_equal(best.drawn, worst.drawn)
    assert best.ratio > worst.ratio
    everything = deletion_check(jepa, pairs, 1.0, rng=np.random.default_rng(0), attribute=leave_one_out)
    assert everything.ratio == pytest.approx(1)
