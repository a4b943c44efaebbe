"""Interventions on an axis of steps: a lettered line each, and a note under the figure that says what each was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ecosystem.record.reader import RunTables
from ecosystem.report.arrays import partitions, read_columns
from ecosystem.report.deeds import became
from ecosystem.report.prose import label
from ecosystem.report.style import INK, WIDTH, fit, shorten, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABEL = "_interventions"
"""Label of the lines, by which they are found among what axes hold; legends leave it out."""

LIFT = 14.0
"""Points above the axes that the letters take; what else stands there is raised by so much."""

_SIZE, _NOTE_SIZE = 6.5, 7.5
_MOST, _COLUMNS, _ONE_COLUMN = 14, 2, 3
_ROW, _HEAD = 0.165, 0.27
_BOX: dict[str, Any] = {"boxstyle": "round,pad=0.22", "facecolor": INK, "edgecolor": "none"}


@dataclass(frozen=True)
class Mark:
    """An intervention as figures show it.

    Attributes
    ----------
    letter : str
        A, B, ..., Z, AA, ... in the order in which they took place.
    step : int
        At whose beginning it took place.
    words : str
        What it was, in a few words.
    """

    letter: str
    step: int
    words: str


def find_marks(run: RunTables) -> tuple[Mark, ...]:
    """Return the interventions that took place in a run, in their order."""
    columns = ("step", "intervention", "topic", "text", "changes", "agents", "accepted_by")
    table = read_columns(run, "interventions", *columns)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*(table[c].to_pylist() for c in columns), strict=True)]
    if not rows:
        return ()
    found = partitions(run)
    present = dict(zip(found.steps.tolist(), found.present.sum(1).tolist(), strict=True))
    words = [_words(run, row, int(present[row["step"]])) for row in rows]
    return tuple(
        Mark(letter_of(k), int(row["step"]), text) for k, (row, text) in enumerate(zip(rows, words, strict=True))
    )


def letter_of(number: int) -> str:
    """Return the letter of an intervention by its place in the order, from 0.

    Examples
    --------
    >>> letter_of(0), letter_of(25), letter_of(26), letter_of(702)
    ('A', 'Z', 'AA', 'AAA')
    """
    head, last = divmod(number, 26)
    return (letter_of(head - 1) if head else "") + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[last]


def draw_marks(ax: Axes, marks: Sequence[Mark], letters: bool = True) -> None:
    """Draw a dashed line where the steps of interventions begin, with their letters above the axes.

    Letters that would cover one another are written as one range.

    Parameters
    ----------
    ax : Axes
        With steps along x, and its limits set.
    marks : sequence of Mark
        From `find_marks`.
    letters : bool
        Whether to write the letters.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.patheffects import withStroke

    if not marks:
        return
    steps = sorted({mark.step - 0.5 for mark in marks})
    thin = 1.0 if len(steps) <= 20 else 0.6
    lines = LineCollection(
        [[(x, 0.0), (x, 1.0)] for x in steps], transform=ax.get_xaxis_transform(), colors=INK, linewidths=thin,
        linestyles=[(0, (4, 2))], path_effects=[withStroke(linewidth=thin + 1.4, foreground="white")], zorder=1.9,
        label=LABEL, clip_on=False,
    )  # fmt: skip
    ax.add_collection(lines, autolim=False)
    for x, text in _letters(ax, marks) if letters else ():
        ax.annotate(
            text, (x, 1), (0, 3.5), xycoords=ax.get_xaxis_transform(), textcoords="offset points", ha="center",
            va="bottom", size=_SIZE, weight="bold", color="white", bbox=_BOX, annotation_clip=False, zorder=5,
        )  # fmt: skip


def _letters(ax: Axes, marks: Sequence[Mark]) -> Iterator[tuple[float, str]]:
    """Return where letters go and which; neighbours without room side by side become one range."""
    low, high = ax.get_xlim()
    unit = ax.bbox.width / ax.figure.dpi / (high - low)
    runs: list[list[Mark]] = []

    def middle(run: list[Mark]) -> float:
        return (run[0].step + run[-1].step) / 2 - 0.5

    def collide(one: list[Mark], other: list[Mark]) -> bool:
        widths = text_width([_range(one)], _SIZE) + text_width([_range(other)], _SIZE)
        return (middle(other) - middle(one)) * unit < widths * 0.58 + 0.06

    for _, group in groupby(marks, key=lambda mark: mark.step):
        runs.append(list(group))
        while len(runs) > 1 and collide(runs[-2], runs[-1]):
            last = runs.pop()
            runs[-1] = runs[-1] + last
    for run in runs:
        yield middle(run), _range(run)


