"""Who said what to move an alignment, who heard it, and how it was received."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd

from ecosystem.record.reader import RunTables
from ecosystem.report.deeds import Row, quoted, rows_of
from ecosystem.report.lookback import Change, History, Rows, standing
from ecosystem.report.prose import Sentence, listed, sentence, signed
from ecosystem.report.story import Cast

_QUOTES = 3
_NAMED = 2
_SHARE = 0.25
_SAME = 1e-4


class Voices:
    """Quotes the exchanges of a run.

    Parameters
    ----------
    run : RunTables
        The run.
    cast : Cast
        The names of its agents.
    history : History
        Its tables, indexed.
    """

    def __init__(self, run: RunTables, cast: Cast, history: History) -> None:
        self._run, self._cast, self._history = run, cast, history
        self._text = pd.factorize(run.utterances["text"])[0]
        self._kernels = standing(run.scenario, "kernel", len(run.metrics))

    def quote(self, change: Change, direction: int) -> tuple[Sentence, pd.DataFrame]:
        """Return what moved an alignment up or down the most, as a sentence and as rows of the table of utterances.

        Up to three texts, by what all who said one contributed through all who heard it, as far as it is a quarter
        of what the first contributed; those that moved it the other way where none moved it this way.
        """
        texts = self._text[self._history.utterance[change.heard]]
        for way in (direction, -direction):
            push = way * change.contribution
            total = np.bincount(texts, push, minlength=1)
            best = [k for k in np.argsort(-total, kind="stable")[:_QUOTES] if total[k] > max(_SHARE * total.max(), 0)]
            if best:
                break
        ranked = np.argsort(-push, kind="stable")
        ranked = ranked[push[ranked] > 0]
        rows = [ranked[texts[ranked] == k] for k in best]
        table = self._table(change, np.concatenate([*rows, np.empty(0, np.int64)]).astype(np.int64))
        if not best:
            return self._silence(), table
        told = iter(rows_of(table))
        quotes = [self._voice([next(told) for _ in these]) for these in rows]
        words = all(self._by_words(row) for row in rows_of(table))
        why = "" if words else ", affinity being the product of two opinions whatever the words"
        stop = "" if quotes[-1][-2].endswith((".", "!", "?", "…")) else "."
        return sentence(f"What moved it most{why}: ", listed(quotes, len(quotes), "; "), stop), table

    def _table(self, change: Change, rows: Rows) -> pd.DataFrame:
        heard = self._run.affinity.iloc[change.heard[rows]]
        said = self._run.utterances.iloc[self._history.utterance[change.heard[rows]]]
        return said.assign(
            listener=heard["listener"].to_numpy(),
            observed=heard["observed"].to_numpy(),
            contribution=change.contribution[rows],
        )

    def _silence(self) -> Sentence:
        if self._run.scenario.affinity is not None:
            return ("The scenario gives the affinities, and nothing is said in it.",)
        return ("Nothing that was said in that time moved it.",)

    def _voice(self, rows: list[Row]) -> Sentence:
        """Return who said a text first of all, to whom, and who else said it when."""
        said: dict[int, list[Row]] = {}
        for row in rows:
            said.setdefault(int(row["utterance"]), []).append(row)
        first, *others = sorted(said.values(), key=lambda heard: -abs(sum(row["contribution"] for row in heard)))
        row = first[0]
        heard = listed([self._listener(row) for row in first], _NAMED)
        speaker = sentence(self._cast.agents[row["speaker"]], self._speaks(row), f" at step {row['step']}")
        again = self._again(row["speaker"], [heard[0] for heard in others])
        return sentence(speaker, ", heard by ", heard, again, ": “", quoted(row["text"]), "”")

    def _again(self, speaker: str, rows: list[Row]) -> Sentence:
        steps: dict[str, list[str]] = {}
        for row in sorted(rows, key=lambda row: int(row["step"])):
            steps.setdefault(row["speaker"], []).append(str(row["step"]))
        words = [sentence("again at ", _steps(steps.pop(speaker)))] if speaker in steps else []
        others = [sentence(self._cast.agents[key], " at ", _steps(theirs)) for key, theirs in steps.items()]
        if others:
            words.append(sentence("also said by ", listed(others, _NAMED)))
        return sentence(", ", listed(words)) if words else ()

    def _listener(self, row: Row) -> Sentence:
        who, observed = self._cast.agents[row["listener"]], f"affinity {signed(float(row['observed']))}"
        if self._by_words(row):
            taken = ", taken over" if row["listener"] in row["accepted_by"] else ""
            return sentence(who, f" ({observed}{taken})")
        return sentence(who, f" ({self._opinion(row, 'listener')}{observed})")

    def _speaks(self, row: Row) -> Sentence:
        opinion = "" if self._by_words(row) else self._opinion(row, "speaker").removesuffix(", ")
        return (f" ({opinion})",) if opinion else ()

    def _by_words(self, row: Row) -> bool:
        """Return whether an exchange was one of arguments: under other kernels affinity follows from opinions."""
        return bool(self._kernels[int(row["step"]) - 1] == "argument")

    def _opinion(self, row: Row, whose: str) -> str:
        """Return the opinion with which an agent came to an exchange, or, where no table has it, left it."""
        step, topic = int(row["step"]), row["topic"]
        came = [self._opinions.get((step - 1, row[key], topic), np.nan) for key in ("speaker", "listener")]
        if abs(came[0] * came[1] - row["observed"]) < _SAME:
            return f"opinion {signed(came[whose == 'listener'])}, "
        left = self._opinions.get((step, row[whose], topic), np.nan)
        return f"opinion {signed(left)} afterwards, " if left == left else ""

    @cached_property
    def _opinions(self) -> dict[tuple[int, str, str], float]:
        table = self._run.opinions
        keys = zip(table["step"], table["agent"], table["topic"], strict=True)
        return dict(zip(keys, table["opinion"].to_numpy(np.float64), strict=True))


def _steps(steps: list[str]) -> Sentence:
    return sentence("steps " if len(steps) > 1 else "step ", listed(steps, _NAMED))
