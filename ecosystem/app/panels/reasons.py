"""Why an agent is in its coalition, in plain words."""

from __future__ import annotations

from ecosystem.app.debates.view import View
from ecosystem.app.panels.membership import Membership, Option
from ecosystem.report.prose import Name, Sentence, decimal, listed, name, sentence, signed

_NAMED = 3
_EVEN = 0.005  # gains up to this are none at the two decimals that are shown


def reasons(view: View, found: Membership) -> tuple[Sentence, ...]:
    """Return why an agent stands where it stands, in up to four sentences.

    What it has; what would bring most, if that is more than it has, and why it has not gone there; the best that it
    may enter; standing alone.

    Parameters
    ----------
    view : View
        What is looked at.
    found : Membership
        Of the agent, at the step shown.
    """
    others = [other for one in found.options for other in one.members] + list(found.partners)
    if not others:
        return (("It stands alone: no one else takes part.",),)
    if not view.scene.alignment[found.agent, others].any() and not view.step:
        return (("It is aligned with no one yet: alignment is what comes of hearing each other.",),)
    told, best = [_stay(view, found)], found.options[0] if found.options else None
    if best is None:
        return (*told, ("There is nowhere else to go.",))
    if best.bar and best.gain > _EVEN:
        told.append(_more(view, found, best))
        best = next((one for one in found.options if not one.bar), None)
    if best is not None:
        told.append(_more(view, found, best) if best.gain > _EVEN else _less(view, found, best))
    alone = next((one for one in found.options if one.label is None), None)
    if alone is not None and alone is not best and alone.gain <= _EVEN:
        told.append(_less(view, found, alone))
    return tuple(told)


def place_name(view: View, option: Option) -> Sentence:
    """Return where an option leads: ``coalition 2``, the agent it would form one with, or standing alone."""
    if option.label is None:
        return ("standing alone",)
    if option.label < 0:
        return sentence("a coalition with ", _called(view, option.members[0]))
    return (f"coalition {option.label}",)


def _stay(view: View, found: Membership) -> Sentence:
    """Return what it has where it is."""
    gamma = found.game.threshold
    if not found.partners:
        tie = f"those {'aligned' if _tie(view) == 'alignment' else 'whose affinity is'} above {decimal(gamma)}"
        return (f"It stands alone. Sharing a coalition pays with {tie}, and costs with the others.",)
    first, *more = found.partners
    who: Sentence = (f"its {len(found.partners):,} partners",) if more else ("its partner ", _called(view, first))
    mean = f"{'Mean ' if more else ''}{_tie(view)} with "
    words = sentence(*_capital((mean,)), who, f" is {signed(found.aligned)}, {_against(found.aligned, gamma)}: ")
    return sentence(words, f"sharing a coalition is worth {signed(found.worth)} to it{_weighed(found)}.")


def _more(view: View, found: Membership, option: Option) -> Sentence:
    """Return why it has not made a move that would bring more."""
    gain = f" would bring {decimal(option.gain)} more, "
    brings = sentence(_capital(place_name(view, option)), _with(view, option), gain)
    if option.bar == "entry":
        refuse = "may refuse." if len(option.hurt) == 1 else "each may refuse."
        return sentence(brings, "but ", _all(view, option.hurt), f" would lose by its company and {refuse}")
    if option.bar == "exit":
        left = _all(view, found.losing)
        return sentence(brings, "but ", left, " would lose by its leaving, which the rule of entry forbids.")
    if option.bar == "cap":
        return sentence(brings, f"but there may be no more than {found.game.max_coalitions} coalitions.")
    if not option.pays:
        return sentence(brings, f"no more than the switching cost of {decimal(found.game.switching_cost)}.")
    if view.step == 0:
        return sentence(brings, "and agents regroup for the first time at step 1.")
    return sentence(brings, "and it may go there: regrouping ended before it did.")


def _less(view: View, found: Membership, option: Option) -> Sentence:
    """Return what a move that would not bring more would bring."""
    brings = f" would bring {decimal(-option.gain)} less" if option.gain < -_EVEN else " would bring as much"
    if option.label is None:
        last = ", and no other coalition more." if option is found.options[0] and len(found.options) > 1 else "."
        return (f"Standing alone{brings}{last}",)
    best = "The best of the others, " if option is found.options[0] else "The best it may enter, "
    words = sentence(best, place_name(view, option), _with(view, option), f",{brings}")
    if option.bar == "entry":
        return sentence(words, ", and ", _all(view, option.hurt), " would lose by its company.")
    return sentence(words, ".")


def _with(view: View, option: Option) -> Sentence:
    """Return who is there, and how aligned the agent is with them."""
    if option.label is None:
        return ()
    tie = f"{_tie(view)} {signed(option.aligned)})"
    if option.label < 0:
        return (f" ({tie}",)
    return sentence(" (", _all(view, option.members), f"; mean {tie}")


def _against(value: float, gamma: float) -> str:
    if signed(value) == signed(gamma):
        return f"at the threshold of {decimal(gamma)}"
    return f"{'above' if value > gamma else 'below'} the threshold of {decimal(gamma)}"


def _weighed(found: Membership) -> str:
    return ", partners counted by their weights" if len(set(found.game.weights.tolist())) > 1 else ""


def _tie(view: View) -> str:
    return "alignment" if view.viewing.setting.scenario.affinity is None else "affinity"


def _called(view: View, agent: int) -> Name:
    return name(view.viewing.setting.names[agent])


def _all(view: View, agents: tuple[int, ...]) -> Sentence:
    return listed([_called(view, one) for one in agents], _NAMED)


def _capital(words: Sentence) -> Sentence:
    first, *rest = words
    return (first[:1].upper() + first[1:], *rest)
