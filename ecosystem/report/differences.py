"""What a difference of two runs or of two sweeps says, on sheets: what matters most comes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecosystem.report.prose import MISSING, count, name
from ecosystem.report.sheets import MOST, Sheet, Summary, names_of, number, settings, title_of

_WORDS = {
    "utterances": "in what is said",
    "measures": "in measures",
    "events": "in events",
    "coalitions": "in who stands with whom",
}

_POINTS = 3

_CLEAR = (
    "Clear: the 5 to 95 % band of the differences of runs of one seed excludes 0; with fewer than 5 such pairs, the "
    "bands of A and B do not overlap."
)


def sheets(summary: Summary) -> list[Sheet]:
    """Return the sheets of a difference from its summary."""
    first, *others = _OF_RUNS if summary["kind"] == "runs" else _OF_SWEEPS
    shown = [first, settings, *(() if summary["identical"] else others)]
    found = [part(summary) for part in shown]
    return [sheet for sheet in found if sheet.rows or sheet.notes]


def to_html(summary: Summary) -> str:
    """Return the sheets as a fragment of HTML."""
    return "".join(sheet.html for sheet in sheets(summary))


def _runs(summary: Summary) -> Sheet:
    """Return which runs these are, whether they differ, since when, and what cannot be compared."""
    a, b, common = summary["a"], summary["b"], summary["compared"]
    rows = [
        (key, *(name(str(side[key]), 200) for side in (a, b))) for key in ("run", "title", "seed", "steps", "agents")
    ]
    return Sheet("Two runs", ("", "A", "B"), tuple(rows), (_verdict(summary), *_uncompared(a, b, common)))


def _verdict(summary: Summary) -> str:
    tables = summary["tables"]
    if summary["identical"]:
        return f"No difference in any table ({count(len(tables), 'table')} compared)."
    unlike = [table for table, how in tables.items() if how != "same"]
    parted = {part: step for part, step in summary["parted"].items() if step is not None}
    since = [f"at step {step} {_WORDS[part]}" for part, step in sorted(parted.items(), key=lambda item: item[1])]
    told = f"{len(unlike)} of {count(len(tables), 'table')} differ"
    first = f" The first differences: {', '.join(since)}." if since else f": {', '.join(unlike)}."
    return f"{told}{'.' if since else ''}{first}"


def _uncompared(a: Summary, b: Summary, common: Summary) -> list[str]:
    notes = []
    if a["steps"] != b["steps"]:
        longer, steps = max(("A", a["steps"]), ("B", b["steps"]), key=lambda side: side[1])
        left = f"step {steps}" if steps == common["steps"] + 1 else f"steps {common['steps'] + 1} to {steps}"
        notes.append(
            f"Compared up to step {common['steps']}, the last that both have; {left} of {longer} are left out."
        )
    for side in "ab":
        if strangers := common[f"agents_{side}"]:
            notes.append(f"Only in {side.upper()}: {names_of(strangers)}.")
    return notes if common["agents"] else [*notes, "No agent is in both: who stands with whom cannot be compared."]


def _measures(summary: Summary) -> Sheet:
    """Return the measures that differ, by how far apart the runs end."""
    unlike = [row for row in summary["measures"] if row["first"] is not None]
    rows = [
        (
            title_of(row["measure"]),
            number(row["end_a"]),
            number(row["end_b"]),
            number(row["end_difference"], sign=True),
            number(row["mean_difference"], sign=True),
            str(row["first"]),
        )
        for row in unlike[:MOST]
    ]
    if not rows:
        return Sheet("Measures", notes=("No measure differs.",))
    more, same = len(unlike) - len(rows), len(summary["measures"]) - len(unlike)
    left = "".join([f"; {more} more differ less"] * bool(more) + [f"; {same} do not differ"] * bool(same))
    note = f"Those first that end furthest apart, against the range of each over both runs{left}. "
    note += "Since: the first step at which it differs."
    columns = ("measure", "A", "B", "B − A", "mean B − A", "since")
    return Sheet(f"Measures at step {summary['compared']['steps']}", columns, tuple(rows), (note,))


def _coalitions(summary: Summary) -> Sheet:
    """Return the coalitions at the end side by side, those beside each other that share the most members."""
    found = summary["coalitions"]
    if not summary["compared"]["agents"]:
        return Sheet("Coalitions")
    sides = [[(str(block["coalition"]), block["members"]) for block in found[side]] for side in "ab"]
    pairs = [*_matched(*sides), *([("alone", found["alone_a"]), ("alone", found["alone_b"])],)]
    rows = [tuple(_block(*block) if block else "" for block in pair) for pair in pairs]
    rows = [row for row in rows if any(row)]
    mean = f", on average {number(found['mean_ari'])}"
    notes = [
        f"Adjusted Rand index {number(found['ari'])}{mean} over the steps (1: the same, 0: as alike as by chance)."
    ]
    if found["moved"]:
        notes.append(f"In other company, those first who keep least of it: {names_of(found['moved'])}.")
    if len(rows) > MOST:
        notes.append(f"{len(rows) - MOST} more rows left out.")
    return Sheet(f"Coalitions at step {found['step']}", ("A", "B"), tuple(rows[:MOST]), tuple(notes))


def _matched(a: Sequence[Any], b: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return the blocks of two partitions in pairs, the largest overlap first; None where one has no match."""
    overlaps = sorted(
        ((len(set(one[1]) & set(other[1])), -i, -j) for i, one in enumerate(a) for j, other in enumerate(b)),
        reverse=True,
    )
    goal: dict[int, int] = {}
    for size, i, j in overlaps:
        if size and -i not in goal and -j not in goal.values():
            goal[-i] = -j
    pairs = [(one, b[goal[i]] if i in goal else None) for i, one in enumerate(a)]
    pairs.sort(key=lambda pair: -len(pair[0][1]))
    return [*pairs, *((None, other) for j, other in enumerate(b) if j not in goal.values())]


