"""What a sweep found, in words computed from its outcomes: which parameter moves what, and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecosystem.report.experiments.sweep_arrays import Array, Headline, named, written
from ecosystem.report.experiments.sweep_effects import Effect, by_points, effects, ranked
from ecosystem.report.experiments.sweep_response import Response
from ecosystem.report.prose import count, listed, signed
from ecosystem.sweep.reader import SweepTables

_TOLD = 3
_FLAGS = 4


@dataclass(frozen=True)
class Paragraph:
    """What is told of a parameter, or of the whole where there is no name."""

    name: str
    text: str


def title(response: Response) -> str:
    """Return what was varied: ``4 values of homophily, 2 of entry``."""
    sweep = response.sweep
    if response.n_points == 1:
        return f"{count(sweep.replicates, 'run')} at {named(response.at(0).items())}"
    if response.is_grid:
        varied = response.changing
        first = f"{count(len(varied[0].values), 'value')} of {varied[0].name}"
        return "".join(listed([first, *(f"{len(one.values)} of {one.name}" for one in varied[1:])]))
    return f"{count(response.n_points, 'point')} in {''.join(listed([one.name for one in response.varied]))}"


def design_in_words(sweep: SweepTables) -> str:
    """Return how the design points were chosen, and how many runs there are."""
    plan = sweep.plan
    n_points = len(plan["points"])
    points = count(n_points, "design point")
    spans = [f"{axis['name']} {_span(axis)}" for axis in plan["axes"]]
    how = {
        "grid": f"every combination of {'; '.join(spans)}: {points}",
        "latin-hypercube": f"a Latin hypercube of {points} in {'; '.join(spans)}",
        "sobol": f"a scrambled Sobol’ sequence of {points} in {'; '.join(spans)}",
    }
    told = how.get(str(plan.get("design")), f"{points} of {', '.join(axis['name'] for axis in plan['axes'])}, given")
    return f"{told}, each with {count(sweep.replicates, 'seed')}"


def findings(response: Response) -> list[Paragraph]:
    """Return what moves what and how much: first what matters most, then a paragraph a parameter."""
    done = response.counts[0]
    if not done.sum():
        return [Paragraph("", "No run was finished, so there is nothing to compare.")]
    if response.n_points == 1:
        return [Paragraph("", _single(response))]
    same = [f"{of.title.lower()} ({_common(response, of)})" for of in response.constant]
    always = Paragraph("", f"The same in every run: {''.join(listed(same, len(same)))}.")
    if response.is_still:
        return [Paragraph("", "Nothing that was varied makes any difference to these outcomes."), always]
    found = effects(response)
    told = [Paragraph("", _lead(response, found))]
    told += [Paragraph(one.name, _of_parameter(response, found, one.name)) for one in ranked(response)]
    return [*told, always] if same else told


def split_outcomes(response: Response) -> list[str]:
    """Return where the runs of a point fall in two clusters, a sentence each."""
    flagged = [(of, int(point)) for of in response.headlines for point in np.flatnonzero(response.spread(of).bimodal)]
    told = []
    for of, point in flagged[:_FLAGS]:
        low, high = clusters(response.runs(of)[point])
        ends = " and ".join(f"{len(part)} near {of.shown(float(np.median(part)))}" for part in (low, high))
        mean = of.shown(float(response.spread(of).mean[point]))
        where = named(response.at(point).items())
        told.append(f"At {where} the runs fall in two clusters by {of.words}: {ends}; their mean, {mean}, misleads.")
    if len(flagged) > _FLAGS:
        told.append(
            f"{count(len(flagged) - _FLAGS, 'other case')} are flagged in the column bimodal of outcomes.parquet."
        )
    return told


def clusters(values: Array) -> tuple[Array, Array]:
    """Return values split in two where the variance within the parts is least.

    Examples
    --------
    >>> low, high = clusters(np.array([4.0, 1.0, 1.2, np.nan, 4.1]))
    >>> low.tolist(), high.tolist()
    ([1.0, 1.2], [4.0, 4.1])
    """
    runs = np.sort(values[~np.isnan(values)])
    within = [runs[:k].var() * k + runs[k:].var() * (len(runs) - k) for k in range(1, len(runs))]
    cut = int(np.argmin(within)) + 1
    return runs[:cut], runs[cut:]


def replicates_in_words(response: Response) -> str:
    """Return whether the replicates suffice."""
    from ecosystem.sweep.replication import recommend

    return recommend(response.sweep.outcomes).sentence()


def _span(axis: dict[str, Any]) -> str:
    if "values" in axis:
        values = [written(value) for value in axis["values"]]
        return ", ".join(values if len(values) <= 8 else [*values[:3], "…", values[-1]])
    return f"{written(axis['low'])} to {written(axis['high'])}" + (" (log)" if axis.get("scale") == "log" else "")


def _single(response: Response) -> str:
    ends = []
    for of in response.headlines[:4]:
        spread = response.spread(of)
        median, low, high = (of.shown(float(values[0])) for values in (spread.median, spread.low, spread.high))
        ends.append(f"{of.words} {median}" + (f" ({low} to {high})" if low != high else ""))
    runs = int(response.counts[0][0])
    spans = ", with the span of 5 to 95 % of them" if runs > 1 else ""
    return (
        f"The median over {count(runs, 'run')}{spans}: {''.join(listed(ends))}." if ends else "No measure is defined."
    )


def _lead(response: Response, found: Sequence[Effect]) -> str:
    clear = [effect for effect in found if effect.clear]
    names = list(dict.fromkeys(effect.parameter.name for effect in clear))
    idle = [one.name for one in response.changing if _idle(found, one.name)]
    if not names:
        return " ".join([*_unclear(response, found), *_without_effect(idle)])
    moved = [effect.of for effect in clear if effect.parameter.name == names[0]]
    if len(response.changing) == 1:
        return f"Varying {names[0]} moves {_outcomes(moved)}."
    rest = [one.name for one in response.changing if one.name not in [*names, *idle]]
    also = f" Then {''.join(listed(names[1:]))}." if len(names) > 1 else ""
    quiet = f" No clear effect of {''.join(listed(rest))}." if rest else ""
    return " ".join(
        [f"What matters most is {names[0]}: it moves {_outcomes(moved)}.{also}{quiet}", *_without_effect(idle)]
    )


def _unclear(response: Response, found: Sequence[Effect]) -> list[str]:
    """Return, where no effect is clear, whether there is none beyond chance or none could be: a sentence or two."""
    if not found and not by_points(response):
        return ["No outcome is known at two values of a parameter, so there is nothing to compare."]
    unsure = [effect for effect in found if effect.verdict == "unsure"]
    if not found or (unsure and not any(effect.verdict in ("hint", "none") for effect in found)):
        return [f"{_too_few(response, unsure)}, no effect can be told from chance; what follows are hints."]
    if all(effect.verdict == "same" for effect in found):
        return []
    told = ["Nothing that was varied makes a difference to these outcomes that is beyond chance."]
    return (
        [*told, f"For {_outcomes(dict.fromkeys(e.of for e in unsure))} the runs are too few to tell."]
        if unsure
        else told
    )


def _too_few(response: Response, unsure: Sequence[Effect]) -> str:
    """Return of what there is too little for any effect to be clear, to begin a sentence with."""
    if by_points(response):
        known = np.any([response.spread(of).known for of in response.headlines], axis=0)
        return f"With {count(int(known.sum()), 'design point')}"
    pairs, planned = max(effect.pairs for effect in unsure), response.sweep.replicates
    left = "" if pairs == planned else f" of {planned}"
    return f"With {pairs}{left} seeds a point" if left else f"With {count(pairs, 'seed')} a point"


def _without_effect(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [f"{''.join(listed(names))} {'makes' if len(names) == 1 else 'make'} no difference at all, run by run."]


def _idle(found: Sequence[Effect], name: str) -> bool:
    """Return whether a parameter leaves every outcome of every run as it is."""
    verdicts = {effect.verdict for effect in found if effect.parameter.name == name}
    return verdicts == {"same"}


def _of_parameter(response: Response, found: Sequence[Effect], name: str) -> str:
    """Return what one parameter does: the clearest outcomes with numbers, then what it does not move."""
    mine = [effect for effect in found if effect.parameter.name == name]
    # The count of coalitions first, whatever moves more.
    clear = sorted((e for e in mine if e.clear), key=lambda effect: effect.of.measure != "coalitions")
    by = {verdict: [e.of for e in mine if e.verdict == verdict] for verdict in ("hint", "none", "same")}
    told = _where_compared(response, mine)
    if _idle(found, name):
        return " ".join(["It makes no difference at all, run by run.", *told])
    if clear:
        told += _with_numbers(response, clear[:_TOLD])
    if clear[_TOLD:]:
        told.append(f"It also moves {_outcomes(effect.of for effect in clear[_TOLD:])}.")
    if any(effect.turns for effect in clear):
        turning = _outcomes(effect.of for effect in clear if effect.turns)
        told.append(f"Which way depends on the other parameters for {turning}.")
    if by["hint"]:
        told.append(f"A hint, which chance may explain, of a difference in {_outcomes(by['hint'])}.")
    if by["none"]:
        every = 1 < len(by["none"]) == len(mine)
        told.append(f"No clear difference in {f'any of the {len(mine)} outcomes' if every else _outcomes(by['none'])}.")
    if by["same"]:
        told.append(f"The same, run by run, whatever its value: {_outcomes(by['same'])}.")
    unsure = [effect for effect in mine if effect.verdict == "unsure"]
    if unsure and not clear:
        little = "design points" if by_points(response) else "runs"
        told += _with_numbers(response, unsure[:_TOLD], f": too few {little} to tell from chance")
    few = "There are too few design points to compare."
    return " ".join(told) or (few if by_points(response) else "No outcome is known at two of its values.")


def _with_numbers(response: Response, told: Sequence[Effect], end: str = "") -> list[str]:
    """Return effects with their numbers, those averaged over other parameters in a sentence of their own."""
    others = [one.name for one in response.changing if one.name != told[0].parameter.name]
    over = f"Averaged over {''.join(listed(others))} (means of the medians), "
    sentences = []
    for averaged in dict.fromkeys(len(effect.points) > 1 for effect in told):
        words = [_in_words(effect, by_points(response)) for effect in told if (len(effect.points) > 1) is averaged]
        sentences.append(_capital(f"{over if averaged else ''}{'; '.join(words)}{end}."))
    return sentences


def _where_compared(response: Response, mine: Sequence[Effect]) -> list[str]:
    """Return at which values of the others a parameter's values are compared, where it is not at all of them."""
    outcomes: dict[str, list[Headline]] = {}
    for effect in mine:
        outcomes.setdefault(_slice(response, effect), []).append(effect.of)
    if set(outcomes) <= {""}:
        return []
    if len(outcomes) == 1:
        return [f"Its values are compared {next(iter(outcomes))}."]
    parts = [f"for {_outcomes(of)} {where}" for where, of in outcomes.items() if where]
    return [f"Its values are compared, {'; '.join(parts)}."]


