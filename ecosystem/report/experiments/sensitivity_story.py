"""What a sensitivity analysis found, in words: what matters most, what hardly does, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ecosystem.report.prose import count, decimal, listed
from ecosystem.sweep.indices import FEWEST_EFFECTS, RANKED_BY
from ecosystem.sweep.study import Study

HARDLY = 0.05
"""Total effect below which a parameter hardly matters."""

HARDLY_MOVES = 0.1
"""Elementary effect below which a parameter hardly matters, as a share of the largest."""

_WIDE = 0.2
_NOISY = 0.1
_BENT = 0.5
"""Standard deviation of an effect, as a share of its mean size, above which it depends on where parameters stand."""
_NOTHING = 1e-12
_NORMAL = 1.959963984540054
_MEAN_SIZE = math.sqrt(2 / math.pi)


@dataclass(frozen=True)
class Effect:
    """A parameter with the index by which parameters are ranked, its interval, and what chance alone would give."""

    parameter: str
    value: float
    low: float
    high: float
    by_chance: float
    digits: int

    @property
    def shown(self) -> str:
        """The number."""
        return decimal(self.value, self.digits)

    @property
    def told(self) -> str:
        """The number, with its interval where there is one."""
        if math.isnan(self.low):
            return self.shown
        return f"{self.shown}, interval {decimal(self.low, self.digits)} to {decimal(self.high, self.digits)}"


@dataclass(frozen=True)
class _Groups:
    """Parameters by what can be said of them, the largest effect first."""

    clear: list[Effect]
    unclear: list[Effect]
    little: list[Effect]
    none: list[Effect]
    unknown: list[Effect]


def what(study: Study) -> str:
    """Return the outcome as sentences name it."""
    title = f"“{study.definition.title}”"
    return f"{title} at the last step" if study.outcome == "end" else f"the mean of {title} over the steps"


def finding(study: Study) -> str:
    """Return what matters most, in one or two sentences.

    A parameter hardly matters where its whole interval is below `HARDLY` (`HARDLY_MOVES` of the largest). One whose
    interval reaches down to what chance would give is not said to matter. Parameters whose intervals overlap that
    of the first are named with it.
    """
    indices = study.indices
    if _is_unknown(study):
        return _nowhere(study)
    capital = what(study)[:1].upper() + what(study)[1:]
    if indices.constant is not None:
        known = "" if not study.missing else " where it is known"
        return (
            f"{capital} is {_number(indices.constant)} at every point{known}: nothing that was varied matters for "
            "it, and its indices are not defined."
        )
    if not indices.defined:
        if indices.samples.method == "morris":
            most = int(indices.table["effects"].max())
            return (
                f"Too few effects ({most} of a parameter at most) to tell what matters for {what(study)}: "
                f"{FEWEST_EFFECTS} are needed; more walks (--samples) give more."
            )
        return f"{capital} is known at too few points to tell what matters for it."
    return _TOLD[indices.samples.method](study)


def cautions(study: Study) -> list[str]:
    """Return what a reader should know before trusting the finding."""
    if _is_unknown(study):
        return _failures(study)
    return [*_failures(study), *_left_out(study), *_of_chance(study), *_of_width(study)]


def ranked(study: Study) -> list[Effect]:
    """Return the parameters with the index that ranks them, the largest first; those without one last."""
    name = RANKED_BY[study.indices.samples.method]
    effects = [
        Effect(parameter, row[name], row[f"{name}_low"], row[f"{name}_high"], _by_chance(study, place), digits(study))
        for place, (parameter, row) in enumerate(study.indices.rows.items())
    ]
    return sorted(effects, key=lambda effect: -effect.value if effect.value == effect.value else math.inf)


def digits(study: Study) -> int:
    """Return with how many decimals indices are written: two for shares, three figures of the largest for changes."""
    largest = float(study.indices.table[RANKED_BY[study.indices.samples.method]].abs().max())
    if study.indices.samples.method == "sobol" or not 0 < largest < math.inf:
        return 2
    return min(max(2 - math.floor(math.log10(largest)), 0), 9)


def _by_chance(study: Study, place: int) -> float:
    """Return what a parameter's index would be on average if it did nothing but change what chance does."""
    indices = study.indices
    if indices.samples.method == "sobol":
        return float(np.nan_to_num(indices.chance))
    if indices.samples.method == "morris":
        step = 2 / 3 if indices.samples.axes[place].is_range else 1
        return float(np.nan_to_num(indices.error)) * math.sqrt(2) * _MEAN_SIZE / step
    return 0.0


