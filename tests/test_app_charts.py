"""What the charts of the browser view say of a debate, as plain data; the browser is not needed for that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.persona import Persona
from ecosystem.app.charts import affinity, forecast, measures, steps, timeline, trajectories
from ecosystem.app.charts.chart import file_name
from ecosystem.app.charts.panels import coalitions_legend
from ecosystem.app.charts.raster import cells_of
from ecosystem.app.charts.theme import DARK, LIGHT, affinity_colours
from ecosystem.app.debates.course import Course
from ecosystem.app.debates.scenes import Scene, Setting, Told
from ecosystem.app.debates.view import View
from ecosystem.jepa.statements import Statements
from ecosystem.measures import CATALOGUE
from ecosystem.report.prose import Sentence
from ecosystem.scenario import Scenario

HOSTILE = "<img src=x onerror=alert(1)>"


class Fake:
    """A debate made up: two coalitions of which one loses an agent at step 3, and who is absent."""

    def __init__(self, n: int, n_steps: int, *, planned: int = 50, statements: int = 8, churn: float = 0.0) -> None:
        rng = np.random.default_rng(1)
        self.setting = _setting(n, planned, statements, rng)
        self.course = Course()
        self.scenes: list[Scene] = []
        partition = -1 - np.arange(n)
        points = rng.normal(size=(n, 2)).astype(np.float32)
        for step in range(n_steps + 1):
            if step == 1:
                partition = np.where(np.arange(n) < (n + 1) // 2, 4, 7)
            if step == 3:
                partition = partition.copy()
                partition[0] = -1
            if churn and step > 3:
                moved = rng.random(n) < churn
                partition = np.where(moved, rng.integers(1, 12, n) + step // 50, partition)
            points = points + rng.normal(scale=0.05, size=(n, 2)).astype(np.float32)
            scene = _scene(step, n, partition, points, rng)
            self.scenes.append(scene)
            self.course.add(scene, None if step == 0 else {name: rng.random() for name in CATALOGUE})

    @property
    def now(self) -> int:
        return len(self.scenes) - 1

    def scene(self, step: int) -> Scene:
        return self.scenes[step]

    def why(self, event: int) -> Sentence:
        return ("because",)


def _setting(n: int, planned: int, statements: int, rng: np.random.Generator) -> Setting:
    scenario = Scenario.model_validate(
        {
            "name": "made-up",
            "topics": [{"id": "coal", "title": "<b>Coal</b>"}, {"id": "wind"}],
            "personas": {f"a{k}": {"name": f"A{k}", "corpus": [{"topic": "coal", "text": "Yes."}]} for k in range(n)},
            "parameters": {"steps": planned},
        }
    )
    square = np.zeros((statements, statements))
    latents = rng.normal(size=(statements, 6)).astype(np.float32)
    topic_of = np.zeros(statements, np.int64)
    table = Statements(("Yes.",) * statements, topic_of, square, square, square, latents, square)
    names = [HOSTILE, "{b} {c|x}", *(f"Agent {k}" for k in range(2, n))]
    personas = tuple(Persona(f"a{k}", name, "", (0,)) for k, name in enumerate(names))
    return Setting(scenario, personas, table, np.zeros(statements))


def _scene(step: int, n: int, partition: NDArray[Any], points: NDArray[np.float32], rng: np.random.Generator) -> Scene:
    affinity = rng.uniform(-0.6, 0.6, (n, n)).astype(np.float32)
    np.fill_diagonal(affinity, np.nan)
    expected = (affinity + rng.normal(scale=0.1, size=(n, n))).clip(-1, 1).astype(np.float32)
    if step == 0:
        affinity = expected = np.full((n, n), np.nan, np.float32)
    present = np.ones(n, bool)
    present[-1] = step >= 4
    where = points.copy()
    where[~present] = np.nan
    told = {
        1: (Told(1, "form", (HOSTILE, " formed coalition 4."), (0, 1), 0),),
        2: (Told(2, "intervention", ("Everyone heard ", HOSTILE), (0,), None),),
        3: (Told(3, "leave", ("A0 left."), (0,), 1),),
    }.get(step, ())
    label = partition.astype(np.int64).copy()
    label[~present] = -1 - np.flatnonzero(~present)
    zeros = np.zeros(n, np.int64)
    return Scene(
        step, None if step == 0 else (step - 1) // 3 % 2, zeros, zeros, zeros > 0, expected, affinity,
        np.nan_to_num((affinity + affinity.T) / 2), label, present, np.zeros((n, 2), np.float32), ((0,),) * n, step,
        where, np.zeros((n, 2), np.float32), present, told, 0.03,
    )  # fmt: skip


@pytest.fixture(scope="module")
def small() -> Fake:
    return Fake(6, 8)


OPTIONS: dict[str, Callable[[View], dict[str, Any]]] = {
    "affinity": affinity.affinity_option,
    "forecast affinity": lambda view: affinity.affinity_option(view, "forecast", 1),
    "alignment": lambda view: affinity.affinity_option(view, "alignment"),
    "trajectories": trajectories.trajectories_option,
    "whole trajectories": lambda view: trajectories.trajectories_option(view, is_whole=True),
    "timeline": timeline.timeline_option,
    "measure": lambda view: measures.measure_option(view, "coalitions"),
    "outcome": forecast.outcome_option,
    "skill": forecast.skill_option,
    "brier": lambda view: forecast.skill_option(view, "brier"),
}


def at(viewing: Fake, step: int, **more: Any) -> View:
    return View(viewing, step, **more)


def series(option: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in option["series"] if one["id"] == name)


# What holds for all charts.


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("dark", [False, True])
def test_every_chart_is_plain_data_at_every_step(small: Fake, name: str, dark: bool) -> None:
    for step in range(small.now + 1):
        option = OPTIONS[name](at(small, step, dark=dark, selected=1))
        assert json.loads(json.dumps(option, allow_nan=False)) == option
        assert option["animation"] is False
        assert option["aria"]["label"]["description"]
        assert option["tooltip"]["renderMode"] == "richText"


@pytest.mark.parametrize("name", OPTIONS)
def test_every_chart_stands_before_the_first_step(name: str) -> None:
    json.dumps(OPTIONS[name](at(Fake(4, 0), 0)), allow_nan=False)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_chart_has_an_id_for_all_that_is_replaced(small: Fake, name: str) -> None:
    option = OPTIONS[name](at(small, 5))
    for kind in ("grid", "xAxis", "yAxis", "series"):
        ids = [one["id"] for one in option[kind]]
        assert len(set(ids)) == len(ids)
    assert set(option.get("drawn", {})) <= {one["id"] for one in option["series"] if one["type"] == "custom"}


def test_names_are_never_templates(small: Fake) -> None:
    """Formatters are names of functions in the browser, or words of ours; nothing of a corpus is among them."""
    found: list[str] = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            found.extend(value for key, value in part.items() if key == "formatter")
            walk(list(part.values()))
        elif isinstance(part, list):
            for one in part:
                walk(one)

    for build in OPTIONS.values():
        walk(build(at(small, 5)))
    assert set(found) <= {"number", "name", "item", "steps", "pair", "chance", "a coin's"}


@pytest.mark.parametrize(("n", "n_steps", "most"), [(12, 2000, 60), (200, 500, 300), (200, 2000, 300)])
def test_charts_of_long_debates_stay_small(n: int, n_steps: int, most: int) -> None:
    viewing = Fake(n, n_steps, planned=n_steps, churn=0.01)
    view = at(viewing, n_steps)
    for name in ("timeline", "affinity", "trajectories", "measure", "skill", "outcome"):
        began = time.perf_counter()
        option = OPTIONS[name](view)
        assert time.perf_counter() - began < 2.0, name  # ten times what it takes, for a machine that is busy
        assert len(json.dumps(option, separators=(",", ":")).encode()) < most * 1000, name


# Affinity.


def test_the_map_shows_speakers_as_rows_by_coalition(small: Fake) -> None:
    view = at(small, 5)
    option = affinity.affinity_option(view, "observed", 1)
    names = option["yAxis"][0]["data"]
    assert names == option["xAxis"][0]["data"]
    order = [small.setting.names.index(name) for name in names]
    # 3, 4 and 5 are together, then 1 and 2; 0 left.
    assert [set(order[:3]), set(order[3:5]), order[5]] == [{3, 4, 5}, {1, 2}, 0]
    drawn = option["drawn"]["affinity"]
    cells = cells_of(drawn)
    row, column = order.index(4), order.index(1)
    observed = float(view.scene.observed[4, 1])
    assert drawn["said"][cells[row, column]] == f"{observed:+.2f}".replace("-", "−")
    assert drawn["said"][cells[row, row]] == "itself"
    assert option["drawn"]["blocks"]["blocks"] == [
        [0, 3, view.colours[7], True],
        [3, 5, view.colours[4], True],
        [5, 6, LIGHT.alone, False],
    ]


def test_those_who_are_absent_come_last_and_have_no_affinity(small: Fake) -> None:
    view = at(small, 2)
    option = affinity.affinity_option(view, "alignment")
    assert option["yAxis"][0]["data"][-1] == "Agent 5"
    cells = cells_of(option["drawn"]["affinity"])
    assert set(cells[-1, :-1].tolist()) == {0}
    assert set(cells[:-1, -1].tolist()) == {0}


def test_the_mean_is_over_the_last_steps(small: Fake) -> None:
    mean = affinity.shown_affinity(at(small, 7), "observed", 5)
    expected = np.mean([small.scenes[step].observed[2, 3] for step in (3, 4, 5, 6, 7)])
    assert mean[2, 3] == pytest.approx(expected, abs=1e-6)
    early = affinity.shown_affinity(at(small, 2), "observed", 5)
    assert early[2, 3] == pytest.approx(np.mean([small.scenes[step].observed[2, 3] for step in (1, 2)]), abs=1e-6)


def test_the_scale_of_affinity_is_fixed_and_diverges() -> None:
    for dark, inks in ((False, LIGHT), (True, DARK)):
        colours = affinity_colours(dark)
        assert (colours[0], colours[100], colours[200]) == (inks.diverging[0], inks.diverging[4], inks.diverging[8])
        red, _, blue = (int(colours[60][k : k + 2], 16) for k in (1, 3, 5))
        assert red > blue  # orange below 0
        red, _, blue = (int(colours[140][k : k + 2], 16) for k in (1, 3, 5))
        assert blue > red  # purple above
    one, other = (affinity.affinity_option(at(Fake(4, 5), step))["visualMap"] for step in (2, 5))
    assert one == other


def test_rows_stay_while_a_debate_goes_on() -> None:
    viewing = Fake(9, 19, churn=0.3)
    whole = affinity.standing_order(at(viewing, 19))
    viewing.scenes.pop()
    assert affinity.standing_order(at(viewing, 18)).tolist() == whole.tolist()
    assert sorted(whole.tolist()) == list(range(9))


# Positions.


def test_axes_of_positions_do_not_move_with_the_step_shown(small: Fake) -> None:
    one, other = (trajectories.trajectories_option(at(small, step)) for step in (1, 7))
    for axis in ("xAxis", "yAxis"):
        assert (one[axis][0]["min"], one[axis][0]["max"]) == (other[axis][0]["min"], other[axis][0]["max"])
    points = small.course.points
    assert one["xAxis"][0]["min"] < np.nanmin(points[..., 0])
    assert one["yAxis"][0]["max"] > np.nanmax(points[..., 1])
    share = small.setting.plane[2]
    assert f"{share[0]:.0%}" in one["xAxis"][0]["name"]


def test_positions_and_tails_are_those_of_the_steps(small: Fake) -> None:
    view = at(small, 6, selected=2)
    option = trajectories.trajectories_option(view)
    agents = {point["id"]: point for point in series(option, "agents")["data"]}
    assert agents["0"]["value"] == pytest.approx(small.scenes[6].points[0].tolist(), rel=1e-3)
    assert agents["0"]["name"] == HOSTILE
    assert agents["3"]["itemStyle"]["color"] == view.colours[7]
    assert agents["2"]["symbolSize"] > agents["3"]["symbolSize"]
    tail = option["drawn"]["paths"]["tails"][5]["points"]
    assert tail[:4] == [None] * 4  # absent before step 4
    assert tail[4] == pytest.approx(small.scenes[4].points[5].tolist(), rel=1e-3)
    absent = trajectories.trajectories_option(at(small, 2))
    assert "5" not in {point["id"] for point in series(absent, "agents")["data"]}


def test_a_tail_is_of_the_last_steps_unless_the_whole_path_is_wanted() -> None:
    viewing = Fake(3, 60)
    tail = trajectories.trajectories_option(at(viewing, 50))["drawn"]["paths"]["tails"][0]["points"]
    whole = trajectories.trajectories_option(at(viewing, 50), is_whole=True)["drawn"]["paths"]["tails"][0]["points"]
    assert (len(tail), len(whole)) == (trajectories.TAIL + 1, 51)
    assert tail[-1] == whole[-1] == pytest.approx(viewing.scenes[50].points[0].tolist(), rel=1e-3)


# The timeline.


def test_the_timeline_says_who_was_where(small: Fake) -> None:
    option = timeline.timeline_option(at(small, 5), np.arange(6))
    bands = option["drawn"]["bands"]
    said = np.array(bands["said"], object)[cells_of(bands)]
    assert said[0].tolist() == ["alone", "coalition 4", "coalition 4", *["alone"] * 6]
    assert said[5].tolist() == [*["absent"] * 4, *["coalition 7"] * 5]
    colours = dict(zip(bands["said"], bands["palette"], strict=True))
    assert colours["coalition 4"] == small.course.colours[4]
    assert colours["absent"] is None
    assert bands["columns"][3] == "step 3"
    assert ([3, 0.5, 8.5, "7", "#222222"]) in option["drawn"]["numbers"]["labels"]


def test_events_stand_in_the_bands_of_their_agents(small: Fake) -> None:
    option = timeline.timeline_option(at(small, 5), np.arange(6)[::-1])
    formed = series(option, "form")["data"]
    assert [point["value"] for point in formed] == [[0.72, 5], [0.72, 4]]
    assert formed[0]["words"] == f"Step 1: {HOSTILE} formed coalition 4."
    assert series(option, "leave")["data"][0]["value"] == [2.28, 5]
    lines = option["drawn"]["lines"]["lines"]
    assert [(line["x"], line["label"]) for line in lines] == [(1.5, "A"), (5, "")]
    assert HOSTILE in lines[0]["words"]


def test_topics_under_debate_are_stretches(small: Fake) -> None:
    topics = timeline.timeline_option(at(small, 5))["drawn"]["topics"]
    assert topics["bands"] == [[0.5, 3.5, 0], [3.5, 6.5, 1], [6.5, 8.5, 0]]
    assert topics["texts"] == ["<b>Coal</b>", "wind"]


def test_a_long_timeline_has_columns_that_stand_for_their_neighbours() -> None:
    viewing = Fake(3, 1999, planned=2000)
    option = timeline.timeline_option(at(viewing, 7))
    bands = option["drawn"]["bands"]
    assert bands["size"] == [3, steps.MOST]
    assert bands["x"] == [-0.5, 1999.5]
    assert bands["columns"][:2] == ["step 2", "step 6"]
    assert {point["words"] for point in series(option, "form")["data"]} == {"Steps 0–7: form, 2 agents"}


def test_more_coalitions_than_a_byte_are_told_by_colour() -> None:
    viewing = Fake(30, 400)
    for step, scene in enumerate(viewing.scenes):
        scene.partition[:] = np.arange(30) // 2 + step if step else -1
    viewing.course = Course()
    for scene in viewing.scenes:
        viewing.course.add(scene, None)
    view = at(viewing, 400)
    bands = timeline.timeline_option(view, np.arange(30))["drawn"]["bands"]
    assert "in a coalition" in bands["said"]
    shown = np.array(bands["palette"], object)[cells_of(bands)]
    assert shown[4, 300] == view.colours[2 + 300]


# Measures.


def test_a_measure_is_drawn_at_its_steps(small: Fake) -> None:
    view = at(small, 3)
    option = measures.measure_option(view, "frustration")
    data = series(option, "series")["data"]
    assert data[0] == [0, None]
    assert data[3][1] == pytest.approx(float(small.course.measure("frustration")[3]), rel=1e-3)
    assert series(option, "now")["data"][0][0] == 3
    assert series(measures.measure_option(at(small, 0), "frustration"), "now")["data"] == []
    assert measures.value_in_words(at(small, 0), "frustration") == "–"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("coalitions", 3.0, "3"), ("largest", 0.361, "36%"), ("distance_variance", 0.00093, "0.00093"),
     ("mean_alignment", -0.5, "−0.50"), ("potential", 12.0, "12.00")],
)  # fmt: skip
def test_values_are_written_as_readers_see_them(name: str, value: float, words: str) -> None:
    viewing = Fake(4, 0)
    viewing.scenes.append(viewing.scenes[0])
    viewing.course.add(viewing.scenes[0], dict.fromkeys(CATALOGUE, value))
    assert measures.value_in_words(at(viewing, 1), name) == words


def test_what_is_shown_first_is_in_the_catalogue() -> None:
    assert set(measures.FIRST) <= set(CATALOGUE)
    assert len(measures.FIRST) == 6


def test_thinned_series_keep_their_spikes_and_gaps() -> None:
    values = np.zeros(5000)
    values[1234], values[4321] = 9.0, -9.0
    values[:20] = np.nan
    points = steps.thinned(values)
    assert len(points) <= steps.MOST
    assert [1234, 9.0] in points
    assert [4321, -9.0] in points
    assert points[0][1] is None


# Forecasts.


def test_pairs_have_their_forecast_and_their_outcome(small: Fake) -> None:
    view = at(small, 4, selected=2)
    option = forecast.outcome_option(view)
    points = series(option, "pairs")["data"] + series(option, "chosen")["data"]
    assert len(points) == 6 * 5
    foreseen, observed, speaker, listener = series(option, "chosen")["data"][0]
    assert 2 in (speaker, listener)
    assert foreseen == pytest.approx(float(view.scene.forecast[speaker, listener]), abs=1e-3)
    assert observed == pytest.approx(float(view.scene.observed[speaker, listener]), abs=1e-3)
    assert option["names"][0] == HOSTILE


def test_many_pairs_are_counted() -> None:
    view = at(Fake(60, 2), 2)
    option = forecast.outcome_option(view)
    counts = option["drawn"]["counts"]
    said = np.array(counts["said"], object)[cells_of(counts)].ravel()
    assert sum(int(words.split()[0].replace(",", "")) for words in said if words) == 60 * 59
    assert series(option, "pairs")["data"] == []
    high = np.flatnonzero((cells_of(counts) > 0).any(1))
    assert counts["rows"][0].startswith("observed 0.9")  # the highest outcome on top
    assert high.min() > 5  # nothing was observed beyond .6


def _scored(jepa: float, cosine: float, last: float) -> View:
    viewing = Fake(4, 0)
    for step in (1, 2, 3):
        viewing.scenes.append(_scene(step, 4, np.zeros(4, int), np.zeros((4, 2), np.float32), np.random.default_rng(1)))
        values = dict.fromkeys(CATALOGUE, 0.0)
        values |= {"forecast_correlation": jepa, "cosine_correlation": cosine, "persistence_correlation": last}
        viewing.course.add(viewing.scenes[-1], values)
    return at(viewing, 3)


def test_the_verdict_is_in_plain_words() -> None:
    assert forecast.verdict(_scored(0.6, 0.2, 0.75)) == (
        "Over the 3 steps scored so far, the JEPA’s forecasts do better than chance: correlation 0.60 with what "
        "happened, above 0 in 3 of 3. Cosine similarity does worse (0.20). Repeating what was last observed does "
        "better (0.75)."
    )
    poor = forecast.verdict(_scored(-0.2, -0.2, np.nan))
    assert "no better than chance" in poor
    assert "Cosine similarity does as well (−0.20)." in poor
    assert "Repeating" not in poor
    assert "too few pairs" in forecast.verdict(_scored(np.nan, 0.2, 0.1))


def test_skill_compares_three_forecasts_with_chance(small: Fake) -> None:
    option = forecast.skill_option(at(small, 4))
    names = [one["name"] for one in option["series"] if one["type"] == "line" and "name" in one]
    assert names == ["JEPA", "cosine similarity", "last observed"]
    assert series(option, "level")["markLine"]["data"] == [{"yAxis": 0.0}]
    assert series(forecast.skill_option(at(small, 4), "brier"), "level")["markLine"]["data"] == [{"yAxis": 0.25}]


# Around the charts.


def test_the_legend_names_coalitions_the_largest_first(small: Fake) -> None:
    view = at(small, 5)
    assert coalitions_legend(view) == (
        (view.colours[7], "coalition 7 (3)"),
        (view.colours[4], "coalition 4 (2)"),
        ("#9e9e9e", "alone (1)"),
    )


def test_a_file_name_says_scenario_panel_and_step() -> None:
    assert file_name("climate-debate", "Who agrees with whom", 12) == "climate-debate-who-agrees-with-whom-step-12"
