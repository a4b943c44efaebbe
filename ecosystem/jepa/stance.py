"""Stance data: statements with the topic they are on and the side they take, and pairs made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecosystem.errors import InputError

SHIPPED = Path(__file__).parent / "statements"
"""The project's own stance statements and their topics (CC BY 4.0; see their datasheet)."""

OWN = ("climate-energy", "other-policy")
"""The areas of the project's own topics, which are sources as the public sets are."""

PUBLIC = {
    "ibm": "ibm_argument_quality_30k.csv.gz",
    "perspectrum": "perspectrum.csv.gz",
}
"""Public stance sets read from a folder the user names, by source."""

_SIDES = {"support": 1, "pro": 1, "oppose": -1, "con": -1, "undermine": -1, "neutral": 0}
_COLUMNS = ["text", "topic", "side", "motion", "source", "split"]


@dataclass(frozen=True)
class StanceTable:
    """Statements that take a side on a topic. n statements.

    Attributes
    ----------
    texts : tuple of str
        The statements; motions are among them, as statements in their own support.
    topic : (n,) int
        Label of the topic (the motion or claim); unique across sources.
    side : (n,) int
        1 supports, -1 opposes, 0 takes no side.
    motion : (n,) bool
        Whether the statement is the motion itself.
    source : (n,) array of str
        Name of the data set.
    split : (n,) array of str
        ``train``; ``later``: trained on in the rounds at the end; ``validation``: held out of both to calibrate;
        ``dev``: held out to report; ``reserve`` (`read_reserve`). By topic.
    """

    texts: tuple[str, ...]
    topic: NDArray[np.int64]
    side: NDArray[np.int64]
    motion: NDArray[np.bool_]
    source: NDArray[np.object_]
    split: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.texts)


def read_stance(data: Path | None, rng: np.random.Generator, validation_share: float = 0.08) -> StanceTable:
    """Read the shipped statements and, from a folder, the public stance sets.

    Parameters
    ----------
    data : Path or None
        Folder with the files of `PUBLIC`, or with a folder ``stance`` that has them; None: shipped only.
    rng : Generator
        Draws the topics held out for calibration from the training topics.
    validation_share : float
        Their share, of each source's training topics, and of those of its later ones.

    Raises
    ------
    InputError
        A file is missing, or a column or stance in it is not as documented.
    """
    frames = [read_shipped()]
    if data is not None:
        folder = data / "stance" if (data / "stance").is_dir() else data
        frames += [_read_public(folder / name, source) for source, name in PUBLIC.items()]
    table = pd.concat([*frames, read_shipped(["later"])], ignore_index=True)
    label = pd.factorize(table["source"] + "|" + table["topic"])[0]
    split = table["split"].to_numpy(object, copy=True)
    for name in ("train", "later"):
        for source in table["source"][split == name].unique():
            topics = np.unique(label[(table["source"] == source) & (split == name)])
            held_out = rng.choice(topics, max(1, round(validation_share * len(topics))), replace=False)
            split[np.isin(label, held_out)] = "validation"
    return _stance_table(table, label, split)


def read_reserve(written: str) -> StanceTable:
    """Return the reserve: statements on topics that no shipped weights were trained on.

    Parameters
    ----------
    written : {"alone", "paired"}
        Those in which each side speaks for itself, or those in which most statements stand beside one of the other
        side in nearly the same words. The motions are among both.

    Returns
    -------
    StanceTable
        Its ``split`` is ``reserve`` throughout.
    """
    table = read_shipped(["reserve"], written)
    return _stance_table(table, pd.factorize(table["topic"])[0], table["split"].to_numpy(object))


def read_shipped(splits: Sequence[str] = ("train", "dev"), written: str | None = None) -> pd.DataFrame:
    """Return shipped statements and their motions: columns text, topic, side, motion, source, split.

    Parameters
    ----------
    splits : sequence of {"train", "later", "dev", "reserve"}
        Those of the topics.
    written : {"alone", "paired"} or None
        Only those so written (`read_reserve`); None: all.
    """
    topics = pd.read_csv(SHIPPED / "topics.csv", dtype=str)
    topics = topics[topics["split"].isin(splits)]
    statements = pd.read_csv(SHIPPED / "statements.csv", dtype=str, keep_default_na=False)
    if written is not None:
        statements = statements[statements["written"] == written]
    table = statements.merge(topics[["topic", "area", "split"]], on="topic")
    table["side"] = table["stance"].map(_SIDES)
    motions = topics.rename(columns={"motion": "text"}).assign(side=1, motion=True)
    both = pd.concat([table.assign(motion=False), motions], ignore_index=True)
    return both.rename(columns={"area": "source"})[_COLUMNS]


def _stance_table(table: pd.DataFrame, label: NDArray[Any], split: NDArray[np.object_]) -> StanceTable:
    return StanceTable(
        tuple(table["text"]),
        label.astype(np.int64),
        table["side"].to_numpy(np.int64),
        table["motion"].to_numpy(bool),
        table["source"].to_numpy(object),
        split,
    )


def sample_pairs(
    table: StanceTable, rows: NDArray[np.int64], rng: np.random.Generator, per_topic: int = 2000
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Draw pairs of different statements on one topic: rows of both, and whether they share a side.

    At most ``per_topic`` pairs a topic and eight a statement, so that large topics do not drown the rest.
    """
    firsts, seconds = [], []
    for members in _by_topic(table.topic, rows[table.side[rows] != 0]):
        n = min(per_topic, 8 * len(members))
        firsts.append(rng.choice(members, n))
        seconds.append(rng.choice(members, n))
    one, other = np.concatenate(firsts), np.concatenate(seconds)
    different = one != other
    one, other = one[different], other[different]
    return one, other, table.side[one] == table.side[other]


def motion_pairs(
    table: StanceTable, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return each statement with its topic's motion, and whether it supports it."""
    motion_of = {table.topic[row]: row for row in rows if table.motion[row]}
    taking = rows[~table.motion[rows] & (table.side[rows] != 0)]
    statements = np.array([row for row in taking if table.topic[row] in motion_of], np.int64)
    motions = np.array([motion_of[table.topic[row]] for row in statements], np.int64)
    return statements, motions, table.side[statements] == 1


def _by_topic(topic: NDArray[np.int64], rows: NDArray[np.int64]) -> Iterable[NDArray[np.int64]]:
    order = rows[np.argsort(topic[rows], kind="stable")]
    groups: Sequence[NDArray[np.int64]] = np.split(order, np.flatnonzero(np.diff(topic[order])) + 1)
    return (group for group in groups if len(group) >= 4)


def _read_public(path: Path, source: str) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(str(path), "file not found; `ecosystem train --data` names the folder that has it")
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(str(path), f"is not a readable CSV ({error})") from None
    missing = {"text", "target", "stance", "split"} - set(frame.columns)
    if missing:
        raise InputError(str(path), f"no column {sorted(missing)[0]!r}; found {', '.join(frame.columns)}")
    frame = frame.rename(columns={"target": "topic"})
    frame["side"] = frame["stance"].map(_SIDES)
    if frame["side"].isna().any():
        found = frame["stance"][frame["side"].isna()].iloc[0]
        raise InputError(str(path), f"stance {found!r}; accepted: {', '.join(_SIDES)}")
    motions = frame.drop_duplicates("topic").assign(text=lambda f: f["topic"], side=1, motion=True)
    return pd.concat([frame.assign(motion=False), motions], ignore_index=True).assign(source=source)[_COLUMNS]