def _told_sobol(study: Study) -> str:
    opening = f"What matters most for {what(study)} is "
    first = _most(study, lambda effect: f" (total effect {effect.told})", HARDLY, opening)
    total, low, high = study.indices.additive
    whole = 1 - np.nan_to_num(study.indices.chance)
    shown = f"(sum of first-order effects {decimal(total)}, interval {decimal(low)} to {decimal(high)})"
    if high - low > 0.5:
        return f"{first} How much of it is interaction cannot be told {shown}."
    if high < whole:
        more = " and chance" if study.indices.chance > _NOISY else ""
        return f"{first} Interactions{more}: about {decimal(max(1 - total, 0))} of the variance {shown}."
    return f"{first} There is no sign of interactions {shown}."


def _told_morris(study: Study) -> str:
    rows = study.indices.rows

    def told(effect: Effect) -> str:
        mu = rows[effect.parameter]["mu"] / effect.value if effect.value else math.nan
        way = "" if math.isnan(mu) else ", upwards" if mu > 0.9 else ", downwards" if mu < -0.9 else ", up and down"
        return f" ({effect.told}{way})"

    bound = HARDLY_MOVES * ranked(study)[0].value
    first = _most(study, told, bound, f"What moves {what(study)} most, from one end of its range to the other, is ")
    return f"{first}{_told_bends(study, bound)}"


def _told_bends(study: Study, bound: float) -> str:
    """Return which of the effects that matter depend on where the parameters stand, as far as chance lets it show."""
    rows, groups = study.indices.rows, _groups(study, bound)
    known = [effect for effect in [*groups.clear, *groups.unclear] if not math.isnan(rows[effect.parameter]["sigma"])]
    if not known:
        return ""
    bent = [effect for effect in known if rows[effect.parameter]["sigma"] > _BENT * effect.value]
    if not bent:
        return " No effect that matters depends much on where the parameters stand: no σ is above half of its μ*."
    beyond = []
    for effect in bent:
        # What chance would give: the standard deviation of the effects, and how far above it an estimate may come.
        few = 1 + _NORMAL / math.sqrt(2 * (rows[effect.parameter]["effects"] - 1))
        if rows[effect.parameter]["sigma"] > few * effect.by_chance / _MEAN_SIZE:
            beyond.append(effect)
    text = ""
    if beyond:
        one = len(beyond) == 1
        why = "interactions, curves, or chance" if math.isnan(study.indices.error) else "interactions, or curves"
        text += (
            f" What {_sigmas(study, beyond)} {'does' if one else 'do'} depends on where {'it' if one else 'they'} or "
            f"the others stand: {why}."
        )
    rest = [effect for effect in bent if effect not in beyond]
    if rest:
        does = "does" if len(rest) == 1 else "do"
        text += (
            f" Whether what {_sigmas(study, rest)} {does} depends on where the parameters stand cannot be told: chance "
            "alone would make σ as large."
        )
    return text


def _sigmas(study: Study, effects: list[Effect]) -> str:
    rows = study.indices.rows
    return _join([f"{e.parameter} (σ {decimal(rows[e.parameter]['sigma'], e.digits)})" for e in effects])