def _block(label: str, members: Sequence[str]) -> str:
    return f"{label}: {names_of(members)}" if members else ""


def _events(summary: Summary) -> Sheet:
    found = summary["events"]
    rows = [(row["event"], str(row["a"]), str(row["b"])) for row in found["counts"] if row["a"] or row["b"]]
    told = found.get("told") or {}
    notes = [f"The first that {side.upper()} alone has: {told[side]}" for side in "ab" if told.get(side)]
    if not summary["compared"]["agents"]:
        notes = ["No agent is in both: events are only counted."]
    elif rows and not notes:
        notes = ["The same events at the same steps."]
    return Sheet("Events", ("event", "A", "B"), tuple(rows), tuple(notes))


def _words(summary: Summary) -> Sheet:
    found = summary["utterances"]
    if not found["said"]:
        return Sheet("What is said")
    notes = [f"{found['same']:,} of {count(found['said'], 'utterance')} are the same."]
    if first := found["first"]:
        said = [f"“{name(first[side], 300)}”" if first[side] else "nothing" for side in "ab"]
        others = (
            f"; {count(first['others'], 'other says', 'others say')} something else then too" if first["others"] else ""
        )
        speaker = name(first["speaker"], 40)
        notes.append(
            f"The first that is not, at step {first['step']}: {speaker} says {said[0]} in A, {said[1]} in B{others}."
        )
    return Sheet("What is said", notes=tuple(notes))


def _sweeps(summary: Summary) -> Sheet:
    """Return which sweeps these are, whether they differ, and what cannot be compared."""
    sides = [summary[side] | {"runs": f"{summary[side]['done']} of {summary[side]['runs']}"} for side in "ab"]
    keys = ("sweep", "title", "points", "replicates", "runs", "failed")
    rows = [(key, *(name(str(side[key]), 200) for side in sides)) for key in keys]
    return Sheet("Two sweeps", ("", "A", "B"), tuple(rows), tuple(_common(summary)))


def _common(summary: Summary) -> list[str]:
    common = summary["compared"]
    if summary["identical"]:
        runs = count(summary["tables"]["metrics"]["same"], "run")
        return [f"Identical: the same {runs}, with the same tables to the last bit."]
    seeds = f"{count(common['pairs'], 'pair')} of runs of one seed, {common['alike']:,} of them alike"
    points = (
        f"{count(common['points'], 'design point')} in common, {seeds if common['pairs'] else 'no seed in common'}."
    )
    notes = [points if common["points"] else "No design point in common."]
    for side in "ab":
        if alone := common[f"points_{side}"]:
            shown = "; ".join(_point(point) for point in alone[:_POINTS])
            more = f" and {len(alone) - _POINTS} more" if len(alone) > _POINTS else ""
            notes.append(f"Only in {side.upper()}: {shown}{more}.")
    return notes


def _clear(summary: Summary) -> Sheet:
    """Return which outcomes differ clearly, at how many points, and where most."""
    common, judged = summary["compared"], sum(row["points"] for row in summary["overall"])
    if not common["points"]:
        return Sheet("Measures")
    if common["pairs"] and common["pairs"] == common["alike"]:
        return Sheet("Measures", notes=("No measure of any pair of runs differs.",))
    if not judged:
        return Sheet(
            "Measures", notes=("Too few runs to judge by: 5 in each sweep, or 5 pairs of one seed, are needed.",)
        )
    clear = [row for row in summary["overall"] if row["clearly"]]
    rows = [
        (
            f"{title_of(row['measure'])}, {row['outcome']}",
            f"{row['clearly']} of {row['points']}",
            *(number(row[f"median_{side}"]) for side in "ab"),
            _band(row["difference"], row["low"], row["high"]),
            ", ".join(_plain(row[key]) for key in summary["varied"]) or MISSING,
        )
        for row in clear[:MOST]
    ]
    more = f"; {len(clear) - MOST} more outcomes differ clearly" if len(clear) > MOST else ""
    notes = [f"{len(summary['clear']):,} of {judged:,} comparisons are clear. {_CLEAR}"]
    notes += (
        [f"Medians and the band are those at the point where the clear difference is largest{more}."] if rows else []
    )
    columns = ("measure", "clear at", "A", "B", "B − A", f"most at {', '.join(summary['varied'])}".rstrip())
    return Sheet("Measures that differ clearly", columns, tuple(rows), tuple(notes))


def _failures(summary: Summary) -> Sheet:
    rows = [(name(row["error"], 300), str(row["a"]), str(row["b"])) for row in summary["failures"]]
    notes = (f"{len(rows) - MOST} more errors left out.",) if len(rows) > MOST else ()
    return Sheet("Runs that failed", ("error", "A", "B"), tuple(rows[:MOST]), notes)


def _point(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_plain(value)}" for key, value in values.items()) or MISSING


def _plain(value: Any) -> str:
    """Return a parameter's value as a cell shows it."""
    return f"{value:g}".replace("-", "−") if isinstance(value, float) else MISSING if value is None else str(value)


def _band(middle: float | None, low: float | None, high: float | None) -> str:
    shown = number(middle, sign=True)
    return shown if low is None or high is None else f"{shown} ({number(low, sign=True)} to {number(high, sign=True)})"


_OF_RUNS = (_runs, _measures, _coalitions, _events, _words)
_OF_SWEEPS = (_sweeps, _clear, _failures)
