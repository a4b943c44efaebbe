"""What a visitor can do to a debate, what it takes, and what is still to come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from ecosystem.app.panels.wording import parts
from ecosystem.complaints import explain
from ecosystem.report.prose import Sentence, label, listed, name, sentence
from ecosystem.scenario import Discovery, Enter, Intervention, Leave, Message, Scenario, Shock, Turn

_KINDS: dict[str, type[Intervention]] = {
    "message": Message,
    "statement": Discovery,
    "turn": Turn,
    "leave": Leave,
    "enter": Enter,
    "shock": Shock,
}
_TALK = ("message", "statement", "turn", "shock")
_QUOTE = 160
_SILENCE = "Affinity is given: nothing is said."


class Refused(ValueError):
    """An intervention that cannot be: which of its fields is at fault, and why, in one line."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(why)
        self.place, self.why = place, why


@dataclass(frozen=True)
class Offer:
    """A kind of intervention that a visitor can make.

    Attributes
    ----------
    kind, title, icon, help : str
    asks : tuple of str
        The fields it takes: ``text``, ``topic``, ``audience`` (everyone, or some), ``personas`` (some), ``persona``,
        ``share``.
    reason : str
        Why it cannot be made in this debate; empty where it can.
    """

    kind: str
    title: str
    icon: str
    help: str
    asks: tuple[str, ...]
    reason: str = ""


_OFFERS = (
    Offer(
        "message",
        "Say this",
        "mdi-bullhorn-outline",
        "A statement that they hear and weigh like an argument of a debater.",
        ("text", "topic", "audience"),
    ),
    Offer(
        "statement",
        "Tell some of them",
        "mdi-file-document-outline",
        "A statement that they hold from now on, and may say.",
        ("text", "topic", "personas"),
    ),
    Offer(
        "turn",
        "Debate this topic",
        "mdi-comment-arrow-right-outline",
        "The debate turns to it at once.",
        ("topic",),
    ),
    Offer("leave", "Remove someone", "mdi-account-minus-outline", "It leaves its coalition, too.", ("persona",)),
    Offer("enter", "Let someone in", "mdi-account-plus-outline", "It joins the debate.", ("persona",)),
    Offer(
        "shock",
        "Change stubbornness",
        "mdi-lock-outline",
        "The share of its statements that nothing displaces.",
        ("share", "audience"),
    ),
)


def offers(scenario: Scenario, here: Sequence[str], now: int) -> list[Offer]:
    """Return what can be done to a debate.

    Parameters
    ----------
    scenario : Scenario
        With the interventions to come.
    here : sequence of str
        Keys of the personas who take part.
    now : int
        Steps taken.
    """
    to_enter = any(isinstance(event, Enter) and event.step > now for event in scenario.interventions)
    to_leave = any(isinstance(event, Leave) and event.step > now for event in scenario.interventions)
    reasons = {kind: _SILENCE for kind in _TALK if scenario.affinity is not None}
    if len(scenario.topics) < 2:
        reasons.setdefault("turn", "There is only one topic.")
    if len(here) < 2 and not to_enter:
        reasons["leave"] = "Only one is left, and someone has to stay."
    if len(here) == len(scenario.personas) and not to_leave:
        reasons["enter"] = "Everyone takes part already."
    return [replace(offer, reason=reasons.get(offer.kind, "")) for offer in _OFFERS]


def build(choice: Mapping[str, Any], scenario: Scenario, now: int) -> Intervention:
    """Return the intervention that a visitor chose, checked against the debate.

    Parameters
    ----------
    choice : mapping
        ``kind``, ``step`` (empty: the next), and what the kind asks for, as `Offer.asks` has it: text as it was
        typed, ``everyone`` with an audience.
    scenario : Scenario
        With the interventions so far.
    now : int
        Steps taken.

    Raises
    ------
    Refused
        In one line: the field, what was found, what is accepted.
    """
    kind = choice.get("kind")
    offer = next((one for one in _OFFERS if one.kind == kind), None)
    if offer is None:
        raise Refused("kind", "one of those listed is accepted")
    event = _read(offer, choice, now)
    _check(event, scenario)
    return event


