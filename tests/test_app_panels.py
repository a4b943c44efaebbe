"""Panels to read: what they say is what the model has, in words that hold, and text from scenarios stays text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pytest

from ecosystem.app.debates.course import Course
from ecosystem.app.debates.scenes import Scene, Setting
from ecosystem.app.debates.session import Session
from ecosystem.app.debates.view import View
from ecosystem.app.panels.acquaintance import acquaint, memory, recent, traits
from ecosystem.app.panels.exchanges import said
from ecosystem.app.panels.happenings import KINDS, happenings
from ecosystem.app.panels.membership import membership
from ecosystem.app.panels.outline import headline, heart, outline
from ecosystem.app.panels.panel import as_json, choose, template
from ecosystem.app.panels.reasons import reasons
from ecosystem.app.panels.viewpoints import affinity_by_topic, nearest_and_furthest, viewpoints
from ecosystem.app.panels.wording import in_force, known_names, parts
from ecosystem.dynamics.coalitions import RULES, Game, defectors
from ecosystem.dynamics.events import lone_label
from ecosystem.jepa.statements import Statements, affinity_to_holders, held_matrix
from ecosystem.model import EcosystemModel
from ecosystem.opening import index_statements
from ecosystem.report.prose import Name, name
from ecosystem.scenario import LIVE, Discovery, Leave, Message, Scenario, Shock

IMAGE = "<img src=x onerror=alert(1)>"
BROADCAST = "Put it to a vote of all who live there."
LEARNED = "A new survey found twice the methane."


@dataclass
class Played:
    """A debate that was played, with what the model had after each step."""

    session: Session
    games: list[tuple[Game, Any, Any]] = field(default_factory=list)
    live: list[dict[str, Any]] = field(default_factory=list)
    held: list[Any] = field(default_factory=list)

    def views(self) -> Iterator[View]:
        for step in range(1, self.session.now + 1):
            yield View(self.session, step)

    def note(self) -> None:
        model = self.session.model
        here = model.here
        self.games.append((model.game(), here, model.state.partition[here].copy()))
        self.live.append({name: model.live(name) for name in LIVE})
        self.held.append([sorted(row[row >= 0].tolist()) for row in model.state.memory.held])


@pytest.fixture(scope="module")
def played(debate: Scenario) -> Iterator[Played]:
    """Return fourteen steps of the climate debate in which much was done to it."""
    session = Session(debate.with_parameters(seed=1, topic_duration=2))
    one, topic = Played(session), debate.topics[0].id
    one.note()
    session.intervene(
        Message(kind="message", step=3, text=BROADCAST, topic=topic),
        Discovery(kind="statement", step=4, text=LEARNED, topic=topic, personas=("farmer", "insurer")),
        Leave(kind="leave", step=7, persona="farmer"),
        Shock(kind="shock", step=9, stubbornness=0.9, personas=("insurer",)),
    )
    for step in range(1, 15):
        if step == 5:
            session.change(switching_cost=0.0, homophily=6.0)
        if step == 10:
            session.change(entry="nash", threshold_rule="quantile", threshold=0.6)
        session.step()
        one.note()
    yield one
    session.close()


class Still:
    """A debate that stands still, made by hand: agents Ada, Ben, ... with one statement each on one topic."""

    def __init__(self, alignment: Any, labels: list[int], names: list[str] | None = None, **parameters: Any) -> None:
        n = len(labels)
        called = names or ["Ada", "Ben", "Cem", "Dee", "Eve", "Fay"][:n]
        personas = {f"p{k}": {"name": one, "corpus": [{"text": f"{one} says so.", "topic": "t"}]} for k, one in
                    enumerate(called)}  # fmt: skip
        scenario = Scenario.model_validate(
            {"name": "still", "topics": [{"id": "t", "title": "Coal"}], "personas": personas, "parameters": parameters}
        )
        people, texts, topic_of = index_statements(scenario)
        square = np.eye(n, dtype=np.float32)
        table = Statements(tuple(texts), topic_of, square, square, square + 1, square, np.stack([square, square]))
        self.setting = Setting(scenario, tuple(people), table, np.zeros(n))
        self.course, self._scene = Course(), _still_scene(alignment, labels, parameters.get("threshold", 0.03))
        self.course.add(replace(self._scene, step=0), None)

    now = 1

    def scene(self, step: int) -> Scene:
        return replace(self._scene, step=step)

    def why(self, event: int) -> tuple[str, ...]:
        raise NotImplementedError


def _still_scene(alignment: Any, labels: list[int], threshold: float) -> Scene:
    n = len(labels)
    partition = np.array([label if label > 0 else lone_label(k) for k, label in enumerate(labels)], np.int64)
    nothing, plane = np.full((n, n), np.nan, np.float32), np.zeros((n, 2), np.float32)
    return Scene(
        1, 0, np.full(n, -1), np.full(n, -1), np.zeros(n, bool), nothing, nothing, np.array(alignment, np.float32),
        partition, np.ones(n, bool), np.zeros((n, 1), np.float32), tuple((k,) for k in range(n)), 1, plane, plane,
        np.ones(n, bool), (), threshold,
    )  # fmt: skip


def plain(words: Any) -> str:
    return "".join(part["text"] if isinstance(part, dict) else part for part in words)


# Why an agent is in its coalition.


def test_gains_are_those_of_the_game(played: Played) -> None:
    checked = 0
    for view, (game, here, partition) in zip(played.views(), played.games[1:], strict=True):
        before = game.utilities(partition)
        for me, agent in enumerate(here.tolist()):
            found = membership(view, agent)
            assert found.worth == pytest.approx(before[me], abs=1e-5)
            assert found.game.threshold == pytest.approx(game.threshold, abs=1e-6)
            assert len(found.options) == len(np.unique(partition)) - 1 + bool(found.partners)
            for option in found.options:
                moved = partition.copy()
                moved[me] = 10**6 if option.label is None else option.label
                assert option.gain == pytest.approx(game.utilities(moved)[me] - before[me], abs=1e-5)
                checked += 1
            if found.partners:
                with_them = [game.alignment[me, here.tolist().index(other)] for other in found.partners]
                assert found.aligned == pytest.approx(np.mean(with_them), abs=1e-6)
    assert checked > 500


@pytest.mark.parametrize("entry", RULES)
@pytest.mark.parametrize("cap", [None, 3])
def test_the_moves_that_are_open_are_those_of_the_game(entry: str, cap: int | None) -> None:
    rng, found_any = np.random.default_rng(5), 0
    for _ in range(40):
        alignment = rng.uniform(-0.5, 0.5, (6, 6)).astype(np.float32).astype(np.float64)
        alignment = np.tril(alignment) + np.tril(alignment, -1).T
        labels = rng.integers(1, 4, 6).tolist()
        still = Still(alignment, labels, entry=entry, max_coalitions=cap, switching_cost=0.1)
        view = View(still, 1)
        game = Game(alignment, np.ones(6), 0.03, 0.1, entry, cap)  # type: ignore[arg-type]
        expected = {move.agent: move for move in defectors(game, still.scene(1).partition)}
        for agent in range(6):
            open_ = [one for one in membership(view, agent).options if one.pays and not one.bar]
            assert bool(open_) == (agent in expected)
            if open_:
                assert open_[0].gain == pytest.approx(expected[agent].gain, abs=1e-5)
                assert open_[0].label == expected[agent].target
                found_any += 1
    assert found_any > 5


TIES = np.array(
    [
        [0.0, 0.3, 0.2, 0.5, 0.0],
        [0.3, 0.0, 0.1, -0.2, 0.0],
        [0.2, 0.1, 0.0, -0.1, 0.0],
        [0.5, -0.2, -0.1, 0.0, 0.1],
        [0.0, 0.0, 0.0, 0.1, 0.0],
    ]
)


@pytest.mark.parametrize(
    ("agent", "labels", "parameters", "expected"),
    [
        (
            0,
            [1, 1, 1, 2, 2],
            {"switching_cost": 0.02},
            [
                "Mean alignment with its 2 partners is +0.25, above the threshold of 0.03: sharing a coalition is "
                "worth +0.44 to it.",
                "The best of the others, coalition 2 (Dee and Eve; mean alignment +0.25), would bring as much, and Eve "
                "would lose by its company.",
                "Standing alone would bring 0.44 less.",
            ],
        ),
        (
            3,
            [0, 0, 0, 2, 2],
            {},
            [
                "Alignment with its partner Eve is +0.10, above the threshold of 0.03: sharing a coalition is "
                "worth +0.07 to it.",
                "A coalition with Ada (alignment +0.50) would bring 0.40 more, and it may go there: regrouping ended "
                "before it did.",
                "Standing alone would bring 0.07 less.",
            ],
        ),
        (
            3,
            [1, 1, 1, 0, 0],
            {"threshold": 0.03, "switching_cost": 0.1},
            [
                "It stands alone. Sharing a coalition pays with those aligned above 0.03, and costs with the others.",
                "Coalition 1 (Ada, Ben and Cem; mean alignment +0.07) would bring 0.11 more, but Ben and Cem would "
                "lose by its company and each may refuse.",
                "A coalition with Eve (alignment +0.10) would bring 0.07 more, no more than the switching cost of "
                "0.10.",
            ],
        ),
        (
            0,
            [1, 1, 1, 2, 2],
            {"entry": "contractual", "threshold": -0.3},
            [
                "Mean alignment with its 2 partners is +0.25, above the threshold of −0.30: sharing a coalition is "
                "worth +1.10 to it.",
                "The best of the others, coalition 2 (Dee and Eve; mean alignment +0.25), would bring as much.",
                "Standing alone would bring 1.10 less.",
            ],
        ),
        (
            3,
            [0, 2, 2, 2, 0],
            {"entry": "contractual", "threshold": -0.3},
            [
                "Mean alignment with its 2 partners is −0.15, above the threshold of −0.30: sharing a coalition is "
                "worth +0.30 to it.",
                "A coalition with Ada (alignment +0.50) would bring 0.50 more, but Ben and Cem would lose by its "
                "leaving, which the rule of entry forbids.",
                "Standing alone would bring 0.30 less.",
            ],
        ),
        (
            3,
            [1, 2, 2, 2, 1],
            {"max_coalitions": 2, "entry": "nash"},
            [
                "Mean alignment with its 2 partners is −0.15, below the threshold of 0.03: sharing a coalition is "
                "worth −0.36 to it.",
                "Coalition 1 (Ada and Eve; mean alignment +0.30) would bring 0.90 more, and it may go there: "
                "regrouping ended before it did.",
            ],
        ),
    ],
)
def test_reasons_in_words(agent: int, labels: list[int], parameters: dict[str, Any], expected: list[str]) -> None:
    view = View(Still(TIES, labels, **parameters), 1)
    assert [plain(words) for words in reasons(view, membership(view, agent))] == expected


def test_a_cap_is_named() -> None:
    view = View(Still(TIES - 0.6, [1, 1, 1, 2, 2], max_coalitions=2, entry="nash"), 1)
    told = [plain(words) for words in reasons(view, membership(view, 1))]
    assert told[1] == "Standing alone would bring 0.86 more, but there may be no more than 2 coalitions."


def test_no_one_is_aligned_before_the_first_step(played: Played) -> None:
    view = View(played.session, 0)
    (words,) = reasons(view, membership(view, 0))
    assert plain(words) == "It is aligned with no one yet: alignment is what comes of hearing each other."


def test_parameters_in_force_are_those_the_model_had(played: Played) -> None:
    for step, live in enumerate(played.live):
        assert {name: in_force(played.session.setting, name, step) for name in LIVE} == live


# Whom it agrees with, what it holds, what it said.


def test_affinity_by_topic_is_what_the_model_expects_before_anyone_speaks(debate: Scenario) -> None:
    session = Session(debate)
    model = session.model
    for topic in (0, 5, 15):
        model.state.topic = topic
        expected = model.predict()[0]  # of listeners (columns) to speakers (rows)
        for agent in (0, 7):
            found = affinity_by_topic(session.setting, session.scene(0).held, agent)[topic]
            np.testing.assert_allclose(found, expected[:, agent], atol=1e-6)
    session.close()


def test_affinity_by_topic_one_pair_at_a_time(played: Played) -> None:
    view, agent = View(played.session, 14), 4
    table, held = played.session.setting.statements, view.scene.held
    found = affinity_by_topic(played.session.setting, held, agent)
    own = held_matrix(np.array([held[agent]]), len(table))
    for topic in range(len(played.session.setting.topics)):
        for other in range(len(held)):
            rows = [row for row in held[other] if table.topic_of[row] == topic]
            heard = [affinity_to_holders(table.affinity[[row]], table.relevance[[row]], own)[0, 0] for row in rows]
            known = [value for value in heard if np.isfinite(value)]
            expected = np.mean(known) if known and other != agent else np.nan
            assert found[topic, other] == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_the_nearest_and_the_furthest(played: Played) -> None:
    for view in played.views():
        for agent in np.flatnonzero(view.scene.present).tolist():
            near, far = nearest_and_furthest(view, agent)
            row = view.scene.alignment[agent].astype(float).copy()
            row[agent] = np.nan
            row[~view.scene.present] = np.nan
            ranked = np.sort(row[np.isfinite(row)])
            assert row[near].tolist() == ranked[::-1][:2].tolist()
            assert row[far].tolist() == ranked[:2].tolist()
    few = View(Still(TIES[:3, :3], [0, 0, 0]), 1)
    assert nearest_and_furthest(few, 0) == ([1], [2])


def test_columns_are_ordered_by_coalition_the_own_first(played: Played) -> None:
    view = View(played.session, 14)
    agent = next(iter(view.scene.coalitions.values()))[0]
    shown = viewpoints(view, agent)
    labels = [one["coalition"] for one in shown["others"]]
    assert labels[0] == view.scene.partition[agent]
    changes = sum(a != b for a, b in pairwise(labels))
    assert changes == len(set(labels)) - 1  # every coalition is in one piece
    absent = played.session.setting.keys.index("farmer")
    assert absent not in [one["agent"] for one in shown["others"]]


def test_memory_is_what_the_model_holds_and_knows_where_it_is_from(played: Played) -> None:
    session, sources = played.session, []
    texts, keys = session.setting.statements.texts, session.setting.keys
    for view in played.views():
        passed = [session.scene(step) for step in range(view.step, 0, -1)]
        for agent, persona in enumerate(session.setting.personas):
            shown = memory(view, agent, passed)
            told = [one for topic in shown["topics"] for one in topic["statements"]]
            assert sorted(one["text"] for one in told) == sorted(texts[row] for row in played.held[view.step][agent])
            own = {texts[row] for row in persona.corpus}
            assert shown["own"] == sum(one["source"] == "own" for one in told)
            for one in told:
                assert (one["source"] == "own") == (one["text"] in own)
                sources.append(one["source"])
                if one["source"] == "learned":
                    assert (one["text"], one["step"]) == (LEARNED, 4)
                    assert keys[agent] in ("farmer", "insurer")
                if one["source"] == "from":
                    then, speaker = session.scene(one["step"]), one["speaker"]["agent"]
                    assert texts[then.utterances[speaker]] == one["text"]
                    assert (then.speaker[agent], then.accepted[agent]) == (speaker, True)
                if one["source"] == "taken":
                    assert one["text"] == BROADCAST
    assert {"own", "from", "learned", "taken"} == set(sources)


def test_what_an_agent_said_lately(played: Played) -> None:
    session, agent = played.session, 2
    passed = [session.scene(step) for step in range(14, 0, -1)]
    told = recent(View(session, 14), agent, passed)
    assert [one["step"] for one in told] == list(range(14, 4, -1))
    for one in told:
        scene = session.scene(one["step"])
        assert one["text"] == session.setting.statements.texts[scene.utterances[agent]]
        assert one["weighed"] == np.count_nonzero(scene.speaker == agent)
        assert one["accepted"] == np.count_nonzero((scene.speaker == agent) & scene.accepted)


def test_a_trait_that_an_intervention_set(played: Played) -> None:
    agent = played.session.setting.keys.index("insurer")
    for step, expected in ((8, (0.5, None)), (9, (0.9, 9)), (14, (0.9, 9))):
        found = {one["name"]: one for one in traits(View(played.session, step), agent)}["stubbornness"]
        assert (found["value"], found["since"]) == expected


def test_a_card_of_everyone_at_every_step_is_plain_data(played: Played) -> None:
    n_agents = len(played.session.setting.names)
    for step in (0, 1, 7, 14):
        for agent in range(n_agents):
            shown = acquaint(View(played.session, step), agent)
            assert shown == json.loads(as_json(shown))
            assert shown["present"] == (shown["coalition"] is not None)


# What is being said.


def test_what_was_said_accounts_for_everyone(played: Played) -> None:
    crossed = 0
    for view in played.views():
        scene, shown = view.scene, said(view, None)
        partitions = played.session.course.partitions
        assert shown["total"] == len(shown["utterances"]) == np.count_nonzero(scene.utterances >= 0)
        takers = [one["agent"] for utterance in shown["utterances"] for one in utterance["accepted"]]
        others = [one["agent"] for utterance in shown["utterances"] for one in utterance["declined"]]
        assert sorted(takers) == np.flatnonzero(scene.accepted).tolist()
        assert sorted([*takers, *others]) == np.flatnonzero(scene.speaker >= 0).tolist()
        counts = [len(utterance["accepted"]) for utterance in shown["utterances"]]
        assert counts == sorted(counts, reverse=True)
        for utterance in shown["utterances"]:
            speaker = utterance["speaker"]["agent"]
            for one in [*utterance["accepted"], *utterance["declined"]]:
                pair = partitions[view.step - 1][[speaker, one["agent"]]].tolist()
                assert one["across"] == (pair if min(pair) >= 0 and pair[0] != pair[1] else None)
                seen = scene.observed[speaker, one["agent"]]
                assert one["affinity"] == (pytest.approx(seen, abs=1e-4) if np.isfinite(seen) else None)
            crossed += utterance["across"]
        assert scene.topic is not None
        assert shown["topic"]["title"] == played.session.setting.topics[scene.topic]
        assert [plain(words) for words in shown["interventions"]] == [
            one.text for one in played.session.course.told if one.step == view.step and one.kind == "intervention"
        ]
    assert crossed > 0


def test_only_so_many_utterances_are_shown_at_first(played: Played) -> None:
    view = View(played.session, 6)
    shown, everything = said(view, 3), said(view, None)
    assert shown["utterances"] == everything["utterances"][:3]
    assert shown["total"] == everything["total"] == 14


def test_before_the_first_step_it_is_said_what_will_happen(played: Played) -> None:
    shown = said(View(played.session, 0))
    assert plain(shown["note"]) == (
        "No one has spoken yet. 14 agents will debate Climate impacts for 2 steps, then the next topic. At each step "
        "most say one thing; each weighs what one of the others says, and may take it over."
    )
    assert shown["utterances"] == []


# What happened.


def test_the_ledger_tells_all_that_happened_the_newest_first(played: Played) -> None:
    course = played.session.course
    for step in (0, 3, 14):
        shown = happenings(View(played.session, step), limit=None)
        past = [one for one in course.told if one.step <= step]
        assert sorted(plain(one["words"]) for one in shown["told"]) == sorted(one.text for one in past)
        assert [one["step"] for one in shown["told"]] == sorted((one.step for one in past), reverse=True)
        assert sum(shown["counts"].values()) == shown["total"] == len(past)
    assert shown["total"] > 10


def test_the_ledger_by_kind_and_agent(played: Played) -> None:
    view = View(played.session, 14)
    everything = happenings(view, limit=None)
    for kind in KINDS:
        assert happenings(view, [kind], limit=None)["told"] == [
            one for one in everything["told"] if one["kind"] == kind
        ]
    agent = played.session.setting.keys.index("farmer")
    mine = happenings(view, agent=agent, limit=None)
    assert 0 < mine["total"] == sum(agent in one.agents for one in played.session.course.told) < everything["total"]
    assert happenings(view, limit=2)["told"] == everything["told"][:2]


def test_what_is_explained_can_be_explained(played: Played) -> None:
    told = happenings(View(played.session, 14), limit=None)["told"]
    for one in told:
        assert (one["event"] is None) == (one["kind"] == "intervention")
    event = next(one for one in told if one["event"] is not None)
    assert "".join(played.session.why(event["event"])).startswith(f"At step {event['step']}, with ")


# How the debate stands.


def test_the_outline_is_what_the_model_has(played: Played) -> None:
    course = played.session.course
    for view in played.views():
        shown, scene = outline(view), view.scene
        members = [[one["agent"] for one in block["members"]] for block in shown["coalitions"]]
        alone, absent = ([one["agent"] for one in shown[which]] for which in ("alone", "absent"))
        everyone = sorted([*chain(*members), *alone, *absent])
        assert everyone == list(range(len(scene.present)))
        assert absent == np.flatnonzero(~scene.present).tolist()
        for block, agents in zip(shown["coalitions"], members, strict=True):
            assert (scene.partition[agents] == block["label"]).all()
            there = [step for step in range(view.step + 1) if block["label"] in course.partitions[step]]
            assert block["since"] == there[0]
            pairs = [scene.alignment[a, b] for a in agents for b in agents if a < b]
            assert block["inside"] == pytest.approx(np.mean(pairs), abs=1e-4)
            middle = heart(view, tuple(agents))
            ties = {a: sum(scene.alignment[a, b] for b in agents if b != a) for a in agents}
            assert ties[middle] == pytest.approx(max(ties.values()), abs=1e-6)
        latest = [plain(one["words"]) for one in shown["latest"]]
        assert latest == [one.text for one in course.told if one.step <= view.step][::-1][:3]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([1, 1, 1, 2, 2], "Two coalitions: three around Ada; and Dee and Eve."),
        ([1, 1, 1, 0, 0], "One coalition: three around Ada; two stand alone."),
        ([1, 1, 1, 1, 0], "One coalition: four around Ada; one stands alone."),
        ([1, 1, 1, 1, 1], "One coalition: all five, around Ada."),
        ([0, 0, 0, 0, 0], "No coalition: all five agents stand alone."),
    ],
)
@pytest.mark.parametrize(
    ("values", "then"),
    [
        ((0.1, 0.24), "Polarization rose from 0.10 to 0.24 since step 1 (Esteban-Ray, at most 0.20)."),
        ((0.3, 0.24), "Polarization fell from 0.30 to 0.24 since step 1 (Esteban-Ray, at most 0.20)."),
        ((0.2, 0.2), "Polarization stayed at 0.20 since step 1 (Esteban-Ray, at most 0.20)."),
        ((np.nan, 0.2), "Polarization stands at 0.20 (Esteban-Ray, at most 0.20)."),
        ((0.2, np.nan), "Polarization is not known."),
    ],
)
def test_the_headline(
    labels: list[int], expected: str, values: tuple[float, float], then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = Still(TIES, labels)
    measured = np.array([np.nan, *values], np.float32)
    monkeypatch.setattr(still.course, "measure", lambda name: {"esteban_ray": measured}[name])
    assert plain(headline(View(still, 2))) == f"{expected} {then}"


def test_the_headline_before_the_first_step(played: Played) -> None:
    assert plain(headline(View(played.session, 0))) == (
        "No coalition: all 14 agents stand alone. No one has spoken yet: press Play, or Step. Coalitions follow from "
        "what they say to each other."
    )


def test_a_scenario_in_which_nothing_is_said() -> None:
    session = Session(_highland())
    opening = View(session, 0)
    assert "is given" in plain(headline(opening))
    session.step()
    view = View(session, 1)
    shown = said(view)
    assert plain(shown["note"]).startswith("Nothing is said in this scenario: how far each agrees with each other is")
    assert (shown["topic"], shown["utterances"]) == (None, [])
    assert "One coalition: Ada and Ben; one stands alone." in plain(headline(view))
    card = acquaint(view, 0)
    assert plain(card["coalition"]["why"][0]) == (
        "Affinity with its partner Ben is +0.50, above the threshold of 0.03: sharing a coalition is worth +0.47 to it."
    )
    assert (card["viewpoints"]["topics"], card["memory"]["total"], card["recent"]) == ([], 0, [])
    session.close()


def _highland() -> Scenario:
    affinity = {"a": {"b": 0.5, "c": -0.5}, "b": {"a": 0.5, "c": -0.2}, "c": {}}
    names = {"a": "Ada", "b": "Ben", "c": "Cem"}
    personas = {key: {"name": called} for key, called in names.items()}
    return Scenario.model_validate(
        {"name": "given", "topics": [{"id": "t"}], "personas": personas, "affinity": affinity}
    )


# Text from scenarios.


def test_text_from_a_scenario_stays_apart_from_ours() -> None:
    still = Still(TIES, [1, 1, 1, 2, 2], names=[IMAGE, "</script><b>", "{{ 7 * 7 }}", "Coal", "Eve"])
    view = View(still, 1)
    shown = acquaint(view, 0)
    assert shown["who"]["name"] == IMAGE
    assert shown["memory"]["topics"][0]["statements"][0]["text"] == f"{IMAGE} says so."
    told = [part for words in shown["coalition"]["why"] for part in words]
    for part in told:
        assert part["name"] or "<" not in part["text"]
    assert IMAGE in [part["text"] for part in outline(view)["headline"] if part["name"]]


def test_only_a_name_that_means_one_agent_leads_to_it() -> None:
    still = Still(TIES, [1, 1, 1, 2, 2], names=["Ada", "A" * 90, "A" * 95, "Coal", "Eve"])
    names = known_names(still.setting)
    assert names == {"Ada": 0, "Eve": 4}
    told = parts(("To ", Name("Ada"), " and ", "also ", name("Coal")), names)
    assert told == [
        {"text": "To ", "name": False, "agent": None},
        {"text": "Ada", "name": True, "agent": 0},
        {"text": " and also ", "name": False, "agent": None},
        {"text": "Coal", "name": True, "agent": None},
    ]


@pytest.mark.parametrize("panel", ["agent_card", "feed", "ledger", "standing"])
def test_templates_take_text_for_text(panel: str) -> None:
    assert "v-html" not in template(panel)
    assert "innerHTML" not in template(panel)


def test_a_browser_can_only_choose_agents_there_are() -> None:
    chosen: list[int | None] = []
    select: Callable[[object], None] = choose(View(Still(TIES, [0, 0, 0, 0, 0]), 1), chosen.append)
    for wish in (3, None, 5, -1, True, "1", {"a": 1}, 2.0):
        select(wish)
    assert chosen == [3, None]


def test_the_model_is_left_as_it_was(debate: Scenario) -> None:
    session = Session(debate.with_parameters(seed=2))
    alone = EcosystemModel(debate.with_parameters(seed=2), rng=2)
    for _ in range(3):
        session.step()
        view = View(session, session.now)
        said(view), outline(view), happenings(view), acquaint(view, 0)
        alone.step()
    np.testing.assert_array_equal(session.model.state.alignment, alone.state.alignment)
    session.close()