def _range(marks: Sequence[Mark]) -> str:
    first, last = marks[0].letter, marks[-1].letter
    return first if first == last else f"{first}–{last}"


def letters_until(marks: Sequence[Mark], step: int) -> str:
    """Return the letters of the interventions up to a step as a title goes on: `` (A–C)``; empty for none."""
    past = [mark for mark in marks if mark.step <= step]
    return f" ({_range(past)})" if past else ""


def note_height(marks: Sequence[Mark]) -> float:
    """Return the inches that `write_note` takes at the foot of a figure; 0 without interventions."""
    return _HEAD + _ROW * _rows(marks) if marks else 0.0


def write_note(figure: Figure, marks: Sequence[Mark], how: str = "dashed lines") -> None:
    """Write at the foot of a figure what each letter stands for, and ``how`` interventions are shown."""
    if not marks:
        return
    across, up = figure.get_size_inches()
    rows = _rows(marks)
    columns = -(-min(len(marks), _MOST) // rows)
    wide = (WIDTH - 0.3) / columns
    head = f"Interventions, each at the beginning of its step ({how})"
    y = note_height(marks) - 0.1
    figure.text(0.15 / across, y / up, head, size=_NOTE_SIZE, weight="bold", va="center")
    shown = marks if len(marks) <= _MOST else marks[: _MOST - 1]
    indent = text_width([mark.letter for mark in shown], _SIZE) * 1.15 + 0.16
    for k, mark in enumerate(shown):
        column, row = divmod(k, rows)
        x, y = 0.15 + column * wide, note_height(marks) - 0.29 - row * _ROW
        figure.text(
            (x + indent / 2 - 0.03) / across, y / up, mark.letter, size=_SIZE, weight="bold", color="white",
            ha="center", va="center", bbox=_BOX,
        )  # fmt: skip
        words = fit(f"Step {mark.step}: {mark.words}", wide - indent - 0.15, _NOTE_SIZE)
        figure.text((x + indent) / across, y / up, words, size=_NOTE_SIZE, va="center")
    if len(marks) > _MOST:
        x, y = 0.15 + (columns - 1) * wide, note_height(marks) - 0.29 - (rows - 1) * _ROW
        text = f"and {len(marks) - len(shown)} more, to {marks[-1].letter}: see the run’s table of interventions"
        figure.text((x + indent) / across, y / up, fit(text, wide - indent, _NOTE_SIZE), size=_NOTE_SIZE, va="center")


def _rows(marks: Sequence[Mark]) -> int:
    """Return the rows of the note: one column for a few interventions, two for more."""
    shown = min(len(marks), _MOST)
    return shown if shown <= _ONE_COLUMN else -(-shown // _COLUMNS)


def _words(run: RunTables, row: dict[str, Any], n_present: int) -> str:
    """Return an intervention in a few words, the names before what may be cut off."""
    who = _who(run, row["agents"], n_present)
    kind = row["intervention"]
    if kind in ("enter", "leave"):
        return f"{who} {kind}s"
    topic = shorten(str(run.manifest["topics"].get(row["topic"], row["topic"])), 40)
    if kind == "topic":
        return f"new topic: {topic}"
    if kind == "turn":
        return f"the debate turns to: {topic}"
    if kind == "shock":
        changes = [change.split("=") for change in str(row["changes"]).split(", ")]
        whose = {"stubbornness": f" of {who}"}
        return ", ".join(f"{label(name)}{whose.get(name, '')} {became(value)}" for name, value in changes)
    if kind == "statement":
        return f"{who} learned of “{row['text']}”"
    taken = _who(run, row["accepted_by"], n_present)
    return f"message to {who}, taken over by {taken}: “{row['text']}”"


def _who(run: RunTables, keys: Sequence[str], n_present: int) -> str:
    """Return agents by name where they are few, else how many they are."""
    everyone = run.manifest["agents"]
    if not keys:
        return "no one"
    if len(keys) > 2 and len(keys) == len(everyone):
        return "everyone"
    if len(keys) > 2 and len(keys) == n_present:
        return "everyone present"
    if len(keys) > 2:
        return f"{len(keys)} agents"
    return " and ".join(shorten(str(everyone.get(key, key)), 30) for key in keys)