def _told_oat(study: Study) -> str:
    responses = study.indices.responses
    assert responses is not None

    def told(effect: Effect) -> str:
        levels = responses[(responses["parameter"] == effect.parameter) & responses["mean"].notna()]
        means, values = levels["mean"].to_numpy(float), levels["value"].tolist()
        ends = [
            f"{decimal(means[end], effect.digits)} at {_short(values[end])}" for end in (means.argmin(), means.argmax())
        ]
        between = f"from {ends[0]} to {ends[1]}"
        return f" ({between})" if math.isnan(effect.low) else f" ({between}; range {effect.told})"

    first = _most(study, told, 0.0, f"Around the scenario’s own parameters, what moves {what(study)} most is ")
    return f"{first} The others stood still meanwhile, so this says nothing of interactions."


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _short(value: str) -> str:
    """Return a level's value in a few digits."""
    try:
        return _number(float(value))
    except ValueError:
        return value


def _most(study: Study, told: Callable[[Effect], str], bound: float, opening: str) -> str:
    """Return the parameters by how much they matter, in one sentence."""
    groups = _groups(study, bound)
    asides = [*_told_little(groups), *_told_unknown(study, groups.unknown)]
    if not groups.clear:
        names = _join([f"{effect.parameter}{told(effect)}" for effect in groups.unclear])
        opening = f"No parameter’s effect on {what(study)} is {_doubt(study, groups.unclear)}: {names}"
        if not groups.unclear:
            opening = f"No parameter has a clear effect on {what(study)}"
        return "; ".join([opening, *asides]) + "."
    lead = groups.clear[0]
    rivals = [effect for effect in [*groups.clear[1:], *groups.unclear] if effect.high >= lead.low]
    text = opening + " or ".join(f"{effect.parameter}{told(effect)}" for effect in [lead, *rivals])
    if rivals:
        text += ": their intervals overlap"
    after = [effect for effect in groups.clear if effect is not lead and effect not in rivals]
    if after:
        text += f"{';' if rivals else ','} then {_join([f'{effect.parameter}{told(effect)}' for effect in after])}"
    doubtful = [effect for effect in groups.unclear if effect not in rivals]
    if doubtful:
        names = _join([f"{effect.parameter} ({effect.told})" for effect in doubtful])
        text += f"; {names} {'is' if len(doubtful) == 1 else 'are'} not {_doubt(study, doubtful)}"
    return "; ".join([text, *asides]) + "."


def _groups(study: Study, bound: float) -> _Groups:
    """Return the parameters by what can be said of them; those below a bound hardly matter."""
    groups = _Groups([], [], [], [], [])
    effects = ranked(study)
    tiny = _NOTHING * max((effect.value for effect in effects if effect.value == effect.value), default=0.0)
    for effect in effects:
        if math.isnan(effect.value):
            groups.unknown.append(effect)
        elif effect.value <= tiny and not effect.high > tiny:
            groups.none.append(effect)
        elif effect.high < bound:
            groups.little.append(effect)
        elif math.isnan(effect.low) or effect.low > effect.by_chance:
            groups.clear.append(effect)
        else:
            groups.unclear.append(effect)
    return groups


def _doubt(study: Study, effects: list[Effect]) -> str:
    """Return what effects do not clearly exceed, with the number to hold their intervals against."""
    yardsticks = list(dict.fromkeys(decimal(effect.by_chance, effect.digits) for effect in effects if effect.by_chance))
    if not yardsticks:
        return "clearly above 0"
    shown = " or ".join(yardsticks)
    if study.indices.samples.method == "sobol":
        shown += " of the variance between points"
    return f"clearly above what chance alone would give ({shown})"


def _told_little(groups: _Groups) -> list[str]:
    told = []
    if groups.little:
        matter = "matters" if len(groups.little) == 1 else "matter"
        told.append(f"{_join([f'{effect.parameter} ({effect.shown})' for effect in groups.little])} hardly {matter}")
    if groups.none:
        have = "has" if len(groups.none) == 1 else "have"
        told.append(f"{_join([effect.parameter for effect in groups.none])} {have} no effect at all")
    return told