def _slice(response: Response, effect: Effect) -> str:
    """Return where values are compared, ``at entry = nash, the only value at which both ran``; empty: everywhere."""
    known = response.spread(effect.of).known
    if by_points(response):
        there = f"{int(known.sum())} of {response.n_points} design points"
        return "" if known.all() else f"by the {there} where there is an outcome"
    one = response.find(effect.parameter.name)
    cells = response.grid(one)
    left = ~(np.isin(cells, effect.points).any(0))
    if not left.any():
        return ""
    every = not effect.steady and len(one.values) > 2 and known[cells[:, ~left]].all()
    ends = cells if every else cells[[one.labels.index(effect.start), one.labels.index(effect.end)]]
    ran = bool((response.counts[0][ends[:, left]].min(0) == 0).all())
    where = f"at which {'all' if every else 'both'} {'ran' if ran else 'are known'}"
    others = [other for other in response.changing if other is not one]
    n = len(effect.points)
    if n == 1:
        at = named((other.name, response.at(effect.points[0])[other.name]) for other in others)
        return f"at {at}, the only {'value' if len(others) == 1 else 'combination'} {where}"
    if len(others) == 1:
        values = [written(response.at(point)[others[0].name]) for point in effect.points]
        return f"at {others[0].name} = {''.join(listed(values))}, the only values {where}"
    names = "".join(listed([other.name for other in others]))
    return f"at {n} of the {cells.shape[1]} combinations of {names}, the only ones {where}"


