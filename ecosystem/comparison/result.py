"""A comparison: everything found, as arrays, as data frames and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.comparison.areas import Area, Bridge
from ecosystem.comparison.corpora import Corpora
from ecosystem.comparison.scores import Array, Matrix, Scores, heard_affinity
from ecosystem.comparison.words import Weight

if TYPE_CHECKING:
    import pandas as pd

SIDES = {
    "agree": "agreement",
    "disagree": "disagreement",
    "divided": "divided",
    "alone": "one speaker only",
}
"""What a topic's side is called."""


@dataclass(frozen=True)
class Exhibit:
    """How much pairs of statements of two speakers weigh: one statement a topic.

    Attributes
    ----------
    rows_a, rows_b : (n,), (m,) int
        Rows of the corpora.
    importance : (n, m) float32
        Sizes of the attributions to both statements, in units of the logit of P(agree).
    """

    rows_a: NDArray[np.int64]
    rows_b: NDArray[np.int64]
    importance: Matrix


@dataclass(frozen=True)
class Comparison:
    """What `ecosystem.compare` found. N statements, S speakers, T topics.

    Attributes
    ----------
    corpora : Corpora
        The statements.
    scores : Scores
        How they relate.
    topic_of : (N,) int
        Topic of every statement, named by the sources or discovered; -1 for none.
    titles : tuple of str
        Names of the topics.
    central : tuple of int
        Row of each topic's most central statement.
    discovered : bool
        Whether the topics were discovered, since the sources name none.
    areas : tuple of Area
        Topics on which two speakers or more speak, the most agreed first.
    received : (N, S) float64
        Affinity of each speaker to each statement; see `reception`.
    bridges : tuple of Bridge
        Statements that the others are predicted to agree with.
    order : (N,) int
        Rows by topic (the most agreed first), speaker, and meaning.
    exhibit : Exhibit or None
        Weights of pairs of statements.
    words : mapping of (int, int) to two tuples of Weight
        For pairs of rows that are shown, what each word adds to the prediction.
    card : dict
        How the affinity model came about, and how good it is.
    path : Path or None
        Where it was written.
    """

    corpora: Corpora
    scores: Scores
    topic_of: NDArray[np.int64]
    titles: tuple[str, ...]
    central: tuple[int, ...]
    discovered: bool
    areas: tuple[Area, ...]
    received: Array
    bridges: tuple[Bridge, ...]
    order: NDArray[np.int64]
    exhibit: Exhibit | None = None
    words: Mapping[tuple[int, int], tuple[tuple[Weight, ...], tuple[Weight, ...]]] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    @cached_property
    def affinity(self) -> Array:
        """Mean affinity of listeners (columns) to speakers (rows) over all topics, ``(S, S)``."""
        return heard_affinity(self.received, self.corpora.speaker_of, len(self.corpora.speakers))

    def ranked(self, side: str) -> list[Area]:
        """Return the areas of a side, from the most agreed, the most disputed, the most divided."""
        chosen = [area for area in self.areas if area.side == side]
        if side == "divided":
            return sorted(chosen, key=lambda area: -min(area.shares))
        return chosen[::-1] if side == "disagree" else chosen

    @property
    def least_aligned(self) -> tuple[int, int]:
        """The two speakers whose affinity, over both directions, is lowest; the first two where none is known."""
        both = (self.affinity + self.affinity.T) / 2
        if np.isnan(both).all():
            return 0, 1
        one, other = np.unravel_index(int(np.nanargmin(both)), both.shape)
        return min(int(one), int(other)), max(int(one), int(other))

    @cached_property
    def pair_rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of all pairs compared, the earlier speaker's first.

        Pairs are of different speakers. Where the sources name topics, statements on two different topics
        are no pair; a statement without a topic pairs with all.
        """
        speaker, topic = self.corpora.speaker_of, self.corpora.topic_of
        keep = speaker[:, None] < speaker
        keep &= (topic[:, None] == topic) | (topic[:, None] < 0) | (topic < 0)
        a, b = np.nonzero(keep)
        return a, b

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """All pairs of statements of different speakers; see `pair_rows`."""
        return self.pair_table(*self.pair_rows)

    def pair_table(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> pd.DataFrame:
        """Return pairs of statements, given by their rows.

        Columns ``a``, ``b`` (texts), ``topic`` (null where the sources name none for both),
        ``affinity``, ``relevance``, ``cosine``, ``uncertainty`` (standard deviation of the affinity over
        the ensemble), ``speaker_a``, ``speaker_b``, ``area`` (the topic that the pair counts towards,
        named or discovered; null for none).
        """
        import pandas as pd

        corpora, scores = self.corpora, self.scores
        texts = list(dict.fromkeys(corpora.texts))
        code = {text: k for k, text in enumerate(texts)}
        text_of = np.array([code[text] for text in corpora.texts])
        named = np.where(corpora.topic_of[a] == corpora.topic_of[b], corpora.topic_of[a], -1)
        area = np.where(self.topic_of[a] == self.topic_of[b], self.topic_of[a], -1)

        def named_by(codes: NDArray[np.int64], names: Sequence[str]) -> pd.Categorical[str]:
            return pd.Categorical.from_codes(codes, pd.Index(list(names), dtype=object))

        return pd.DataFrame(
            {
                "a": named_by(text_of[a], texts),
                "b": named_by(text_of[b], texts),
                "topic": named_by(named, corpora.topics),
                "affinity": scores.affinity[a, b],
                "relevance": scores.relevance[a, b],
                "cosine": scores.cosine[a, b],
                "uncertainty": scores.uncertainty[a, b],
                "speaker_a": named_by(corpora.speaker_of[a], corpora.speakers),
                "speaker_b": named_by(corpora.speaker_of[b], corpora.speakers),
                "area": named_by(area, self.titles),
            }
        )

    @cached_property
    def topics(self) -> pd.DataFrame:
        """A row a topic, the most agreed first, then those on which one speaker speaks."""
        import pandas as pd

        rows = [self.area_row(area) for area in self.areas]
        shared = {area.topic for area in self.areas}
        rows += [self._counts(topic) | {"side": "alone"} for topic in range(len(self.titles)) if topic not in shared]
        return pd.DataFrame(rows, columns=_TOPIC_COLUMNS)

    @cached_property
    def matrix(self) -> pd.DataFrame:
        """Mean affinity of listeners (columns) to speakers (rows) over all topics; NaN on the diagonal."""
        import pandas as pd

        names = list(self.corpora.speakers)
        return pd.DataFrame(self.affinity, pd.Index(names, name="speaker"), pd.Index(names, name="listener"))

    @cached_property
    def directed(self) -> pd.DataFrame:
        """Mean affinity of a listener to a speaker: topic (null: over all), speaker, listener, affinity."""
        import pandas as pd

        names = self.corpora.speakers
        means: list[tuple[str | None, Array]] = [(None, self.affinity)]
        for area in self.areas:
            own = self.topic_of == area.topic
            means.append(
                (self.titles[area.topic], heard_affinity(self.received[own], self.corpora.speaker_of[own], len(names)))
            )
        rows = [
            (topic, names[s], names[t], float(mean[s, t]))
            for topic, mean in means
            for s, t in np.argwhere(~np.isnan(mean)).tolist()
        ]
        return pd.DataFrame(rows, columns=["topic", "speaker", "listener", "affinity"])

    @property
    def by_topic(self) -> pd.DataFrame:
        """Mean affinity of a listener to a speaker on a topic: topic, speaker, listener, affinity."""
        return self.directed.dropna(subset="topic").reset_index(drop=True)

    @cached_property
    def bridging(self) -> pd.DataFrame:
        """Statements that the others are predicted to agree with, the most agreed first."""
        import pandas as pd

        return pd.DataFrame(
            [self.bridge_row(bridge) for bridge in self.bridges],
            columns=["statement", "speaker", "topic", "lowest", "mean", "coolest", "heard_by"],
        )

    def area_row(self, area: Area) -> dict[str, Any]:
        """Return an area as a row of `topics`."""
        low, high = area.interval
        a, b = area.evidence.a, area.evidence.b
        return self._counts(area.topic) | {
            "side": area.side,
            "clear": area.clear,
            "affinity": area.affinity,
            "low": low,
            "high": high,
            "uncertainty": area.spread,
            "confidence": area.confidence,
            "relevance": area.relevance,
            "pairs_agree": area.shares[0],
            "pairs_disagree": area.shares[1],
            "speaker_a": self.speaker(a),
            "statement_a": self.corpora.texts[a],
            "speaker_b": self.speaker(b),
            "statement_b": self.corpora.texts[b],
            "pair_affinity": area.evidence.affinity,
        }

    def bridge_row(self, bridge: Bridge) -> dict[str, Any]:
        """Return a bridging statement as a row of `bridging`."""
        topic = int(self.topic_of[bridge.row])
        return {
            "statement": self.corpora.texts[bridge.row],
            "speaker": self.speaker(bridge.row),
            "topic": self.titles[topic] if topic >= 0 else None,
            "lowest": bridge.lowest,
            "mean": bridge.mean,
            "coolest": self.corpora.speakers[bridge.coolest],
            "heard_by": bridge.heard_by,
        }

    def speaker(self, row: int) -> str:
        """Return who says a statement."""
        return self.corpora.speakers[int(self.corpora.speaker_of[row])]

    def summary(self) -> dict[str, Any]:
        """Return the findings as plain values, fit for JSON; what is not known is None."""
        found = {
            "path": str(self.path) if self.path else None,
            "speakers": {
                name: int((self.corpora.speaker_of == k).sum()) for k, name in enumerate(self.corpora.speakers)
            },
            "discovered_topics": self.discovered,
            "unassigned_statements": int((self.topic_of < 0).sum()),
            "affinity": {speaker: row.to_dict() for speaker, row in self.matrix.iterrows()},
            "topics": self.topics.to_dict("records"),
            "bridging": self.bridging.to_dict("records"),
        }
        return {key: _plain(value) for key, value in found.items()}

    def _repr_html_(self) -> str:
        names = self.corpora.speakers
        rows = [
            ("Speakers", escape(", ".join(names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")),
            ("Statements, topics", f"{len(self.corpora)}, {len(self.titles)}"),
            ("Most agreed", "<br>".join(self._lines("agree"))),
            ("Most disputed", "<br>".join(self._lines("disagree"))),
            ("Report", escape(str(self.path / "report.html")) if self.path else "not written"),
        ]
        body = "".join(f"<tr><th style='text-align:left'>{name}</th><td>{text}</td></tr>" for name, text in rows)
        return f"<table>{body}</table>"

    def _lines(self, side: str) -> list[str]:
        lines = [f"{self.titles[area.topic]}: {area.affinity:+.2f}" for area in self.ranked(side)[:3]]
        return [escape(line) for line in lines] or ["none"]

    def _counts(self, topic: int) -> dict[str, Any]:
        own = self.topic_of == topic
        return {
            "topic": self.titles[topic],
            "statements": int(own.sum()),
            "speakers": len(np.unique(self.corpora.speaker_of[own])),
            "central": self.corpora.texts[self.central[topic]],
        }


_TOPIC_COLUMNS = [
    "topic", "side", "clear", "affinity", "low", "high", "uncertainty", "confidence", "relevance",
    "pairs_agree", "pairs_disagree", "statements", "speakers",
    "central", "speaker_a", "statement_a", "speaker_b", "statement_b", "pair_affinity",
]  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if math.isfinite(value) else None
    return value
