"""What a visitor can choose and change: inputs from the schema, presets, scenarios, interventions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecosystem.app.controls.fields import GROUPS, INPUTS, form, read_value, written
from ecosystem.app.controls.presets import CONSENSUS, FRAGMENTATION, OWN, POLARIZATION, PRESETS
from ecosystem.app.controls.schedule import Refused, build, coming, offers, told, words
from ecosystem.errors import InputError
from ecosystem.reading import load_scenario
from ecosystem.scenario import LIVE, Discovery, Enter, Leave, Message, Parameters, Persona, Scenario, Shock, Turn

EVIL = "<img src=x onerror=alert(1)>"


def defaults(**changes: Any) -> dict[str, Any]:
    return Parameters(**changes).model_dump()


def row(name: str, **options: Any) -> dict[str, Any]:
    values = options.pop("values", defaults())
    chosen = {"live": values, "pending": {}, "started": False, "own": defaults(), "complaints": {}, **options}
    return next(field for group in form(values, **chosen) for field in group["fields"] if field["name"] == name)


@pytest.fixture(scope="module")
def shock() -> Scenario:
    return load_scenario("climate-shock")


@pytest.fixture(scope="module")
def tribes() -> Scenario:
    return load_scenario("highland-tribes")


class TestInputs:
    def test_no_parameter_is_forgotten_and_none_is_made_up(self) -> None:
        shown = [
            field["name"]
            for group in form(defaults(), defaults(), {}, False, defaults(), {})
            for field in group["fields"]
        ]
        assert sorted(shown) == sorted(Parameters.model_fields)
        assert set(INPUTS) == set(Parameters.model_fields)
        assert {one.group for one in INPUTS.values()} == set(GROUPS)

    def test_labels_are_words_and_unlike(self) -> None:
        labels = [one.label for one in INPUTS.values()]
        assert len(set(labels)) == len(labels)
        assert all("_" not in label and label[0].isupper() for label in labels)

    def test_kinds_follow_the_schema(self) -> None:
        kinds = {name: one.kind for name, one in INPUTS.items()}
        assert {name for name, kind in kinds.items() if kind == "select"} == {
            "kernel", "policy", "agenda", "threshold_rule", "entry", "learn",
        }  # fmt: skip
        assert [name for name, kind in kinds.items() if kind == "number"] == ["seed"]
        assert {name for name, one in INPUTS.items() if one.null} == {"memory_size", "max_coalitions"}
        whole = {name for name, one in INPUTS.items() if one.whole}
        assert whole == {"steps", "seed", "topic_duration", "memory_size", "max_coalitions", "checkpoint_every"}

    def test_what_is_live_is_what_a_shock_may_change(self) -> None:
        assert {name for name, one in INPUTS.items() if one.live} == set(LIVE)
        assert not INPUTS["steps"].live
        assert INPUTS["homophily"].live

    @pytest.mark.parametrize("name", INPUTS)
    def test_all_that_is_offered_is_accepted(self, name: str) -> None:
        one = INPUTS[name]
        offered = [*one.stops, *(value for value, _ in one.options), *([one.filled] if one.filled else [])]
        for text in offered:
            value = read_value(name, text, defaults())
            assert written(value) == text
        if one.stops:
            numbers = [float(stop) for stop in one.stops]
            assert numbers == sorted(set(numbers))
            assert 2 <= len(numbers) <= 120

    @pytest.mark.parametrize("name", [name for name, one in INPUTS.items() if one.kind == "slider" and not one.null])
    def test_the_default_is_on_its_slider(self, name: str) -> None:
        one = INPUTS[name]
        assert one.stops[one.place(one.default)] == written(one.default)

    def test_descriptions_are_the_schemas_without_their_symbols(self) -> None:
        assert INPUTS["homophily"].symbol == "h"
        assert INPUTS["bias"].symbol == "β"
        assert INPUTS["bias"].help == "How much agents favour arguments they agree with; 0 is none."
        assert INPUTS["entry"].symbol == ""
        assert INPUTS["memory_size"].help == "Arguments an agent holds."

    def test_the_nearest_stop(self) -> None:
        homophily = INPUTS["homophily"]
        assert homophily.stops[homophily.place(7.3)] == "7.5"
        assert homophily.stops[homophily.place(80.0)] == "15"
        assert INPUTS["memory_size"].place(None) == 0

    def test_only_the_kernels_own_parameters_have_an_effect(self) -> None:
        idle = {name for name, one in INPUTS.items() if one.without_effect("hk", False)}
        assert idle == {"homophily", "bias"}
        assert {name for name, one in INPUTS.items() if one.without_effect("argument", False)} == {
            "confidence",
            "convergence",
        }
        given_ = {name for name, one in INPUTS.items() if not one.without_effect("argument", True)}
        assert given_ == {
            "threshold",
            "threshold_rule",
            "switching_cost",
            "entry",
            "max_coalitions",
            "steps",
            "seed",
            "checkpoint_every",
        }


class TestReading:
    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("homophily", " 5 ", 5.0),
            ("homophily", "99.5", 99.5),
            ("seed", "9223372036854775807", 2**63 - 1),
            ("memory_size", "", None),
            ("max_coalitions", "none", None),
            ("entry", "nash", "nash"),
        ],
    )
    def test_accepted(self, name: str, text: str, value: Any) -> None:
        assert read_value(name, text, defaults()) == value

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("homophily", "many", "homophily: found 'many'"),
            ("homophily", "100.5", "less than or equal to 100"),
            ("homophily", "nan", "homophily: found"),
            ("homophily", "", "homophily: is empty; a value is needed"),
            ("steps", "2.5", "steps: found '2.5'"),
            ("steps", "0", "greater than or equal to 1"),
            ("seed", "-1", "greater than or equal to 0"),
            ("learning_rate", "0", "greater than 0"),
            ("kernel", EVIL, "kernel: found"),
        ],
    )
    def test_refused_in_one_line(self, name: str, text: str, said: str) -> None:
        with pytest.raises(InputError, match=said) as refused:
            read_value(name, text, defaults())
        assert "\n" not in str(refused.value)

    def test_a_value_must_fit_the_others(self) -> None:
        with pytest.raises(InputError, match="as a quantile, 0 to 1 is accepted"):
            read_value("threshold", "-0.1", defaults(threshold_rule="quantile"))

    @given(st.floats(0, 100, allow_nan=False))
    def test_what_is_written_is_read_back(self, value: float) -> None:
        assert read_value("homophily", written(value), defaults()) == pytest.approx(value, rel=1e-11, abs=1e-300)


class TestForm:
    def test_before_the_first_step_nothing_waits(self) -> None:
        fields = [
            one for group in form(defaults(steps=80), defaults(), {}, False, defaults(), {}) for one in group["fields"]
        ]
        assert not any(one["badge"] or one["waits"] for one in fields)

    def test_what_waits_for_the_next_step_and_for_a_restart(self) -> None:
        going = {"values": defaults(homophily=5, steps=80), "live": defaults(homophily=5), "started": True}
        assert (row("homophily", pending={"homophily": 5.0}, **going)["badge"]) == "next step"
        assert row("homophily", **going)["badge"] == ""
        assert (row("steps", **going)["badge"], row("steps", **going)["waits"]) == ("at restart", True)
        assert (row("seed", **going)["badge"], row("seed", **going)["waits"]) == ("at restart", False)

    def test_while_a_debate_goes_on_its_own_values_are_shown(self) -> None:
        values, live = defaults(homophily=2), defaults(homophily=8)  # a shock of the scenario
        assert row("homophily", values=values, live=live, started=True)["text"] == "8"
        assert row("homophily", values=values, live=live, started=False)["text"] == "2"

    def test_what_differs_from_the_scenarios_own_can_be_set_back(self) -> None:
        changed = row("max_coalitions", values=defaults(max_coalitions=3))
        assert (changed["changed"], changed["own"], changed["empty"]) == (True, "no cap", False)
        same = row("memory_size", values=defaults(memory_size=16), own=defaults(memory_size=16))
        assert not same["changed"]
        groups = form(defaults(bias=1, homophily=1, seed=7), defaults(), {}, False, defaults(), {})
        assert [group["changed"] for group in groups] == [2, 0, 0, 0, 0]

    def test_what_was_refused_stays_as_it_was_typed(self) -> None:
        refused = row("bias", complaints={"bias": ("lots", "found 'lots'")})
        assert (refused["text"], refused["complaint"], refused["place"]) == ("lots", "found 'lots'", 8)

    def test_it_is_plain_data(self) -> None:
        groups = form(defaults(), defaults(), {}, True, defaults(), {})
        assert json.loads(json.dumps(groups)) == groups


class TestPresets:
    @pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
    def test_the_schema_accepts_them(self, preset: Any) -> None:
        checked = Parameters.model_validate({**defaults(), **preset.parameters})
        assert {name: getattr(checked, name) for name in preset.parameters} == dict(preset.parameters)
        assert "seed" not in preset.parameters

    def test_the_one_in_force_is_known_whatever_the_seed(self) -> None:
        own = defaults(steps=48)
        values = {**own, **CONSENSUS.parameters, "seed": 9}
        assert [preset.name for preset in PRESETS if preset.holds(values, own)] == ["Consensus"]
        assert OWN.holds({**own, "seed": 3}, own)
        assert not any(preset.holds({**own, "bias": 1.5}, own) for preset in PRESETS)
        assert not POLARIZATION.holds({**own, **FRAGMENTATION.parameters}, own)


class TestOffers:
    def reasons(self, scenario: Scenario, here: list[str], now: int = 0) -> dict[str, str]:
        return {one.kind: one.reason for one in offers(scenario, here, now)}

    def test_all_are_offered_where_all_make_sense(self, shock: Scenario) -> None:
        reasons = self.reasons(shock, [key for key in shock.personas if key not in shock.latecomers])
        assert list(reasons) == ["message", "statement", "turn", "leave", "enter", "shock"]
        assert not any(reasons.values())

    def test_nothing_is_said_where_affinity_is_given(self, tribes: Scenario) -> None:
        reasons = self.reasons(tribes, list(tribes.personas))
        assert {kind for kind, reason in reasons.items() if "Affinity is given" in reason} == {
            "message",
            "statement",
            "turn",
            "shock",
        }
        assert reasons["leave"] == ""

    def test_who_is_to_leave_may_be_let_in_again(self, shock: Scenario) -> None:
        everyone = list(shock.personas)
        assert self.reasons(shock, everyone, 30)["enter"] == ""  # the steelworker leaves at step 40
        assert self.reasons(shock, everyone, 40)["enter"] == "Everyone takes part already."

    def test_no_one_to_let_in_and_no_one_to_spare(self, duet: Scenario) -> None:
        both = list(duet.personas)
        assert self.reasons(duet, both)["enter"] == "Everyone takes part already."
        assert self.reasons(duet, both)["leave"] == ""
        assert self.reasons(duet, both[:1])["leave"] == "Only one is left, and someone has to stay."


class TestBuilding:
    def test_each_kind(self, shock: Scenario) -> None:
        topic = "wind-farms"
        some = {"everyone": False, "personas": ["pensioner", "steelworker"]}
        said = {"text": "  Turbines pay for schools. ", "topic": topic}
        assert build({"kind": "message", **said, "everyone": True}, shock, 4) == Message(
            kind="message", step=5, topic=topic, text="Turbines pay for schools."
        )
        assert build({"kind": "message", **said, **some, "step": "9"}, shock, 4).personas == (
            "pensioner",
            "steelworker",
        )  # type: ignore[union-attr]
        assert isinstance(build({"kind": "statement", **said, **some}, shock, 4), Discovery)
        assert build({"kind": "turn", "topic": topic}, shock, 0) == Turn(kind="turn", step=1, topic=topic)
        assert build({"kind": "leave", "persona": "pensioner"}, shock, 0) == Leave(
            kind="leave", step=1, persona="pensioner"
        )
        assert build({"kind": "enter", "persona": "reactor-engineer"}, shock, 2) == Enter(
            kind="enter", step=3, persona="reactor-engineer"
        )  # which was to come at step 13
        assert build({"kind": "shock", "share": "0.25", **some}, shock, 0) == Shock(
            kind="shock", step=1, stubbornness=0.25, personas=("pensioner", "steelworker")
        )

    @pytest.mark.parametrize(
        ("choice", "place", "why"),
        [
            ({"kind": "message", "text": " \n", "topic": "wind-farms", "everyone": True}, "text", "is empty"),
            ({"kind": "message", "text": "x" * 5001, "topic": "wind-farms", "everyone": True}, "text", "at most 5000"),
            ({"kind": "message", "text": "a\x07b", "topic": "wind-farms", "everyone": True}, "text", r"U\+0007"),
            ({"kind": "message", "text": "x", "topic": "wind-farms"}, "personas", "choose someone"),
            ({"kind": "message", "text": "x", "topic": "coal", "everyone": True}, "kind", "topic 'coal' is not among"),
            ({"kind": "statement", "text": "x", "topic": "wind-farms", "personas": []}, "personas", "choose someone"),
            ({"kind": "turn", "topic": ""}, "topic", "nothing is chosen"),
            ({"kind": "turn", "topic": "wind-farms", "step": "4"}, "step", "a step from 5 on is accepted"),
            ({"kind": "turn", "topic": "wind-farms", "step": "soon"}, "step", "found 'soon'"),
            ({"kind": "leave", "persona": "reactor-engineer"}, "persona", "is not there"),
            ({"kind": "enter", "persona": "pensioner"}, "persona", "is there already"),
            ({"kind": "shock", "share": "1.5", "everyone": True}, "share", "less than or equal to 1"),
            ({"kind": "shock", "share": "", "everyone": True}, "share", "found ''"),
            ({"kind": "topic", "topic": "wind-farms"}, "kind", "one of those listed"),
        ],
    )
    def test_refused_at_its_place_in_one_line(
        self, shock: Scenario, choice: dict[str, Any], place: str, why: str
    ) -> None:
        with pytest.raises(Refused, match=why) as refused:
            build(choice, shock, 4)
        assert refused.value.place == place
        assert "\n" not in refused.value.why
        assert "interventions" not in refused.value.why

    def test_the_last_may_not_leave(self, duet: Scenario) -> None:
        one, other = duet.personas
        gone = Scenario.model_validate({**duet.__dict__, "interventions": (Leave(kind="leave", step=1, persona=one),)})
        with pytest.raises(Refused, match="no one is left"):
            build({"kind": "leave", "persona": other}, gone, 3)


class TestToCome:
    def test_the_soonest_first_and_by_hand_apart(self, shock: Scenario) -> None:
        mine = Leave(kind="leave", step=12, persona="pensioner")
        scenario = Scenario.model_validate({**shock.__dict__, "interventions": (*shock.interventions, mine)})
        found = coming(scenario, 12, [mine])
        assert [event.step for event, _ in found] == [13, 19, 25, 31, 31, 40]
        assert not any(hand for _, hand in found)
        assert coming(scenario, 11, [mine])[0] == (mine, True)

    def test_the_same_by_hand_as_in_the_scenario(self, shock: Scenario) -> None:
        again = shock.interventions[0]
        scenario = Scenario.model_validate({**shock.__dict__, "interventions": (*shock.interventions, again)})
        assert [hand for event, hand in coming(scenario, 0, [again]) if event == again] == [False, True]

    def test_in_words(self, shock: Scenario) -> None:
        said = ["".join(words(event, shock)) for event in shock.interventions]
        assert said[0].startswith("Everyone hears on Gas terminals: The gas has stopped flowing")
        assert said[1:3] == ["Reactor engineer enters", "Onto the agenda: Nuclear power"]
        assert said[3].startswith("Energy minister and Pensioner learn on Wind farms: ")
        assert said[4:] == [
            "homophily becomes 8.0",
            "stubbornness of Steelworker and Climate striker becomes 1",
            "Steelworker leaves",
        ]
        assert "".join(words(Turn(kind="turn", step=1, topic="wind-farms"), shock)) == "The debate turns to Wind farms"
        both = Shock(kind="shock", step=1, max_coalitions=None, stubbornness=0)
        assert "".join(words(both, shock)) == "max coalitions becomes none; and stubbornness of everyone becomes 0"

    def test_names_stay_apart_from_words(self, shock: Scenario) -> None:
        people = {**shock.personas, "pensioner": shock.personas["pensioner"].model_copy(update={"name": EVIL})}
        scenario = Scenario.model_validate({**shock.__dict__, "personas": people})
        event = Leave(kind="leave", step=3, persona="pensioner")
        scenario = scenario.model_copy(update={"interventions": (event,)})
        (row,) = told(scenario, 0, [])
        assert row == {
            "step": 3,
            "hand": False,
            "words": [{"text": EVIL, "name": True, "agent": None}, {"text": " leaves", "name": False, "agent": None}],
        }


class TestScenarios:
    def test_the_shipped_ones_and_the_one_that_was_opened(self, duet: Scenario) -> None:
        from ecosystem.app.controls.scenarios import describe_choice, known_scenarios

        known = known_scenarios(duet)
        assert {"climate-debate", "climate-duet", "climate-shock", "highland-tribes", "unix-1988"} <= set(known)
        assert " opened" not in known
        people = {**duet.personas, "third": Persona(name=EVIL, corpus=duet.personas["agent-a"].corpus[:1])}
        mine = Scenario.model_validate({**duet.__dict__, "name": "mine", "title": EVIL, "personas": people})
        known = known_scenarios(mine)
        assert next(iter(known)) == " opened"
        assert describe_choice(" opened", mine, True)["title"] == EVIL
        row = describe_choice("highland-tribes", known["highland-tribes"], False)
        assert (row["note"], row["chosen"]) == ("16 personas, 1 topic, affinity given", False)
        assert row["sentence"].startswith("Alliance (+1) and enmity (-1) by warfare among sixteen tribes")
        assert len(row["sentence"]) <= 180

    def test_one_that_cannot_be_read_says_why(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from ecosystem.app.controls.scenarios import describe_choice, known_scenarios

        (tmp_path / "scenarios" / "broken").mkdir(parents=True)
        (tmp_path / "scenarios" / "broken" / "scenario.yaml").write_text("personas: 3\n")
        monkeypatch.chdir(tmp_path)
        row = describe_choice("broken", known_scenarios()["broken"], False)
        assert "personas" in row["reason"]


class TestComponents:
    """The components in Python, without a browser: what reaches the page and what comes back from it."""

    def show(self, element: Any) -> tuple[Any, Any]:
        import ipyvuetify
        import solara

        _, context = solara.render(element, handle_error=False)
        found = [
            widget for widget in context.find(ipyvuetify.VuetifyTemplate).widgets if "template_file" in dir(widget)
        ]
        form_ = next(widget for widget in found if {"groups", "choices", "offers"} & set(widget.trait_names()))
        return form_, context

    def test_a_parameter_is_changed_set_back_and_refused(self) -> None:
        from ecosystem.app.controls import ParameterForm

        told: list[tuple[str, Any]] = []
        values = defaults(homophily=5.0)
        element = ParameterForm(values, values, {}, lambda name, value: told.append((name, value)), False)
        shown, context = self.show(element)
        shown.vue_change({"name": "bias", "text": "12"})
        shown.vue_change({"name": "bias", "text": "8"})  # as it is
        shown.vue_reset("homophily")
        shown.vue_draw(None)
        assert told[:2] == [("bias", 12.0), ("homophily", 2.0)]
        assert told[2][0] == "seed"
        assert 0 <= told[2][1] < 1_000_000
        shown.vue_change({"name": "bias", "text": "lots"})
        shown.vue_change({"name": "no such", "text": "1"})
        assert len(told) == 3
        bias = next(one for group in shown.groups for one in group["fields"] if one["name"] == "bias")
        assert bias["text"] == "lots"
        assert bias["complaint"].startswith("found 'lots'; ")
        context.close()

    def test_what_the_page_refuses_is_shown_at_the_input(self) -> None:
        from ecosystem.app.controls import ParameterForm

        def refuse(name: str, value: Any) -> None:
            raise InputError(name, "cannot change now")

        shown, context = self.show(ParameterForm(defaults(), defaults(), {}, refuse, True))
        shown.vue_change({"name": "bias", "text": "12"})
        bias = next(one for group in shown.groups for one in group["fields"] if one["name"] == "bias")
        assert (bias["text"], bias["complaint"]) == ("12", "cannot change now")
        context.close()

    def test_an_intervention_is_made_refused_and_taken_back(self, shock: Scenario) -> None:
        from ecosystem.app.controls import Interventions

        made: list[Any] = []
        undone: list[Any] = []
        mine = Turn(kind="turn", step=9, topic="wind-farms")
        scenario = Scenario.model_validate({**shock.__dict__, "interventions": (*shock.interventions, mine)})
        here = np.array([key not in shock.latecomers for key in shock.personas])
        shown, context = self.show(Interventions(scenario, 3, here, made.append, (mine,), undone.append))
        assert [(row["step"], row["hand"]) for row in shown.coming][:2] == [(9, True), (10, False)]
        engineer = next(one for one in shown.people if one["key"] == "reactor-engineer")
        assert (engineer["here"], engineer["may_enter"], engineer["may_leave"]) == (False, True, True)
        shown.vue_submit({"kind": "turn", "topic": "wind-farms", "step": "2"})
        assert (made, shown.complaint["place"], shown.done) == ([], "step", 0)
        shown.vue_submit({"kind": "turn", "topic": "gas-terminals", "step": ""})
        assert made == [Turn(kind="turn", step=4, topic="gas-terminals")]
        assert (shown.complaint["place"], shown.done) == ("", 1)
        shown.vue_cancel(1)  # the scenario's own
        shown.vue_cancel(-1)
        shown.vue_cancel(99)
        assert undone == []
        shown.vue_cancel(0)
        assert undone == [mine]
        context.close()

    def test_a_preset_is_applied(self) -> None:
        from ecosystem.app.controls import Presets

        applied: list[dict[str, Any]] = []
        own = defaults()
        shown, context = self.show(Presets(applied.append, {**own, **CONSENSUS.parameters}, own))
        assert [one["chosen"] for one in shown.choices] == [False, True, False, False]
        shown.vue_choose("Fragmentation")
        shown.vue_choose("The scenario's own")
        shown.vue_choose("../../etc/passwd")
        assert applied == [dict(FRAGMENTATION.parameters), {}]
        context.close()

    def test_a_scenario_is_chosen_among_those_listed(self, shock: Scenario) -> None:
        from ecosystem.app.controls import ScenarioChooser

        chosen: list[Scenario] = []
        shown, context = self.show(ScenarioChooser(shock.with_parameters(bias=1), chosen.append, shock))
        assert [one["key"] for one in shown.choices if one["chosen"]] == ["climate-shock"]
        for key in ("climate-shock", "/etc/passwd", "../climate-duet", "climate-duet"):
            shown.vue_choose(key)
        assert [scenario.name for scenario in chosen] == ["climate-duet"]
        context.close()
