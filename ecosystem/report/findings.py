"""What a run shows beyond its events: common ground, skill of the forecasts, known truth, limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.errors import InputError
from ecosystem.record.reader import RunTables
from ecosystem.report.prose import MISSING, Name, count, decimal, percent, shorten, signed
from ecosystem.report.story import Cast

Array = NDArray[np.float64]

METHODS = {"forecast": "JEPA", "cosine": "Cosine similarity", "persistence": "Persistence"}
"""Forecasts that a run scores, as ``metrics.parquet`` and readers call them."""

_OWN_SOURCE = "climate-energy"
_PAIRS = 5
_TOO_FEW = 3


@dataclass(frozen=True)
class PairGround:
    """Two agents and their mean observed affinity: of the first hearing the second, and the other way.

    Attributes
    ----------
    best, worst : tuple of Name and float, or None
        The topics on which the two agree most and least, over both directions; None for one topic.
    """

    first: Name
    second: Name
    forth: float
    back: float
    best: tuple[Name, float] | None = None
    worst: tuple[Name, float] | None = None


@dataclass(frozen=True)
class TopicGround:
    """A topic: mean observed affinity, share of hearings in support, and the pairs at both ends."""

    title: Name
    motion: str
    mean: float
    support: float
    top: PairGround
    bottom: PairGround | None


@dataclass(frozen=True)
class Ground:
    """Topics from the most agreed to the most contested; pairs closest and furthest apart over all."""

    topics: tuple[TopicGround, ...]
    silent: tuple[Name, ...]
    closest: tuple[PairGround, ...]
    furthest: tuple[PairGround, ...]


class _Hearings:
    """Observed affinity, summed by listener, speaker and topic."""

    def __init__(self, run: RunTables, cast: Cast) -> None:
        table = run.affinity
        observed = table["observed"].to_numpy(np.float64)
        known = ~np.isnan(observed)
        agents, topics = ({key: i for i, key in enumerate(keys)} for keys in (cast.agents, cast.topics))
        n, m = len(agents), len(topics)
        listener, speaker = (table[column].map(agents).to_numpy(np.int64) for column in ("listener", "speaker"))
        self.topic = table["topic"].map(topics).to_numpy(np.int64)[known]
        self.observed = observed[known]
        cell = (listener[known] * n + speaker[known]) * m + self.topic
        self.sums = np.bincount(cell, self.observed, n * n * m).reshape(n, n, m)
        self.counts = np.bincount(cell, minlength=n * n * m).reshape(n, n, m)
        self.names = list(cast.agents.values())
        self.one, self.other = np.triu_indices(n, 1)

    def directed(self, topics: Any = slice(None)) -> tuple[Array, Array]:
        """Return each pair's mean affinity over some topics: first hearing second, second hearing first."""
        sums, counts = self.sums[:, :, topics].sum(2), self.counts[:, :, topics].sum(2)
        means = np.where(counts > 0, sums / counts.clip(1), np.nan)
        return means[self.one, self.other], means[self.other, self.one]

    def pair(self, k: int, forth: Array, back: Array, **topics: Any) -> PairGround:
        first, second = self.names[self.one[k]], self.names[self.other[k]]
        return PairGround(first, second, float(forth[k]), float(back[k]), **topics)


def common_ground(run: RunTables, cast: Cast) -> Ground:
    """Return on which topics, and between whom, observed affinity was highest and lowest.

    Pairs rank by the mean of their two directions (by the one that was heard if only one was).
    """
    hearings = _Hearings(run, cast)
    motions = {topic.id: topic.motion or "" for topic in run.scenario.topics}
    topics: list[TopicGround] = []
    silent: list[Name] = []
    both_ways: list[Array] = []
    for index, (key, title) in enumerate(cast.topics.items()):
        heard = hearings.observed[hearings.topic == index]
        forth, back = hearings.directed([index])
        mean = _mean_of(forth, back)
        both_ways.append(mean)
        if not len(heard):
            silent.append(title)
            continue
        order = _ranked(mean)
        top, bottom = (hearings.pair(int(order[end]), forth, back) for end in (0, -1))
        motion = shorten(" ".join(motions[key].split()), 300)
        share = float((heard > 0).mean())
        topics.append(TopicGround(title, motion, float(heard.mean()), share, top, bottom if len(order) > 1 else None))
    topics.sort(key=lambda topic: -topic.mean)
    closest, furthest = _overall(hearings, np.array(both_ways), list(cast.topics.values()))
    return Ground(tuple(topics), tuple(silent), closest, furthest)


