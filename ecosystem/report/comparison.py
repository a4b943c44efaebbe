"""The page of a comparison: one HTML file that opens anywhere, without network or script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecosystem.comparison.areas import Area
from ecosystem.comparison.examine import SHOWN
from ecosystem.comparison.result import SIDES, Comparison
from ecosystem.comparison.words import Weight
from ecosystem.report import comparison_figures, findings, page
from ecosystem.report.prose import Name, Sentence, count, listed, name, sentence, shorten, signed
from ecosystem.report.provenance import provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATE = "comparison.html.j2"

_MOST_IN_TABLE = 14
_MOST_TOPICS = 60
_LEVELS = (0.2, 0.45, 0.7)


@dataclass(frozen=True)
class Word:
    """A word of a statement, the space after it, and its mark: ``for1`` to ``for3``, ``against1`` to ``against3``."""

    text: str
    mark: str
    space: str


@dataclass(frozen=True)
class Quote:
    """A statement that is shown, with its speaker."""

    speaker: Name
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Entry:
    """An area on the page."""

    title: Name
    area: Area
    statements: tuple[tuple[Name, int], ...]
    quotes: tuple[Quote, Quote]
    closest: Sentence
    furthest: Sentence


def render(found: Comparison, manifest: Mapping[str, Any]) -> str:
    """Return the page of a comparison as HTML.

    Parameters
    ----------
    found : Comparison
        What was found.
    manifest : mapping
        How it came about: command, versions, hashes.
    """
    return page.render(TEMPLATE, _content(found, manifest))


def _content(found: Comparison, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that the template shows."""
    entries = {side: [_entry(found, area) for area in found.ranked(side)] for side in SIDES}
    names = [name(speaker, 60) for speaker in found.corpora.speakers]
    sizes = np.bincount(found.corpora.speaker_of, minlength=len(names)).tolist()
    shared = {area.topic for area in found.areas}
    return {
        "title": sentence(*listed([(speaker,) for speaker in names], 3), " compared"),
        "names": names,
        "sizes": sizes,
        "found": found,
        "entries": entries,
        "shown": SHOWN,
        "every": [_entry(found, area) for area in found.areas[:_MOST_TOPICS]],
        "summary": _summary(found, entries),
        "accuracy": findings.accuracy_in_short(dict(manifest)),
        "held_out": findings.held_out_accuracy(dict(manifest)),
        "matrix": found.affinity.tolist() if len(names) <= _MOST_IN_TABLE else None,
        "alone": [name(found.titles[topic]) for topic in range(len(found.titles)) if topic not in shared],
        "loose": int((found.topic_of < 0).sum()),
        "bridges": [_bridge(found, k) for k in range(len(found.bridges))],
        "pictures": _pictures(found),
        "provenance": provenance(manifest),
        "sides": SIDES,
    }


def _entry(found: Comparison, area: Area) -> Entry:
    names = [name(speaker, 60) for speaker in found.corpora.speakers]
    own = found.corpora.speaker_of[found.topic_of == area.topic]
    counts = np.bincount(own, minlength=len(names)).tolist()
    upper = np.triu(np.ones_like(area.between, bool), 1) & ~np.isnan(area.between)
    places = np.argwhere(upper)
    values = area.between[upper]
    ends = [(names[s], " and ", names[t], f" ({signed(float(area.between[s, t]))})") for s, t in places.tolist()]
    return Entry(
        name(found.titles[area.topic]),
        area,
        tuple((names[k], n) for k, n in enumerate(counts) if n),
        _quotes(found, area),
        ends[int(np.argmax(values))] if len(ends) > 1 else (),
        ends[int(np.argmin(values))] if len(ends) > 1 else (),
    )


def _quotes(found: Comparison, area: Area) -> tuple[Quote, Quote]:
    rows = (area.evidence.a, area.evidence.b)
    weighed = found.words.get(rows)
    top = max((abs(word.score) for side in weighed for word in side), default=0.0) if weighed else 0.0
    quotes = []
    for k, row in enumerate(rows):
        text = found.corpora.texts[row]
        words = weighed[k] if weighed else (Weight(text, 0.0, ""),)
        marked = tuple(Word(word.word, _mark(word.score, top), word.space) for word in words)
        quotes.append(Quote(name(found.speaker(row), 60), marked))
    return quotes[0], quotes[1]


def _mark(value: float, top: float) -> str:
    """Return how a word is marked, by its share of the largest.

    Examples
    --------
    >>> _mark(0.9, 1.0), _mark(-0.4, 1.0), _mark(0.05, 1.0), _mark(0.0, 0.0)
    ('for3', 'against1', '', '')
    """
    level = sum(abs(value) >= edge * top for edge in _LEVELS) if top > 0 else 0
    return f"{'for' if value > 0 else 'against'}{level}" if level else ""