def _told_unknown(study: Study, effects: list[Effect]) -> list[str]:
    if study.indices.samples.method != "morris":
        return [f"{effect.parameter} is known at too few values to tell" for effect in effects]
    rows = study.indices.rows
    return [f"{e.parameter} has too few effects ({int(rows[e.parameter]['effects'])}) to tell" for e in effects]


def _join(items: list[str]) -> str:
    return "".join(listed(items, limit=20))


def _is_unknown(study: Study) -> bool:
    """Return whether no run at all has an outcome."""
    return study.missing == len(study.indices.means)


def _nowhere(study: Study) -> str:
    """Return that no run has an outcome, and what it would have been."""
    measure = study.definition
    if study.failed == study.runs:
        return f"“{measure.title}” is not known: every run failed."
    where = "any run" if not study.failed else "any run that did not fail"
    when = " at the last step" if study.outcome == "end" else ""
    return (
        f"“{measure.title}” is not defined in {where}{when}, so nothing can be said of what matters for it. It is the "
        f"{measure.meaning}."
    )


def _failures(study: Study) -> list[str]:
    return [f"{count(study.failed, 'run')} of {study.runs:,} failed; failures/ says why."] if study.failed else []


def _left_out(study: Study) -> list[str]:
    indices = study.indices
    told = []
    if study.undefined:
        told.append(
            f"The measure is not defined in {count(study.undefined, 'run')} of {study.runs:,}; a point’s outcome is "
            "the mean of its others."
        )
    if study.missing:
        broken = {
            "sobol": f"a base point that needs one is left out, in all {indices.left_out} of {indices.samples.count:,}",
            "morris": f"an elementary effect with such an end is left out, in all {indices.left_out} of "
            f"{indices.used + indices.left_out:,}",
            "oat": "the curves have gaps there",
        }[indices.samples.method]
        points = count(len(indices.means), "point")
        left = " What is left says nothing of where these are." if indices.defined else ""
        told.append(f"{study.missing:,} of {points} have no run with an outcome: {broken}.{left}")
    return told


def _of_chance(study: Study) -> list[str]:
    indices = study.indices
    if indices.constant is not None:
        return []
    if study.replicates < 2:
        return ["Each point ran with one seed: chance cannot be told from interactions. --seeds takes more."]
    if math.isnan(indices.seed_share):
        return []
    told = f"Chance, which is the seed, makes {_percent(indices.seed_share)} of the variance of single runs"
    if math.isnan(indices.chance):
        return [f"{told}."]
    told += (
        f"; averaged over {study.replicates} seeds, {_percent(indices.chance)} of the variance between points is still "
        "chance"
    )
    if indices.chance > _NOISY and indices.samples.method != "oat":
        told += ", which looks like interactions: more --seeds make it less"
    return [f"{told}."]


def _of_width(study: Study) -> list[str]:
    """Return that intervals of total order are wide, if they are, and how many base points would narrow them."""
    indices = study.indices
    if indices.samples.method != "sobol" or not indices.defined:
        return []
    width = float((indices.table["total_high"] - indices.table["total_low"]).max())
    if not width > _WIDE:
        return []
    needed = indices.samples.count * 2 ** math.ceil(2 * math.log2(width / _WIDE))
    return [
        f"The intervals of the total effects are up to {decimal(width)} wide; some {needed:,} base points (--samples), "
        f"not {indices.samples.count:,}, would make it {decimal(_WIDE)}."
    ]


def _percent(share: float) -> str:
    return "less than 1%" if 0 < share < 0.01 else f"{100 * share:.0f}%"


_TOLD: dict[str, Callable[[Study], str]] = {"sobol": _told_sobol, "morris": _told_morris, "oat": _told_oat}