def _overall(
    hearings: _Hearings, by_topic: Array, titles: list[Name]
) -> tuple[tuple[PairGround, ...], tuple[PairGround, ...]]:
    forth, back = hearings.directed()
    order = _ranked(_mean_of(forth, back))
    if len(order) < 2:
        return (), ()
    size = min(_PAIRS, len(order) // 2)

    def told(k: int) -> PairGround:
        ranked = _ranked(by_topic[:, k])
        if len(ranked) < 2:
            return hearings.pair(k, forth, back)
        best, worst = ((titles[row], float(by_topic[row, k])) for row in (ranked[0], ranked[-1]))
        return hearings.pair(k, forth, back, best=best, worst=worst)

    return tuple(told(int(k)) for k in order[:size]), tuple(told(int(k)) for k in order[::-1][:size])


def _mean_of(forth: Array, back: Array) -> Array:
    mean = (forth + back) / 2
    return np.where(np.isnan(mean), np.where(np.isnan(forth), back, forth), mean)


def _ranked(values: Array) -> NDArray[np.int64]:
    """Return the positions of known values, the largest first."""
    order = np.argsort(-values, kind="stable")
    return order[~np.isnan(values[order])]


@dataclass(frozen=True)
class Skill:
    """Mean scores over the steps on which all forecasts have one, by method, and what they say.

    Attributes
    ----------
    correlation, brier : dict of str to float
        By method; empty if no step could be scored.
    scored : tuple of int
        Steps with a correlation, steps with a Brier score.
    reading : tuple of str
        Sentences.
    """

    correlation: dict[str, float]
    brier: dict[str, float]
    scored: tuple[int, int]
    reading: tuple[str, ...]


def forecast_skill(run: RunTables, n_agents: int) -> Skill:
    """Return how well affinity was forecast, beside cosine similarity and persistence."""
    (correlation, n_correlation), (brier, n_brier) = (_means(run, score) for score in ("correlation", "brier"))
    few = n_agents <= _TOO_FEW
    if few:
        correlation, n_correlation = {}, 0
    reading = [
        *_judgement(correlation, "correlation", +1, n_correlation),
        *_judgement(brier, "Brier score", -1, n_brier),
    ]
    if not brier:
        reading.append(
            "No step could be scored: that needs a pair heard at an earlier step, or persistence has nothing to go by."
        )
    elif few:
        pairs = n_agents * (n_agents - 1)
        reading.append(
            f"With {count(n_agents, 'agent')} a step has at most {pairs} forecasts, too few for a correlation to "
            "mean anything; it is left out."
        )
    return Skill(correlation, brier, (n_correlation, n_brier), tuple(reading))


def _means(run: RunTables, score: str) -> tuple[dict[str, float], int]:
    values = run.metrics[[f"{method}_{score}" for method in METHODS]].to_numpy(np.float64)
    values = values[~np.isnan(values).any(1)]
    return (dict(zip(METHODS, values.mean(0).tolist(), strict=True)) if len(values) else {}), len(values)


def _judgement(means: dict[str, float], score: str, better: int, steps: int) -> Iterator[str]:
    if not means:
        return
    show = signed if better > 0 else decimal
    shown = {method: show(value) for method, value in means.items()}
    beaten = [
        METHODS[method].lower()
        for method in ("cosine", "persistence")
        if shown[method] != shown["forecast"] and better * (means["forecast"] - means[method]) > 0
    ]
    verdict = {2: "better than both", 1: f"better than {''.join(beaten)} only", 0: "better than neither"}
    yield (
        f"The JEPA’s mean {score} over {count(steps, 'scored step')} was {shown['forecast']}, against "
        f"{shown['cosine']} for cosine similarity and {shown['persistence']} for persistence: "
        f"{verdict[len(beaten)]}."
    )


@dataclass(frozen=True)
class KnownTopic:
    """A topic whose outcome is known, with the affinity predicted from the corpora and observed since."""

    title: Name
    agree: bool
    predicted: float
    observed: float


@dataclass(frozen=True)
class TruthCheck:
    """Predictions against what is known of the scenario; ``auc`` is NaN where one list is empty."""

    topics: tuple[KnownTopic, ...]
    auc: float
    ordered: float
    comparisons: int


def truth_check(run: RunTables, cast: Cast) -> TruthCheck | None:
    """Return the predicted mean affinity of topics known to be agreed or disputed; None if none are known.

    The prediction is the mean affinity of the personas' own statements on a topic with each other's,
    before the debate changes what they hold.
    """
    truth = run.scenario.truth
    if truth is None or not (truth.agree or truth.disagree):
        return None
    predicted = _support(run)
    table = run.affinity[["topic", "observed"]].dropna()
    observed = table["observed"].groupby(table["topic"]).mean().to_dict()
    nan = float("nan")
    topics = [
        KnownTopic(cast.topics[key], agree, predicted.get(key, nan), float(observed.get(key, nan)))
        for agree, keys in ((True, truth.agree), (False, truth.disagree))
        for key in keys
    ]
    topics.sort(key=lambda topic: -topic.predicted if topic.predicted == topic.predicted else np.inf)
    yes, no = (
        np.array([t.predicted for t in topics if t.agree == agree and not np.isnan(t.predicted)])
        for agree in (True, False)
    )
    gaps = yes[:, None] - no[None, :]
    ordered = float((gaps > 0).sum() + (gaps == 0).sum() / 2)
    return TruthCheck(tuple(topics), ordered / gaps.size if gaps.size else nan, ordered, gaps.size)


def _support(run: RunTables) -> dict[str, float]:
    """Return the mean predicted affinity between the personas' statements, by topic."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run.path / "statements.parquet"
    try:
        table = pq.read_table(path, columns=["topic", "support"]).to_pandas().dropna()
    except FileNotFoundError:
        return {}
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(str(path), f"cannot be read as a table ({error})") from None
    return {key: float(value) for key, value in table["support"].groupby(table["topic"]).mean().items()}


@dataclass(frozen=True)
class HeldOut:
    """ROC-AUC of the affinity model on topics it was not trained on, as shown; a dash where not measured."""

    source: Name
    pairs: str
    motions: str


def held_out_accuracy(manifest: dict[str, Any]) -> tuple[HeldOut, ...]:
    """Return what the weights' card says of accuracy on held-out topics; nothing where it says nothing."""
    rows = (
        HeldOut(Name(source), *(decimal(scores.get(key, float("nan"))) for key in ("pairs_auc", "motion_auc")))
        for source, scores in _held_out(manifest).items()
    )
    return tuple(row for row in rows if (row.pairs, row.motions) != (MISSING, MISSING))


def accuracy_in_short(manifest: dict[str, Any]) -> str:
    """Return a sentence on how often the weights rank a pair of statements rightly; empty where not measured."""
    auc = {source: scores["pairs_auc"] for source, scores in _held_out(manifest).items() if "pairs_auc" in scores}
    if not auc:
        return ""
    own = auc.pop(_OWN_SOURCE, None)
    ends = [percent(end(auc.values())) for end in (min, max)] if auc else []
    others = " to ".join(dict.fromkeys(ends))
    share, topics = (others, "topics") if own is None else (percent(own), "climate and energy topics")
    beside = f"; other data sets: {others}" if own is not None and others else ""
    return (
        "The affinity model ranks a pair of statements on the same side above a pair on opposite sides in "
        f"{share} of cases on {topics} it was not trained on (50% is chance{beside}), so single affinities are "
        "rough guides."
    )


def _held_out(manifest: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the finite numbers that the weights' card gives of each source of held-out topics."""
    card = manifest.get("weights_card")
    metrics = card.get("metrics") if isinstance(card, dict) else None
    return {
        source: {k: float(v) for k, v in scores.items() if isinstance(v, int | float) and np.isfinite(v)}
        for source, scores in (metrics.items() if isinstance(metrics, dict) else ())
        if isinstance(scores, dict)
    }
