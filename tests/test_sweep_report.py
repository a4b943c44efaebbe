"""A sweep's figures, findings, page and notebook object, on sweeps whose outcomes are made up and so known."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ecosystem.errors import InputError
from ecosystem.measures import CATALOGUE
from ecosystem.reading import load_scenario
from ecosystem.record.manifest import provenance, write_manifest
from ecosystem.record.tables import schemas
from ecosystem.report.experiments import sweep_figures
from ecosystem.report.experiments.notebook import Sweep, read_sweep
from ecosystem.report.experiments.sweep_effects import Effect, effects, rank_correlation
from ecosystem.report.experiments.sweep_figures import draw_over_time, draw_phases, draw_responses, time_columns
from ecosystem.report.experiments.sweep_lines import Maker, exact, failures, lines, reading, seeds
from ecosystem.report.experiments.sweep_page import write_report
from ecosystem.report.experiments.sweep_panels import running_median
from ecosystem.report.experiments.sweep_response import Response
from ecosystem.report.experiments.sweep_story import clusters, design_in_words, findings, split_outcomes, title
from ecosystem.report.page import figure_files, png_of
from ecosystem.scenario import Parameters, Scenario
from ecosystem.sweep.dataset import FAILURES, encode, labelled, store
from ecosystem.sweep.design import SAMPLED, grid, read_axes, sample
from ecosystem.sweep.plan import Plan, make_plan, settle
from ecosystem.sweep.summarise import summarise
from ecosystem.sweep.work import failure_row

HOSTILE = "<img src=x onerror=alert(1)>"
FIGURES = ("responses", "phases", "over-time")
MEASURES = list(CATALOGUE)

Made = Callable[[Mapping[str, Any], int], Mapping[str, Any] | Exception]
"""Makes up the measures of a run from its design point and replicate: a number, a value a step, or why it fails."""


def scenario(**changes: Any) -> Scenario:
    said = [{"text": "Coal must go.", "topic": "coal"}]
    raw = {
        "name": "made-up",
        "title": f"{HOSTILE} debate",
        "topics": [{"id": "coal"}],
        "personas": {key: {"name": key, "corpus": said} for key in "abcd"},
        "parameters": {"steps": 4, "seed": 3},
    }
    return Scenario.model_validate(raw | changes)


def table(steps: int, made: Mapping[str, Any]) -> pa.Table:
    """Return the metrics of a run that was made up; measures of which nothing is said vary with their place alone."""
    schema = schemas(1)["metrics"]
    columns: dict[str, Any] = {name: [0.5] * steps for name in MEASURES}
    columns |= {"step": range(1, steps + 1), "topic": ["coal"] * steps, "settled": [True] * steps}
    columns |= {"cycle": [None] * steps, **{name: [True] * steps for name in schema.names if name.endswith("_stable")}}
    for name, values in made.items():
        columns[name] = np.broadcast_to(np.asarray(values, np.float64), steps).tolist()
    return pa.table([pa.array(list(columns[field.name]), field.type) for field in schema], schema)


def make(
    folder: Path,
    vary: Sequence[str],
    made: Made,
    replicates: int = 6,
    design: Any = "grid",
    samples: int = 0,
    only: Callable[[int, int], bool] = lambda *_: True,
    given: Scenario | None = None,
) -> Sweep:
    """Write a sweep whose runs are made up, with its summaries and manifest."""
    axes, of = read_axes(vary), given or scenario()
    points = sample(axes, design, samples, 0) if design in SAMPLED else grid(axes)
    plan = settle(make_plan(of, axes, points, replicates, "0" * 64, design), folder)
    for job in plan.jobs():
        if not only(job.point, job.replicate):
            continue
        values = made(job.changes, job.replicate)
        if isinstance(values, Exception):
            store(folder, job, {FAILURES: encode(failure_row(job, str(values), "Traceback"))})
        else:
            metrics = labelled(table(plan.steps(job.changes), values), job)
            events = labelled(schemas(1)["events"].empty_table(), job)
            store(folder, job, {"metrics": encode(metrics), "events": encode(events)})
    summarise(folder)
    write_manifest(folder, {"kind": "sweep", "status": "complete", "wall_s": 1.0, **provenance()})
    return Sweep(folder)


def noise(replicate: int, salt: int = 0) -> float:
    return float(np.random.default_rng([replicate, salt]).normal())


def planted(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
    """Homophily raises the coalitions and lowers the share alone; entry moves churn; what is left is noise."""
    h, chance = point["homophily"], noise(replicate)
    nash = point.get("entry") == "nash"
    return {
        "coalitions": [1, 1, 2, round(2 + h / 3) + (replicate % 2)],
        "largest": 0.5 + 0.02 * chance,
        "alone": 0.6 - 0.05 * h + 0.01 * chance,
        "frustration": 0.3 + 0.01 * noise(replicate, 1),
        "distance_variance": 0.001 + 0.0001 * noise(replicate, int(h) + 2),
        "opinion_variance": 0.2,
        "forecast_correlation": np.array([np.nan, 0.5, 0.6, 0.7]) + 0.01 * chance,
        "churn": (0.3 if nash else 0.1) + 0.01 * chance,
    }


VARY = ("homophily=0,3,9", "entry=nash,individual")


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw few pixels, where it is no matter what they show."""

    def save(figure: Figure, folder: Path, name: str) -> bytes:
        path, _ = figure_files(folder, name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png_of(figure, 20))
        return path.read_bytes()

    monkeypatch.setattr("ecosystem.report.page.save_figure", save)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write pages without figures."""
    monkeypatch.setattr("ecosystem.report.experiments.sweep_page.FIGURES", ())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    sweep = make(tmp_path_factory.mktemp("sweeps") / "whole", VARY, planted)
    write_report(sweep.path)
    return sweep


@pytest.fixture(scope="module")
def page(whole: Sweep) -> str:
    return (whole.path / "report.html").read_text()


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.S)).split())


def median_of(sweep: Sweep, measure: str, outcome: str = "end", **at: Any) -> pd.Series:
    rows = sweep.outcomes[(sweep.outcomes["measure"] == measure) & (sweep.outcomes["outcome"] == outcome)]
    for name, value in at.items():
        rows = rows[rows[name] == value]
    return rows.set_index("point")["median"]


# --- what is drawn is what the tables say ---


def test_curves_are_the_medians_and_bands_of_the_outcomes(whole: Sweep) -> None:
    ax = whole.plot_response("alone")
    for line, entry in zip(ax.lines, ("nash", "individual"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [0, 3, 9])
        np.testing.assert_array_equal(line.get_ydata(), median_of(whole, "alone", entry=entry))
    rows = whole.outcomes.query("measure == 'alone' and outcome == 'end' and entry == 'nash'")
    edges = ax.collections[0].get_paths()[0].vertices
    for h, low, high in zip(rows["homophily"], rows["low"], rows["high"], strict=True):
        assert {low, high} <= set(edges[edges[:, 0] == h][:, 1])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("homophily", "Agents alone, at the end")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["nash", "individual"]


def test_skill_and_churn_are_means_over_the_steps(whole: Sweep) -> None:
    line = whole.plot_response("churn").lines[0]
    np.testing.assert_array_equal(line.get_ydata(), median_of(whole, "churn", "mean", entry="nash"))
    assert whole.plot_response("forecast_correlation").get_ylabel().endswith("mean over the steps")
    runs = Response(whole).runs(next(one for one in Response(whole).headlines if one.measure == "forecast_correlation"))
    np.testing.assert_allclose(runs[0], [0.6 + 0.01 * noise(r) for r in range(6)])


def test_a_phase_diagram_has_the_medians(whole: Sweep) -> None:
    ax = whole.plot_phase("coalitions")
    image = np.asarray(ax.images[0].get_array())
    medians = median_of(whole, "coalitions")
    for point in whole.points.to_dict("records"):
        row, column = ["nash", "individual"].index(point["entry"]), [0, 3, 9].index(point["homophily"])
        assert image[row, column] == medians[point["point"]]
    assert {text.get_text() for text in ax.texts} >= {"2.5", "3.5", "5.5"}
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "3", "9"]
    flipped = whole.plot_phase("coalitions", x="entry", y="homophily")
    np.testing.assert_array_equal(np.asarray(flipped.images[0].get_array()), image.T)


def test_paths_are_the_bands(whole: Sweep) -> None:
    ax = whole.plot_over_time("coalitions")
    rows = whole.bands.query("measure == 'coalitions' and point == 0")
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), rows["step"])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), rows["median"])
    assert len(ax.lines) == 6
    assert ax.lines[0].get_label() == "0, nash"
    assert ax.get_legend().get_title().get_text() == "homophily, entry"


def test_figures_use_given_axes_and_refuse_what_is_not_there(whole: Sweep) -> None:
    ax = Figure().add_subplot()
    assert whole.plot_response("largest", ax=ax) is ax
    assert whole.plot_response("nash_stable").get_ylabel() == "Nash stable, at the end"
    with pytest.raises(InputError, match=r"coalition.*is not a measure of this sweep.*coalitions"):
        whole.plot_response("coalition")
    with pytest.raises(InputError, match=r"bias.*does not vary"):
        whole.plot_response(x="bias")
    with pytest.raises(InputError, match="twice"):
        whole.plot_phase(x="entry", y="entry")


def test_the_figure_of_responses_has_a_panel_an_outcome_that_differs(whole: Sweep) -> None:
    figure = draw_responses(Response(whole))
    assert figure is not None
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[:4] == ["Coalitions", "Largest coalition", "Agents alone", "Frustration"]
    assert "Opinion variance" not in titles, "the same in every run"
    colours = [to_rgb(line.get_color()) for line in figure.axes[0].lines]
    assert len(set(colours)) == 2


def test_phases_and_paths_show_count_polarization_and_skill(whole: Sweep) -> None:
    phases, paths = draw_phases(Response(whole)), draw_over_time(Response(whole))
    assert phases is not None
    assert paths is not None
    named = [ax.get_title(loc="left").split(",")[0] for ax in phases.axes]
    assert named == ["Coalitions", "Distance variance", "Forecast skill"]
    assert len(paths.axes) == 3 * 3, "a row a measure, a column a value of homophily"


def test_points_with_two_clusters_are_hollow_and_their_runs_shown(tmp_path: Path, plain: None) -> None:
    def split(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        apart = 0.8 if replicate % 2 and point["homophily"] == 9 else 0.1
        return {**planted(point, replicate), "alone": apart + 0.001 * noise(replicate)}

    sweep = make(tmp_path / "s", ["homophily=0,5,9"], split, replicates=12)
    response = Response(sweep)
    ax = next(ax for ax in draw_responses(response).axes if ax.get_title(loc="left") == "Agents alone")  # type: ignore[union-attr]
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xdata().tolist() for line in hollow] == [[9.0]]
    dots = np.concatenate([line.get_ydata() for line in ax.lines if line.get_alpha() == 0.6])
    ends = sweep.metrics.query("homophily == 9 and step == 4")["alone"]
    assert sorted(dots) == sorted(ends)
    told = split_outcomes(response)
    assert len(told) == 1
    assert (
        "At homophily = 9 the runs fall in two clusters by share of agents alone: 6 near 10% and 6 near 80%" in told[0]
    )
    assert "misleads" in told[0]
    write_report(sweep.path)
    html = (sweep.path / "report.html").read_text()
    assert "†" in html
    assert "Two clusters" in html


# --- what is told ---


def found(sweep: Sweep) -> dict[tuple[str, str], Effect]:
    return {(one.parameter.name, one.of.measure): one for one in effects(Response(sweep))}


def test_planted_effects_are_found_and_noise_is_not(whole: Sweep) -> None:
    of = found(whole)
    rising = of["homophily", "coalitions"]
    assert (rising.start, rising.end, rising.before, rising.after) == ("0", "9", 2.5, 5.5)
    assert rising.verdict == "apart"
    assert rising.steady
    assert of["homophily", "alone"].verdict == "apart"
    assert of["homophily", "alone"].after < of["homophily", "alone"].before
    assert of["entry", "churn"].verdict == "apart"
    assert of["entry", "coalitions"].verdict == "same"
    assert of["homophily", "largest"].verdict == "same"
    assert not of["homophily", "distance_variance"].clear


def test_the_findings_say_what_moves_what_and_how_much(whole: Sweep) -> None:
    told = {part.name: part.text for part in findings(Response(whole))}
    homophily = told["homophily"]
    assert "number of coalitions rises from 2.5 to 5.5 as homophily goes from 0 to 9 (bands apart)" in homophily
    assert "share of agents alone falls from 60% to 15%" in homophily
    assert "The same, run by run, whatever its value: largest coalition" in homophily
    assert "churn is 10% under entry = individual and 30% under nash" in told["entry"]
    assert "The same in every run: opinion variance (0.200)" in told[""]
    assert title(Response(whole)) == "3 values of homophily and 2 of entry"
    assert design_in_words(whole) == (
        "every combination of homophily 0, 3, 9; entry nash, individual: 6 design points, each with 6 seeds"
    )


def test_runs_are_compared_by_pairs_with_the_same_seed(tmp_path: Path) -> None:
    """A shift far smaller than the spread over seeds, which a comparison of means would not see."""

    def shifted(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        shift = 0.01 if point["entry"] == "nash" else 0.0
        return {"alone": 0.5 + 0.1 * noise(replicate) + shift + 0.001 * noise(replicate, int(100 * shift) + 1)}

    sweep = make(tmp_path / "s", ["entry=nash,individual"], shifted, replicates=8)
    assert found(sweep)["entry", "alone"].verdict == "firm"


def test_an_outcome_that_rises_and_falls_is_told_as_such(tmp_path: Path) -> None:
    def humped(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        return {"alone": 0.9 - 0.03 * abs(point["homophily"] - 4) + 0.005 * noise(replicate, int(point["homophily"]))}

    sweep = make(tmp_path / "s", ["homophily=0,2,4,6,8"], humped)
    effect = found(sweep)["homophily", "alone"]
    assert not effect.steady
    assert effect.end == "4"
    assert "highest at 4 (90%)" in " ".join(part.text for part in findings(Response(sweep)))


def test_an_effect_that_turns_is_told(tmp_path: Path) -> None:
    def crossed(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        way = 2.0 if point["entry"] == "nash" else -1.0
        return {"alone": 0.5 + 0.02 * way * point["homophily"] + 0.01 * noise(replicate, int(point["homophily"]))}

    sweep = make(tmp_path / "s", VARY, crossed)
    assert found(sweep)["homophily", "alone"].turns
    assert "Which way depends on the other parameters" in " ".join(part.text for part in findings(Response(sweep)))


def told(sweep: Sweep) -> dict[str, str]:
    return {part.name: part.text for part in findings(Response(sweep))}


def test_too_few_seeds_are_told_first(tmp_path: Path) -> None:
    """However large it is, an effect in three seeds is a hint; what changes no run does so with any number of them."""

    def large(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        return {"alone": 0.1 * point["homophily"] + 0.01 * noise(replicate), "churn": 0.3 + 0.01 * noise(replicate, 1)}

    sweep = make(tmp_path / "few", VARY, large, 3)
    few = told(sweep)
    assert findings(Response(sweep))[0].text == (
        "With 3 seeds a point, no effect can be told from chance; what follows are hints. entry makes no difference at "
        "all, run by run."
    )
    assert "too few runs to tell from chance" in few["homophily"]
    assert few["entry"] == "It makes no difference at all, run by run."
    lead = findings(Response(make(tmp_path / "enough", VARY, large, 4)))[0].text
    assert lead == (
        "What matters most is homophily: it moves agents alone. entry makes no difference at all, run by run."
    )
    one = findings(Response(make(tmp_path / "one", VARY, large, 1)))[0].text
    assert one.startswith("With 1 seed a point, no effect can be told")


def test_no_effect_beyond_chance_is_another_thing_than_no_effect(tmp_path: Path) -> None:
    def noisy(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        return {"alone": 0.5 + 0.01 * noise(replicate, int(point["homophily"]))}

    def equal(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        return {"alone": 0.5 + 0.01 * noise(replicate)}

    chance, none = (findings(Response(make(tmp_path / m.__name__, VARY, m)))[0].text for m in (noisy, equal))
    assert chance == (
        "Nothing that was varied makes a difference to these outcomes that is beyond chance. entry makes no difference "
        "at all, run by run."
    )
    assert none == "homophily and entry make no difference at all, run by run."


def test_a_few_sampled_points_are_too_few(tmp_path: Path) -> None:
    """Four points are in perfect order by chance alone once in twelve times; ten hardly ever."""

    def trend(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        return {"alone": point["homophily"] / 10 + 0.001 * noise(replicate)}

    few = make(tmp_path / "few", ["homophily=0:10"], trend, 6, "latin-hypercube", 4)
    assert findings(Response(few))[0].text.startswith("With 4 design points, no effect can be told from chance")
    more = make(tmp_path / "more", ["homophily=0:10"], trend, 6, "latin-hypercube", 10)
    assert findings(Response(more))[0].text == "Varying homophily moves agents alone."


@pytest.mark.parametrize("replicates", [3, 6])
def test_a_comparison_says_which_slice_it_rests_on(replicates: int, tmp_path: Path) -> None:
    """Coalitions are 2, 5 and 8 under nash and 20 under individual, where only homophily 0 and 3 ran."""

    def gap(point: Mapping[str, Any], replicate: int) -> Any:
        nash = point["entry"] == "nash"
        if point["homophily"] == 9 and not nash:
            return ValueError("no")
        return {"coalitions": 2 + point["homophily"] // 3 * 3 if nash else 20, "alone": 0.1 * noise(replicate)}

    sweep = make(tmp_path / "s", VARY, gap, replicates)
    parts = told(sweep)
    homophily, entry = parts["homophily"], parts["entry"]
    assert homophily.startswith("Its values are compared at entry = nash, the only value at which both ran.")
    assert "he median number of coalitions rises from 2 to 11 as homophily goes from 0 to 9" in homophily
    assert entry.startswith("Its values are compared at homophily = 0 and 3, the only values at which both ran.")
    assert "Averaged over homophily (means of the medians), the number of coalitions is 3.5 under entry = nash" in entry
    effect = found(sweep)["homophily", "coalitions"]
    assert (effect.points, effect.pairs) == ((0,), replicates)


def test_an_average_of_medians_is_no_median(whole: Sweep) -> None:
    parts = told(whole)
    for name, other in (("homophily", "entry"), ("entry", "homophily")):
        assert f"Averaged over {other} (means of the medians), the " in parts[name]
        assert "median " not in parts[name]
    assert "compared" not in "".join(parts.values()), "nothing is missing"


class Drawn:
    """Stands for a sweep of three values of homophily by two entry rules."""

    replicates = 8
    plan = {  # noqa: RUF012
        "design": "grid",
        "axes": [{"name": "homophily", "values": [0.0, 5.0, 9.0]}, {"name": "entry", "values": ["nash", "individual"]}],
        "points": [{"homophily": h, "entry": entry} for h in (0.0, 5.0, 9.0) for entry in ("nash", "individual")],
    }


def test_chance_alone_gives_an_effect_in_few_sweeps(whole: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """With independent noise, at most one sweep in twenty tells any effect, give or take the error of 200 sweeps."""
    rng = np.random.default_rng(5)
    headlines = Response(whole).headlines
    monkeypatch.setattr(Response, "headlines", headlines)
    told = 0
    for _ in range(200):
        runs = {of: rng.normal(size=(6, 8)) for of in headlines}
        monkeypatch.setattr(Response, "runs", lambda self, of, runs=runs: runs[of])
        monkeypatch.setattr(Response, "spread", lambda self, of, runs=runs: spread_of(runs[of]))
        told += any(one.clear for one in effects(Response(Drawn())))  # type: ignore[arg-type]
    assert told <= 19


def spread_of(runs: np.ndarray[Any, Any]) -> Any:
    from ecosystem.report.experiments.sweep_arrays import Spread

    low, median, high = np.quantile(runs, [0.05, 0.5, 0.95], axis=1)
    none = np.zeros(len(runs), bool)
    n = np.full(len(runs), float(runs.shape[1]))
    return Spread(n, low, median, high, runs.mean(1), runs.std(1, ddof=1), none, none)


def test_rank_correlation_is_scipys_and_clusters_split_where_they_should() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, 40).astype(float), rng.normal(size=40)
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert rank_correlation(x, np.ones(40)) == 0
    low, high = clusters(np.array([5.0, 1, 1, 5, 5]))
    assert (low.tolist(), high.tolist()) == ([1, 1], [5, 5, 5])
    at, line = running_median(np.arange(50.0), np.arange(50.0))
    np.testing.assert_allclose(at, line)


# --- the page ---


def test_the_page_tells_figures_points_and_how_to_go_on(whole: Sweep, page: str) -> None:
    assert "3 values of homophily and 2 of entry" in page
    assert page.count('src="data:image/png;base64,') == 3
    text = words(page)
    assert "36 runs of one scenario" in text
    assert "All were finished" in text
    assert "What matters most is homophily" in text
    assert len(re.findall(r"<tr><td", page)) == 6
    assert "Failed runs" not in text
    for name in FIGURES:
        for suffix in ("png", "svg"):
            assert (whole.path / "figures" / f"{name}.{suffix}").stat().st_size > 1000


def test_the_table_has_the_outcomes(whole: Sweep) -> None:
    rows = lines(Response(whole))
    assert [row.values for row in rows[:2]] == [["0", "nash"], ["0", "individual"]]
    assert (rows[0].runs, rows[0].cells[0].median, rows[0].cells[0].band) == ("6", "2.5", "2 to 3")
    churn = next(k for k, of in enumerate(Response(whole).headlines) if of.measure == "churn")
    expected = median_of(whole, "churn", "mean")[0]
    assert rows[0].cells[churn].median == f"{100 * expected:.0f}%"


def test_text_from_scenarios_and_errors_is_text(tmp_path: Path, plain: None) -> None:
    def failing(point: Mapping[str, Any], replicate: int) -> Any:
        return RuntimeError(f"{HOSTILE} </code>") if point["homophily"] == 3 else planted(point, replicate)

    sweep = make(tmp_path / "s", VARY, failing)
    write_report(sweep.path)
    html = (sweep.path / "report.html").read_text()
    assert HOSTILE not in html
    assert "&lt;img src=x onerror=alert(1)&gt; debate" in html
    assert "&lt;img src=x onerror=alert(1)&gt; &lt;/code&gt;" in html
    assert "<script" not in html
    assert not re.search(r"(src|href)=\"(?!data:|#)", html)
    assert HOSTILE not in sweep._repr_html_()
    assert "12 failed" in sweep._repr_html_()


def test_failed_runs_are_told_with_their_errors_and_the_rest_goes_on(tmp_path: Path, plain: None) -> None:
    def failing(point: Mapping[str, Any], replicate: int) -> Any:
        if point["homophily"] == 3 and point["entry"] == "nash":
            return RuntimeError("threshold: found -0.1; as a quantile, 0 to 1 is accepted")
        return RuntimeError("out of luck") if point["homophily"] == 9 and replicate == 2 else planted(point, replicate)

    sweep = make(tmp_path / "s", VARY, failing)
    write_report(sweep.path)
    text = words((sweep.path / "report.html").read_text())
    assert "8 runs failed. 28 runs finished." in text
    first, second = failures(sweep)
    assert (first.error[:16], first.runs, first.where) == ("threshold: found", 6, "homophily = 3, entry = nash")
    assert (second.runs, second.replicate, second.seed) == (2, 2, seeds(sweep)[2])
    assert Maker.of(sweep).command(second.point, second.seed) in text
    assert "0 of 6, 6 failed" in text
    figure = draw_responses(Response(sweep))
    assert figure is not None
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [line.get_xdata().tolist() for line in crosses] == [[3.0]]
    assert "×" in [text.get_text() for text in draw_phases(Response(sweep)).axes[0].texts]  # type: ignore[union-attr]
    summary = sweep.summary()
    assert [(error["runs"], error["error"]) for error in summary["errors"]][1] == (2, "out of luck")
    assert summary["failed"] == 8


def test_the_same_results_give_the_same_bytes_whenever_and_however_made(whole: Sweep, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "other"
    shutil.copytree(whole.path, other)
    shutil.rmtree(other / "figures")
    (other / "report.html").unlink()
    write_manifest(other, {**whole.manifest, "wall_s": 99.0, "command": ["ecosystem", "sweep", "--workers", "7"]})
    told: list[tuple[str, int, int]] = []
    write_report(other, lambda *stage: told.append(stage))
    assert told == [("report", 0, 2), ("report", 1, 2), ("report", 2, 2)]
    for name in ("report.html", *(f"figures/{figure}.{suffix}" for figure in FIGURES for suffix in ("png", "svg"))):
        assert (other / name).read_bytes() == (whole.path / name).read_bytes(), name
    assert "workers" not in (other / "report.html").read_text()


# --- reading and repeating ---


def test_one_line_of_pandas_reads_the_data(whole: Sweep, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = reading(whole)[0]
    assert line in unescape(page)
    monkeypatch.chdir(whole.path)
    got = eval(line, {"pandas": pd})
    expected = whole.metrics[whole.metrics["step"] == 4].groupby(["homophily", "entry"])["coalitions"].median()
    pd.testing.assert_series_equal(got, expected)
    keys = ["point", "replicate", "step"]
    everything = pd.read_parquet("metrics").astype({"point": np.int64})[whole.metrics.columns]
    pd.testing.assert_frame_equal(
        everything.sort_values(keys, ignore_index=True), whole.metrics.sort_values(keys, ignore_index=True)
    )


def test_one_line_of_duckdb_reads_the_data(whole: Sweep, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb")
    line = reading(whole)[1]
    assert line in unescape(page)
    monkeypatch.chdir(whole.path)
    got = eval(line, {"duckdb": duckdb})
    expected = whole.metrics[whole.metrics["step"] == 4].groupby(["homophily", "entry"])["coalitions"].median()
    assert [tuple(row) for row in got.to_numpy().tolist()] == [(*key, value) for key, value in expected.items()]
    rows = duckdb.sql("SELECT * FROM 'metrics/**/*.parquet' ORDER BY point, replicate, step").df()
    expected_rows = whole.metrics.sort_values(["point", "replicate", "step"], ignore_index=True)
    pd.testing.assert_frame_equal(rows[expected_rows.columns], expected_rows, check_dtype=False)


def test_every_parameter_can_be_named_in_a_query() -> None:
    duckdb = pytest.importorskip("duckdb")
    for name in Parameters.model_fields:
        columns = f"SELECT 1 AS {name}, 2.0 AS coalitions"
        query = f"SELECT {name}, median(coalitions) FROM ({columns}) GROUP BY ALL ORDER BY ALL"
        assert duckdb.sql(query).fetchall() == [(1, 2.0)]


def test_the_command_for_one_run_makes_that_run(tmp_path: Path) -> None:
    known = load_scenario("climate-duet", steps=7, bias=1 / 3, max_coalitions=2)
    sweep = make(tmp_path / "s", ["homophily=0.1,5", "memory_size=none,3"], lambda *_: {}, given=known)
    point, seed = sweep.plan["points"][2], seeds(sweep)[1]
    assert seed == Plan(known, (), (), 6, "grid", "").seeds[1]
    assert seed == sweep.metrics.query("replicate == 1")["seed"].iloc[0]
    line = shlex.split(Maker.of(sweep).command(point, seed))
    assert line[:3] == ["ecosystem", "run", "climate-duet"]
    settings = dict(line[k + 1].split("=", 1) for k, word in enumerate(line) if word == "--set")
    again = load_scenario(line[2], **settings, seed=int(line[line.index("--seed") + 1]))
    assert again == known.with_parameters(**point, seed=seed)
    assert line[-2:] == ["--weights", "WEIGHTS"], "the weights of this sweep are none that are known"


def test_a_scenario_of_another_content_is_not_named(tmp_path: Path) -> None:
    other = load_scenario("climate-duet").model_copy(update={"title": "Another"})
    sweep = make(tmp_path / "s", ["homophily=0,5"], lambda *_: {}, given=other)
    assert not Maker.of(sweep).known
    assert Maker.of(sweep).command({"homophily": 0.0}, 4).startswith("ecosystem run SCENARIO --set")
    assert exact(1 / 3) == "0.3333333333333333"


# --- sweeps of all shapes ---


def drawn(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "figures").glob("*.png")} if (folder / "figures").exists() else set()


def some(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
    """Every measure is noise that differs by design point and replicate."""
    salt = sum(ord(letter) for letter in repr(sorted(point.items(), key=str)))
    return {name: abs(noise(replicate, salt + k)) / 10 for k, name in enumerate(MEASURES)} | {
        "coalitions": [1, 2, 2, 3][replicate % 4]
    }


SHAPES: dict[str, tuple[Any, ...]] = {
    "one number": (["homophily=0:10:9"], 5, "grid", 0, {"responses", "over-time"}),
    "one word": (["entry=nash,individual,contractual"], 5, "grid", 0, {"responses", "over-time"}),
    "two words": (["kernel=argument,hk", "entry=nash,individual"], 3, "grid", 0, set(FIGURES)),
    "one point": (["homophily=3"], 5, "grid", 0, {"over-time"}),
    "one run": (["homophily=3"], 1, "grid", 0, {"over-time"}),
    "one replicate": (["homophily=0,3", "bias=1:100:3:log"], 1, "grid", 0, set(FIGURES)),
    "three": (["homophily=0,2,3", "bias=1,8,20", "entry=nash,individual"], 2, "grid", 0, set(FIGURES)),
    "missing values": (["max_coalitions=none,2,3", "memory_size=none,2"], 3, "grid", 0, set(FIGURES)),
    "steps": (["steps=2,3,5", "homophily=0,1"], 3, "grid", 0, set(FIGURES)),
    "latin hypercube": (
        ["homophily=0:10", "bias=1:100:log", "entry=nash,individual"], 2, "latin-hypercube", 24, set(FIGURES),
    ),
    "sobol": (["homophily=0:10"], 2, "sobol", 16, {"responses", "over-time"}),
    "six sampled": (
        ["homophily=0:10", "bias=1:9", "threshold=-0.1:0.1", "switching_cost=0:1", "learning_rate=0.1:0.9",
         "topic_duration=1:5"], 1, "latin-hypercube", 20, set(FIGURES),
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_sweeps_of_all_shapes_are_drawn_and_told(shape: str, tmp_path: Path, coarse: None) -> None:
    vary, replicates, design, samples, expected = SHAPES[shape]
    sweep = make(tmp_path / "s", vary, some, replicates, design, samples)
    write_report(sweep.path)
    assert drawn(sweep.path) == expected
    html = (sweep.path / "report.html").read_text()
    assert len(re.findall(r"<tr><td", html)) == len(sweep.points)
    assert len(html) < 3_000_000
    assert len(sweep.summary()["outcomes"]) == len(sweep.points)
    json.dumps(sweep.summary(), allow_nan=False)
    assert sweep.plot_response().has_data()
    assert sweep.plot_over_time().has_data()
    if len(sweep.parameters) > 1:
        assert sweep.plot_phase().has_data()
    else:
        with pytest.raises(InputError, match="two parameters"):
            sweep.plot_phase()


def test_what_is_left_out_is_said(tmp_path: Path, plain: None) -> None:
    sweep = make(tmp_path / "s", ["homophily=0:10:9", "bias=1:100:8:log"], some, 1)
    response = Response(sweep)
    figure = draw_responses(response)
    assert figure is not None
    texts = [text.get_text() for text in figure.texts]
    assert any("(6 of 8 values)" in text for text in texts)
    assert any("no band" in text for text in texts)
    columns, _, _ = time_columns(response)
    assert len(columns) <= 6
    write_report(sweep.path)
    html = (sweep.path / "report.html").read_text()
    assert "Of 72 points, those where an outcome is least or greatest" in words(html)
    medians = median_of(sweep, "alone")
    shown = {line.point for line in lines(response)}
    assert {medians.idxmin(), medians.idxmax()} <= shown
    assert len(re.findall(r"<tr><td", html)) == len(shown) <= 16


def test_slices_hold_other_parameters_at_the_scenarios_own_values(tmp_path: Path) -> None:
    sweep = make(tmp_path / "s", ["homophily=0,2,3", "bias=1,8,20", "entry=nash,individual"], some, 2)
    view = Response(sweep).view()
    assert (view.x.name, view.series and view.series.name, view.held) == ("homophily", "entry", (("bias", 8.0),))
    points = sweep.points.query("bias == 8 and entry == 'individual'")["point"].tolist()
    assert view.points[:, 1].tolist() == points
    assert "at bias = 8" in draw_responses(Response(sweep)).texts[0].get_text()  # type: ignore[union-attr]


def test_a_sampled_outcome_is_drawn_point_by_point_and_its_trend_told(tmp_path: Path) -> None:
    def trend(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        return {"alone": point["homophily"] / 10 + 0.01 * noise(replicate), "churn": abs(noise(replicate, 7)) / 10}

    sweep = make(tmp_path / "s", ["homophily=0:10", "bias=1:9"], trend, 3, "latin-hypercube", 30)
    response = Response(sweep)
    effect = next(one for one in effects(response) if one.of.measure == "alone" and one.parameter.name == "homophily")
    assert effect.rank == pytest.approx(1.0)
    assert effect.clear
    assert not any(one.clear for one in effects(response) if one.parameter.name == "bias")
    ax = sweep.plot_response("alone", x="homophily")
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), sweep.points["homophily"])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), median_of(sweep, "alone"))
    assert "running median" in ax.get_title(loc="left")
    told = " ".join(part.text for part in findings(response))
    assert "rank correlation +1.00" in told


def test_given_affinity_leaves_out_what_no_one_says(tmp_path: Path, plain: None) -> None:
    rows = {key: {other: 0.1 for other in "abcd" if other != key} for key in "abcd"}
    personas = {key: {"name": key, "corpus": []} for key in "abcd"}
    given = scenario(affinity=rows, personas=personas)
    nothing = {name: np.nan for name in MEASURES if "forecast" in name or "cosine" in name or "persistence" in name}

    def silent(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        return {**some(point, replicate), **nothing, "opinion_variance": 0.0}

    sweep = make(tmp_path / "s", ["threshold=-0.1,0,0.1"], silent, 5, given=given)
    write_report(sweep.path)
    named = [of.measure for of in Response(sweep).headlines]
    assert "forecast_correlation" not in named
    assert "opinion_variance" not in named
    assert "modularity" in named
    assert sweep.plot_over_time("forecast_correlation").texts[0].get_text() == "not defined"
    assert "nan" not in words((sweep.path / "report.html").read_text()).lower().split()


def test_a_sweep_in_which_nothing_differs(tmp_path: Path, coarse: None) -> None:
    def still(point: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        return {"coalitions": [1, 2, 2, 2], "forecast_correlation": 1.0 if replicate < 2 else np.nan, "churn": 0}

    sweep = make(tmp_path / "s", VARY, still)
    assert {one.verdict for one in effects(Response(sweep))} == {"same"}
    write_report(sweep.path)
    assert drawn(sweep.path) == {"over-time"}
    text = words((sweep.path / "report.html").read_text())
    assert "Nothing that was varied makes any difference" in text
    assert "The same in every run: coalitions (2)" in text
    assert sweep.plot_response("churn").get_ylim()[0] == 0


def test_a_sweep_in_which_all_runs_failed(tmp_path: Path, coarse: None) -> None:
    sweep = make(tmp_path / "s", VARY, planted)
    write_report(sweep.path)
    assert drawn(sweep.path) == set(FIGURES)
    shutil.rmtree(sweep.path / "metrics")
    failed = make(sweep.path, VARY, lambda *_: ValueError("no"))
    write_report(failed.path)
    assert drawn(failed.path) == set(), "figures of runs that are gone are gone"
    text = words((failed.path / "report.html").read_text())
    assert "No run was finished" in text
    assert "36 runs failed, all with one error" in text
    assert failed.summary()["outcomes"][0] == {"homophily": 0.0, "entry": "nash"}
    assert "0 of 36 done, 36 failed" in failed._repr_html_()


def test_an_unfinished_sweep(tmp_path: Path, plain: None) -> None:
    sweep = make(tmp_path / "s", VARY, planted, only=lambda point, replicate: point < 3 and replicate < 4)
    write_report(sweep.path)
    text = words((sweep.path / "report.html").read_text())
    assert "24 runs not made yet" in text
    assert "12 runs finished" in text
    (sweep.path / "outcomes.parquet").unlink()
    (sweep.path / "manifest.json").unlink()
    fresh = read_sweep(sweep.path)
    assert repr(fresh) == f"Sweep({str(sweep.path)!r})"
    assert "12 of 36 done" in fresh._repr_html_()
    assert (fresh.summary()["done"], fresh.summary()["outcomes"]) == (12, [])
    with pytest.raises(InputError, match=r"outcomes\.parquet.*running the sweep again"):
        fresh.plot_response()
    with pytest.raises(InputError, match="not a sweep"):
        read_sweep(tmp_path / "nothing")


def test_the_summary_has_the_headline_outcomes(whole: Sweep) -> None:
    summary = whole.summary()
    assert summary["scenario"] == "made-up"
    counts = {key: summary[key] for key in ("points", "replicates", "runs", "done", "failed", "design")}
    assert counts == {"points": 6, "replicates": 6, "runs": 36, "done": 36, "failed": 0, "design": "grid"}
    first = summary["outcomes"][0]
    assert (first["homophily"], first["entry"]) == (0.0, "nash")
    assert first["coalitions"] == {"median": 2.5, "low": 2.0, "high": 3.0}


def test_interventions_are_drawn_over_time(tmp_path: Path) -> None:
    shocked = scenario(interventions=[{"kind": "shock", "step": 3, "homophily": 9}])
    sweep = make(tmp_path / "s", ["homophily=0,5"], planted, given=shocked)
    figure = draw_over_time(Response(sweep))
    assert figure is not None
    for ax in figure.axes:
        assert 2.5 in [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"]


def test_figures_are_listed_once() -> None:
    assert [spec.name for spec in sweep_figures.FIGURES] == list(FIGURES)


def test_bands_are_read_for_some_points_alone(whole: Sweep) -> None:
    paths = Response(whole).over_time(["alone", "churn"], [4, 1])
    assert sorted(paths) == [(1, "alone"), (1, "churn"), (4, "alone"), (4, "churn")]
    rows = pq.read_table(whole.path / "bands.parquet").to_pandas().query("point == 4 and measure == 'churn'")
    np.testing.assert_array_equal(paths[4, "churn"].high, rows["high"])
