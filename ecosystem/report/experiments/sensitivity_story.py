"""What a sensitivity analysis found, in words: what matters most, what hardly does, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ecosystem.report.prose import count, decimal, listed
from ecosystem.sweep.indices import RANKED_BY
from ecosystem.sweep.study import Study

HARDLY = 0.05
"""Total effect below which a parameter hardly matters."""

HARDLY_MOVES = 0.1
"""Elementary effect below which a parameter hardly matters, as a share of the largest."""

_WIDE = 0.2
_NOISY = 0.1
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


def what(study: Study) -> str:
    """Return the outcome as sentences name it."""
    title = f"“{study.definition.title}”"
    return f"{title} at the last step" if study.outcome == "end" else f"the mean of {title} over the steps"


def finding(study: Study) -> str:
    """Return what matters most, in one or two sentences.

    A parameter hardly matters where its whole interval is below `HARDLY` (`HARDLY_MOVES` of the largest); nothing is
    said of one whose interval reaches down to what chance would give. Parameters whose intervals overlap that
    of the first are named with it.
    """
    indices = study.indices
    capital = what(study)[:1].upper() + what(study)[1:]
    if indices.constant is not None:
        known = "" if not study.missing else " where it is known"
        return (
            f"{capital} is {_number(indices.constant)} at every point{known}: nothing that was varied matters for "
            "it, and its indices are not defined."
        )
    if not indices.defined:
        return f"{capital} is known at too few points to tell what matters for it."
    return _TOLD[indices.samples.method](study)


def cautions(study: Study) -> list[str]:
    """Return what a reader should know before trusting the finding."""
    return [*_left_out(study), *_of_chance(study), *_of_width(study)]


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
    rows, effects = study.indices.rows, ranked(study)

    def told(effect: Effect) -> str:
        mu = rows[effect.parameter]["mu"] / effect.value if effect.value else math.nan
        way = "" if math.isnan(mu) else ", upwards" if mu > 0.9 else ", downwards" if mu < -0.9 else ", up and down"
        return f" ({effect.told}{way})"

    bound = HARDLY_MOVES * effects[0].value
    first = _most(study, told, bound, f"What moves {what(study)} most, from one end of its range to the other, is ")
    bent = [
        effect.parameter
        for effect in effects
        if effect.high >= bound and effect.low > effect.by_chance
        and rows[effect.parameter]["sigma"] > 0.5 * effect.value
    ]  # fmt: skip
    if not bent:
        return f"{first} No effect depends much on where the parameters stand."
    verb = "does" if len(bent) == 1 else "do"
    return (
        f"{first} What {_join(bent)} {verb} depends on where {'it' if len(bent) == 1 else 'they'} or the others stand: "
        "interactions, or curves."
    )


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
    known = [effect for effect in ranked(study) if effect.value == effect.value]
    little = [effect for effect in known if effect.high < bound]
    unclear = [effect for effect in known if effect not in little and not effect.low > effect.by_chance >= 0
               and not math.isnan(effect.low)]  # fmt: skip
    clear = [effect for effect in known if effect not in little and effect not in unclear]
    if not clear:
        names = _join([f"{effect.parameter}{told(effect)}" for effect in known])
        return f"No parameter’s effect on {what(study)} can be told from chance: {names}."
    lead = clear[0]
    rivals = [effect for effect in [*clear[1:], *unclear] if effect.high >= lead.low]
    text = opening + " or ".join(f"{effect.parameter}{told(effect)}" for effect in [lead, *rivals])
    if rivals:
        text += ": their intervals overlap"
    after = [effect for effect in clear if effect is not lead and effect not in rivals]
    if after:
        text += f"{';' if rivals else ','} then {_join([f'{effect.parameter}{told(effect)}' for effect in after])}"
    open_ends = [effect for effect in unclear if effect not in rivals]
    if open_ends:
        text += f"; {_join([f'{effect.parameter} ({effect.told})' for effect in open_ends])} cannot be told from chance"
    if little:
        text += f"; {_join([f'{e.parameter} ({e.shown})' for e in little])} hardly {_matter(little)}"
    return f"{text}."


def _matter(effects: list[Effect]) -> str:
    return "matters" if len(effects) == 1 else "matter"


def _join(items: list[str]) -> str:
    return "".join(listed(items, limit=20))


def _left_out(study: Study) -> list[str]:
    indices = study.indices
    told = []
    if study.failed:
        told.append(f"{count(study.failed, 'run')} of {study.runs:,} failed; failures/ says why.")
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
        told.append(
            f"{study.missing:,} of {points} have no run with an outcome: {broken}. What is left says nothing of where "
            "these are."
        )
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
