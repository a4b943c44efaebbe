"""From files or a data frame of who said what to the statements that are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.corpora import Row, clean, fold, identify, read_corpus, slug
from ecosystem.errors import InputError, nearest, shorten

if TYPE_CHECKING:
    import pandas as pd

MAX_STATEMENTS = 5000
MAX_SPEAKERS = 200
NO_TOPIC = -1

_COLUMNS = ("speaker", "text", "topic")


@dataclass(frozen=True)
class Corpora:
    """The statements of at least two speakers: N statements, S speakers, T topics.

    Nobody says one thing twice on a topic.

    Attributes
    ----------
    name : str
        What the comparison is called: ``compare-<speaker>-<speaker>``, or after the table.
    speakers : tuple of str
        Names, in order of appearance.
    topics : tuple of str
        Topics that the sources name; empty where they name none.
    texts : tuple of str
        The statements.
    speaker_of, topic_of : (N,) int
        Rows of ``speakers`` and ``topics``; -1 for a statement without a topic.
    """

    name: str
    speakers: tuple[str, ...]
    topics: tuple[str, ...]
    texts: tuple[str, ...]
    speaker_of: NDArray[np.int64]
    topic_of: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def digest(self) -> str:
        """SHA-256 over who says what on which topic."""
        rows = zip(self.speaker_of.tolist(), self.topic_of.tolist(), self.texts, strict=True)
        return hashlib.sha256(repr((self.speakers, self.topics, list(rows))).encode()).hexdigest()


def read_corpora(source: pd.DataFrame | str | Path | Sequence[str | Path]) -> Corpora:
    """Return what is to be compared.

    Parameters
    ----------
    source : DataFrame, path or sequence of paths
        A table with the columns ``speaker``, ``text`` and perhaps ``topic``, or a file of one; or two or
        more files, one a speaker, whose names are those of the files.

    Raises
    ------
    InputError
        A source cannot be read, holds nothing, or fewer than two speakers speak.
    """
    if isinstance(source, str | Path):
        return _collect(_read_table(Path(source)), Path(source).stem, str(source))
    if not hasattr(source, "columns"):
        paths = [Path(path) for path in source]
        if not paths:
            raise InputError(
                "corpora", "found none; two or more text files, or a table with speaker and text, is needed"
            )
        if len(paths) == 1:
            return read_corpora(paths[0])
        return _collect(_read_files(paths), "", "corpora")
    return _collect(_rows_of(source), "table", "data frame")


def _read_file(path: Path) -> list[Row]:
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:  # too long a name, a NUL byte
        raise InputError(shorten(str(path)), f"cannot be read: {error}") from None
    if is_folder:
        raise InputError(str(path), "is a folder; a text file, or a table with speaker and text, is accepted")
    return read_corpus(path, str(path))


def _read_table(path: Path) -> list[Row]:
    rows = _read_file(path)
    if all(row.speaker is None for row in rows):
        raise InputError(str(path), "names no speaker; give two or more files, or one table with a column 'speaker'")
    return rows


def _read_files(paths: Sequence[Path]) -> list[Row]:
    """Return the statements of files whose names name the speakers."""
    seen: dict[str, Path] = {}
    rows = []
    for path in paths:
        other = seen.setdefault(fold(path.stem), path)
        if other is not path:
            raise InputError(str(path), f"names the same speaker as {shorten(str(other))}; a file a speaker is needed")
        stem = clean(path.stem, f"{path}: name", 200)
        for row in _read_file(path):
            if row.speaker is not None and fold(row.speaker) != fold(stem):
                what = f"found the speaker {shorten(row.speaker)}; of several files each is one speaker's"
                raise InputError(row.where, f"{what}, named for the file; give a table with speakers alone")
            rows.append(Row(row.where, row.text, row.topic, stem))
    return rows


def _rows_of(table: Any) -> list[Row]:
    """Return the rows of a data frame."""
    names = [str(name) for name in table.columns]
    for name in _COLUMNS[:2]:
        if name not in names:
            raise InputError(
                "data frame", f"no column {name!r}; found {shorten(', '.join(names))}{nearest(name, names)}"
            )
    columns = [table[name].tolist() if name in names else [None] * len(table) for name in _COLUMNS]
    rows = []
    for number, (speaker, text, topic) in enumerate(zip(*columns, strict=True)):
        where = f"data frame: row {number}"
        for name, value in (("text", text), ("speaker", speaker)):
            if not isinstance(value, str):
                raise InputError(f"{where}: {name}", f"found {shorten(value)}; a string is accepted")
        label = clean(topic, f"{where}: topic", 200) if isinstance(topic, str) and topic.strip() else None
        rows.append(Row(where, clean(text, where), label, clean(speaker, f"{where}: speaker", 200)))
    if not rows:
        raise InputError("data frame", "holds no statement; at least two are needed")
    return rows


def _collect(rows: Sequence[Row], stem: str, shown: str) -> Corpora:
    for row in rows:
        if row.speaker is None:
            raise InputError(row.where, "no speaker; a table needs the columns speaker, text and perhaps topic")
    speakers = _distinct(str(row.speaker) for row in rows)
    topics = _distinct(row.topic for row in rows if row.topic)
    if len(speakers) < 2:
        raise InputError(
            shown, f"only {shorten(next(iter(speakers.values())))} speaks; two or more speakers are needed"
        )
    if len(speakers) > MAX_SPEAKERS:
        raise InputError(shown, f"{len(speakers)} speakers are too many; up to {MAX_SPEAKERS} are accepted")
    places = [list(names) for names in (speakers, topics)]
    at_speaker, at_topic = ({key: k for k, key in enumerate(keys)} for keys in places)
    held = dict.fromkeys(
        (at_speaker[fold(str(row.speaker))], at_topic[fold(row.topic)] if row.topic else NO_TOPIC, row.text)
        for row in rows
    )
    if len(held) > MAX_STATEMENTS:
        raise InputError(shown, f"{len(held)} statements are too many to compare; up to {MAX_STATEMENTS} are accepted")
    said = sorted(held, key=lambda item: item[0])
    names = tuple(speakers.values())
    return Corpora(
        _name(names, stem),
        names,
        tuple(topics.values()),
        tuple(text for _, _, text in said),
        np.array([speaker for speaker, _, _ in said], np.int64),
        np.array([topic for _, topic, _ in said], np.int64),
    )


def _distinct(labels: Iterable[str]) -> dict[str, str]:
    """Return labels by what their spellings have in common, in the first spelling."""
    found: dict[str, str] = {}
    for label in labels:
        found.setdefault(fold(label), label)
    return found


def _name(speakers: Sequence[str], stem: str) -> str:
    if len(speakers) == 2:
        return "compare-" + "-".join(key[:30].rstrip("-") for key in identify(speakers, "speaker"))
    return f"compare-{slug(stem)[:60] or f'{len(speakers)}-speakers'}"