def _read(offer: Offer, choice: Mapping[str, Any], now: int) -> Intervention:
    asked = str(choice.get("step") or "").strip()
    given: dict[str, Any] = {"kind": offer.kind, "step": asked or now + 1}
    some = [str(key) for key in choice.get("personas") or ()]
    if "personas" in offer.asks or ("audience" in offer.asks and not choice.get("everyone")):
        if not some:
            raise Refused("personas", "no one is chosen; choose someone")
        given["personas"] = some
    given |= {field: choice.get(field) or "" for field in ("text", "topic", "persona") if field in offer.asks}
    if "text" in given and not str(given["text"]).strip():
        raise Refused("text", "is empty; a sentence is needed")
    for place in ("topic", "persona"):
        if place in given and not given[place]:
            raise Refused(place, "nothing is chosen")
    if "share" in offer.asks:
        given["stubbornness"] = choice.get("share")
    try:
        event: Intervention = _KINDS[offer.kind].model_validate(given)
    except ValidationError as error:
        place, _, why = str(explain(error, "", _KINDS[offer.kind])).partition(": ")
        raise Refused("share" if place == "stubbornness" else place.partition(".")[0], why) from None
    if event.step <= now:
        raise Refused("step", f"found {event.step}; a step from {now + 1} on is accepted")
    return event


def _check(event: Intervention, scenario: Scenario) -> None:
    """Refuse what the scenario refuses; a persona's later coming and going gives way to that by hand."""
    kept = [one for one in scenario.interventions if not _gives_way(one, event)]
    try:
        after = Scenario.model_validate({**scenario.__dict__, "interventions": (*kept, event)})
    except ValidationError as error:
        place, _, why = str(explain(error, "", Scenario)).removeprefix(": ").partition(": ")
        raise Refused("persona" if isinstance(event, Enter | Leave) else "kind", why or place) from None
    if after.latecomers != scenario.latecomers:  # who comes later is known by what comes first; the past stays as it is
        raise Refused("persona", "is there already" if isinstance(event, Enter) else "is not there")


def _gives_way(scheduled: Intervention, event: Intervention) -> bool:
    if not isinstance(scheduled, Enter | Leave) or not isinstance(event, Enter | Leave):
        return False
    return scheduled.persona == event.persona and scheduled.step >= event.step


def coming(scenario: Scenario, now: int, by_hand: Sequence[Intervention]) -> list[tuple[Intervention, bool]]:
    """Return the interventions still to come, the soonest first, and whether each was made by hand."""
    hands = Counter(map(repr, by_hand))
    found = []
    for event in reversed([one for one in scenario.interventions if one.step > now]):  # by hand is what came last
        mine = hands[repr(event)] > 0
        hands[repr(event)] -= mine
        found.append((event, mine))
    found.reverse()
    return sorted(found, key=lambda one: one[0].step)


def words(event: Intervention, scenario: Scenario) -> Sentence:
    """Return what an intervention will do, in words; names stand apart from the words around them."""
    titles = {topic.id: name(topic.title or topic.id) for topic in scenario.topics}
    names = {key: name(persona.name) for key, persona in scenario.personas.items()}
    if isinstance(event, Enter | Leave):
        return (names[event.persona], " enters" if isinstance(event, Enter) else " leaves")
    if isinstance(event, Message | Discovery):
        who = listed([names[key] for key in event.personas], 3) if event.personas else ("Everyone",)
        verb = " hear" if isinstance(event, Message) else " learn"
        many = len(event.personas) > 1
        return sentence(who, verb if many else f"{verb}s", " on ", titles[event.topic], ": ", name(event.text, _QUOTE))
    if isinstance(event, Shock):
        return _shock(event, names)
    verb = "The debate turns to " if isinstance(event, Turn) else "Onto the agenda: "
    return (verb, titles[event.topic])


def _shock(event: Shock, names: Mapping[str, str]) -> Sentence:
    changes = [f"{label(key)} becomes {'none' if value is None else value}" for key, value in event.changes.items()]
    told: list[Sentence] = [(change,) for change in changes]
    if event.stubbornness is not None:
        who = listed([names[key] for key in event.personas], 3) if event.personas else ("everyone",)
        told.append(("stubbornness of ", *who, f" becomes {event.stubbornness:g}"))
    return listed(told, joint="; ") if len(told) > 1 else told[0]


def told(scenario: Scenario, now: int, by_hand: Sequence[Intervention]) -> list[dict[str, Any]]:
    """Return what is still to come as plain data: ``step``, ``words``, whether it was made by ``hand``."""
    return [
        {"step": event.step, "words": parts(words(event, scenario), {}), "hand": mine}
        for event, mine in coming(scenario, now, by_hand)
    ]