def _summary(found: Comparison, entries: Mapping[str, list[Entry]]) -> list[Sentence]:
    names = [name(speaker, 60) for speaker in found.corpora.speakers]
    mean = found.affinity
    if np.isnan(mean).all():
        return [("The speakers share no topic: there is nothing on which to compare them.",)]
    told: list[Sentence] = []
    several = len(names) > 2
    if not several:
        told.append(
            (
                *("Over the topics they share, the mean affinity of ", names[1], " to what ", names[0], " says is "),
                f"{signed(float(mean[0, 1]))}, and the other way {signed(float(mean[1, 0]))}.",
            )
        )
    else:
        ends = [np.unravel_index(int(end(mean)), mean.shape) for end in (np.nanargmax, np.nanargmin)]
        (s, t), (u, v) = ends
        told.append(
            sentence("Of all, ", names[t], " agrees most with ", names[s], f" (mean affinity {signed(mean[s, t])}), ")
            + sentence("and ", names[v], " least with ", names[u], f" ({signed(mean[u, v])}).")
        )
    counts = {side: len(entries[side]) for side in ("agree", "disagree", "divided")}
    clear = {side: sum(entry.area.clear for entry in entries[side]) for side in ("agree", "disagree")}
    told.append(
        (
            f"Of {count(len(found.areas), 'topic')} on which two or more speak, {counts['agree']} read as agreement "
            f"({clear['agree']} of them clearly), {counts['disagree']} as disagreement ({clear['disagree']} clearly)"
            + (f", and on {counts['divided']} the speakers are divided." if several else "."),
        )
    )
    for side, words in (("agree", "Most agreed: "), ("disagree", "Most disputed: "), ("divided", "Most divided: ")):
        if entries[side]:
            tops = [(e.title, f" ({signed(e.area.affinity)})") for e in entries[side][:3]]
            told.append(sentence(words, *listed(tops, 3, "; " if found.discovered else ", "), "."))
    return told


def _bridge(found: Comparison, k: int) -> dict[str, Any]:
    bridge = found.bridges[k]
    topic = int(found.topic_of[bridge.row])
    return {
        "text": found.corpora.texts[bridge.row],
        "speaker": name(found.speaker(bridge.row), 60),
        "topic": name(found.titles[topic]),
        "lowest": bridge.lowest,
        "mean": bridge.mean,
        "coolest": name(found.corpora.speakers[bridge.coolest], 60),
        "heard_by": bridge.heard_by,
    }


def _pictures(found: Comparison) -> dict[str, page.Picture]:
    """Return the figures that there is something to draw in, numbered."""
    several, shared = len(found.corpora.speakers) > 2, bool(found.areas)
    wanted: list[tuple[str, bool, Callable[[Comparison], Figure], str, str, str]] = [
        (
            "speakers",
            several and shared,
            comparison_figures.draw_speakers,
            "Who agrees with whom",
            "Purple: the listener (column) is predicted to agree with what the speaker (row) says, orange: to "
            "disagree. Speakers who agree stand together. The two directions differ where corpora differ.",
            comparison_figures.alt_of_speakers(found),
        ),
        (
            "topics",
            several and shared,
            comparison_figures.draw_topics,
            "Where each speaker stands to the others",
            "A row is a topic, a cell the mean affinity of a speaker with the others; grey where it says nothing.",
            "The numbers are in the table of topics and in affinity.parquet.",
        ),
        (
            "statements",
            shared,
            comparison_figures.draw_statements,
            "Which statements agree",
            "A cell is the affinity of two statements. Blocks on the diagonal are topics. Statements on different "
            "topics have little to do with each other, and their affinity is drawn towards 0.",
            "The numbers are in pairs.parquet.",
        ),
        (
            "exhibit",
            found.exhibit is not None,
            comparison_figures.draw_exhibit,
            "What the predictions weigh",
            "Left the affinity of a pair of statements, right the size of its attribution by integrated gradients, "
            "in units of the logit of agreement: how far the pair moves the prediction, in either direction. Of more "
            "than two speakers, the two least in agreement.",
            "The affinities are in pairs.parquet.",
        ),
    ]
    drawn = {key: page.png_of(draw(found)) for key, there, draw, *_ in wanted if there}
    told = [(key, title, caption, shorten(f"{title}. {alt}", 400)) for key, _, _, title, caption, alt in wanted]
    return page.number_pictures(drawn, told)
