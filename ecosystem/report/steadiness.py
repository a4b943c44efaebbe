"""How firmly the coalitions at the end of a run stand: which rules they withstand, and who would leave."""

from __future__ import annotations

from ecosystem.record.reader import RunTables
from ecosystem.report.prose import Sentence, count, listed, sentence, signed
from ecosystem.report.story import Cast

_KINDS = {"nash": "Nash", "individually": "individually", "contractually": "contractually"}
_TOLD = 3


def steadiness(run: RunTables, cast: Cast) -> tuple[Sentence, ...]:
    """Return what may be said of the partition at the last step: its stability, its defectors, its cycles."""
    last = run.metrics.iloc[-1]
    holds = [words for kind, words in _KINDS.items() if bool(last[f"{kind}_stable"])]
    breaks = [words for kind, words in _KINDS.items() if not bool(last[f"{kind}_stable"])]
    if not breaks:
        told = [
            sentence("The coalitions at the end are Nash-stable: no agent would gain by moving, whoever may enter.")
        ]
    elif not holds:
        told = [sentence("The coalitions at the end are not stable, not even where every member has a veto.")]
    else:
        told = [
            sentence(
                "The coalitions at the end are ", listed(holds), " stable but not ", " or ".join(breaks), " stable."
            )
        ]
    return (*told, *_defectors(run, cast), *_unsettled(run))


def _defectors(run: RunTables, cast: Cast) -> list[Sentence]:
    table = run.defections
    rows = table[table["step"] == run.metrics["step"].iloc[-1]].sort_values("gain", ascending=False, kind="stable")
    if not len(rows):
        return []
    items = []
    for row in rows.head(_TOLD).to_dict("records"):
        target = row["target"]
        goal = ("rather stand alone",) if target != target or target is None else _goal(run, cast, int(target))
        items.append(sentence(cast.agents[row["agent"]], " would ", goal, f" (gain {signed(row['gain'])})"))
    rest = f"; so would {count(len(rows) - _TOLD, 'other')}" if len(rows) > _TOLD else ""
    return [sentence("If anyone might enter anywhere, ", listed(items, joint="; "), f"{rest}.")]


def _goal(run: RunTables, cast: Cast, target: int) -> Sentence:
    if target >= 0:
        return sentence(f"go to coalition {target}")
    now = run.memberships[run.memberships["step"] == run.metrics["step"].iloc[-1]]
    return sentence("join ", cast.who(list(now["agent"][now["coalition"] == target])))


def _unsettled(run: RunTables) -> list[Sentence]:
    told = []
    cut = int((~run.metrics["settled"].astype(bool)).sum())
    if cut:
        told.append(sentence(f"Regrouping was cut off at its cap on moves at {count(cut, 'step')}."))
    cycles = run.metrics["cycle"].dropna()
    if len(cycles):
        told.append(
            sentence(
                f"At {count(len(cycles), 'step')} agents went round in a circle: the same coalitions stood again after "
                f"{count(int(cycles.min()), 'move')}, as can happen where affinity is not mutual."
            )
        )
    return told