def _in_words(effect: Effect, pointwise: bool) -> str:
    """Return an effect: ``the median number of coalitions rises from 2 to 4 as homophily goes from 0 to 9``."""
    median = "" if len(effect.points) > 1 else "median "
    of, name = effect.of, effect.parameter.name
    before, after = of.shown(effect.before), of.shown(effect.after)
    trust = {"apart": " (bands apart)", "firm": " (bands overlap)"}.get(effect.verdict, "")
    if pointwise:
        trust = f" (rank correlation {signed(effect.rank)})" if effect.steady and effect.parameter.numeric else ""
    if effect.steady:
        way = "rises" if effect.after > effect.before else "falls"
        went = f"{way} from {before} to {after}" if before != after else f"stays at {before}"
        median = "running median of " if pointwise else median
        return f"the {median}{of.words} {went} as {name} goes from {effect.start} to {effect.end}{trust}"
    if len(effect.parameter.values) == 2:
        under = f"{before} under {name} = {effect.start} and {after} under {effect.end}"
        return f"the {median}{of.words} is {under}{trust}"
    near = "at" if effect.start in effect.parameter.labels else "near"
    ends = f"lowest {near} {name} = {effect.start} ({before}) and highest {near} {effect.end} ({after})"
    return f"the {median}{of.words} is {ends}{trust}"


def _outcomes(outcomes: Iterable[Headline]) -> str:
    return "".join(listed([of.title.lower() for of in outcomes], 8))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _common(response: Response, of: Headline) -> str:
    spread = response.spread(of)
    return of.shown(float(spread.median[spread.known][0]))
