"""What the affinity model is held to: every figure of docs/affinity.md, for one weights file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecosystem.jepa.affinity import AffinityModel
from ecosystem.jepa.fitting import Held, score
from ecosystem.jepa.losses import least_deviation, rankme
from ecosystem.jepa.scoring import auc
from ecosystem.jepa.stance import StanceTable

Rows = NDArray[np.int64]

_CHOICE = 600


def hold(model: AffinityModel, table: StanceTable, rows: Rows) -> Held:
    """Return rows of a table, encoded by the model and by the frozen encoder."""
    place = np.full(len(table), -1)
    place[rows] = np.arange(len(rows))
    texts = [table.texts[row] for row in rows]
    return Held(table, place, model.codes(texts), model.sentences.encode(texts))


def held_out(model: AffinityModel, table: StanceTable) -> dict[str, dict[str, float]]:
    """Return `fitting.score` of every source's held-out topics, by source."""
    dev = np.flatnonzero(table.split == "dev")
    held = hold(model, table, dev)
    return {s: score(model, held, dev[table.source[dev] == s]) for s in sorted(set(table.source[dev]))}


def wordings(
    model: AffinityModel, agreements: Path, disagreements: list[tuple[str, str]]
) -> dict[str, dict[str, float]]:
    """Return how well pairs that agree are told from pairs that oppose, for every wording of the former.

    Parameters
    ----------
    model : AffinityModel
        The affinity model.
    agreements : Path
        CSV with wording, topic, text_a, text_b.
    disagreements : list of pairs of str
        Pairs of statements that oppose each other.

    Returns
    -------
    dict
        By wording: AUC of affinity and of cosine.
    """
    opposed = [list(side) for side in zip(*disagreements, strict=True)]
    found = {}
    for wording, rows in pd.read_csv(agreements).groupby("wording", sort=False):
        one, other = rows["text_a"].tolist() + opposed[0], rows["text_b"].tolist() + opposed[1]
        agrees = np.arange(len(one)) < len(rows)
        cosine = model.cosine_matrix(one, other).diagonal()
        found[str(wording)] = {"affinity": auc(agrees, model.affinity(one, other)), "cosine": auc(agrees, cosine)}
    return found


def probes(model: AffinityModel, path: Path) -> dict[str, float]:
    """Return how well paraphrases are told from negations: AUC of affinity and of cosine.

    The CSV has text_a, text_b and label, 1 for a paraphrase and 0 for a negation.
    """
    pairs = pd.read_csv(path)
    one, other = pairs["text_a"].tolist(), pairs["text_b"].tolist()
    agrees = pairs["label"].to_numpy() == 1
    cosine = model.cosine_matrix(one, other).diagonal()
    return {"affinity": auc(agrees, model.affinity(one, other)), "cosine": auc(agrees, cosine)}


def unrelated(model: AffinityModel, table: StanceTable, rng: np.random.Generator, n: int = 2000) -> float:
    """Return the median |affinity| of held-out statements on different topics."""
    dev = np.flatnonzero(table.split == "dev")
    one, other = rng.choice(dev, n), rng.choice(dev, n)
    apart = table.topic[one] != table.topic[other]
    texts = [[table.texts[row] for row in rows[apart]] for rows in (one, other)]
    return float(np.median(np.abs(model.affinity(*texts))))


def replies(model: AffinityModel, table: StanceTable, rng: np.random.Generator) -> dict[str, float]:
    """Return how often a predicted reply retrieves a right one, with no filter by topic.

    To each of 600 held-out statements (as many of every source) the latent of one who agrees, and of one
    who opposes, is predicted; the three statements of the 600 that are nearest to it are looked at.
    ``hit`` is the share of predictions with a statement of the right topic and side among the three,
    ``precision`` the share of the three that are. ``chance`` is the hit rate of three drawn at random.
    """
    dev = np.flatnonzero((table.split == "dev") & (table.side != 0) & ~table.motion)
    sources = sorted(set(table.source[dev]))
    rows = np.concatenate([rng.permutation(dev[table.source[dev] == s])[: _CHOICE // len(sources)] for s in sources])
    latents = model.latents([table.texts[row] for row in rows])
    topic, side = table.topic[rows], table.side[rows]
    same = topic[:, None] == topic
    np.fill_diagonal(same, False)
    found: dict[str, float] = {}
    for name, right, energy in zip(
        ("agree", "oppose"),
        (same & (side[:, None] == side), same & (side[:, None] != side)),
        model.reply_energies(latents, latents),
        strict=True,
    ):
        far = energy.copy()
        np.fill_diagonal(far, np.inf)
        nearest = np.argsort(far, axis=1, kind="stable")[:, :3]
        hits = np.take_along_axis(right, nearest, 1)[right.any(1)]
        share = right[right.any(1)].mean(1)
        found |= {f"{name}_hit": float(hits.any(1).mean()), f"{name}_precision": float(hits.mean())}
        found[f"{name}_chance"] = float((1 - (1 - share) ** 3).mean())
    return found


def spread(model: AffinityModel, table: StanceTable) -> dict[str, float]:
    """Return the collapse measures of held-out statements' latents."""
    import torch

    dev = np.flatnonzero(table.split == "dev")
    latents = torch.from_numpy(model.latents([table.texts[row] for row in dev]))
    return {"least_deviation": least_deviation(latents), "rankme": rankme(latents)}
