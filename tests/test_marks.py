"""Interventions as a reader meets them: on every axis of steps, in the notes under figures and in the report."""

from __future__ import annotations

import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import ecosystem
from ecosystem.record.reader import RunTables
from ecosystem.report import document, heatmaps, latents, marks, network, series, story, timeline
from ecosystem.report.marks import Mark
from ecosystem.report.story import Cast

LETTERS = "ABCDEFG"
STEPS = [10, 13, 19, 25, 31, 31, 40]
"""When the interventions of the shipped scenario take place."""


@pytest.fixture(scope="module")
def shock(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a run of the shipped scenario: the reactor engineer enters at step 13, the steelworker leaves at 40."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecosystem.report.gallery.write_figures", lambda *_: [])
        return ecosystem.run("climate-shock", out=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def quiet(shock: Any, tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    """Return the same tables as if nothing had been scheduled."""
    folder = tmp_path_factory.mktemp("quiet") / "run"
    shutil.copytree(shock.path, folder)
    table = pq.read_table(folder / "interventions.parquet")
    pq.write_table(table.slice(0, 0), folder / "interventions.parquet")
    return RunTables(folder, shock.scenario.model_copy(update={"interventions": ()}))


def lines(ax: Any) -> list[float]:
    """Return where the lines of interventions stand."""
    found = [c for c in ax.collections if c.get_label() == marks.LABEL]
    return [float(segment[0, 0]) for collection in found for segment in collection.get_segments()]


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def boxes(figure: Figure, wanted: Any) -> list[Any]:
    """Return the drawn extents of the texts that are wanted, in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return [t.get_window_extent(canvas.get_renderer()) for t in figure.findobj(Text) if wanted(t)]


def letters(text: Text) -> bool:
    return re.fullmatch("[A-Z]+(–[A-Z]+)?", text.get_text()) is not None and text.get_color() == "white"


def some(steps: list[int]) -> list[Mark]:
    return [Mark(marks.letter_of(k), step, "something happens") for k, step in enumerate(steps)]


def bare(steps: list[int], n_steps: int = 50, width: float = 4.0) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width + 1, 2))
    ax = figure.add_axes((0.5 / (width + 1), 0.2, width / (width + 1), 0.5))
    ax.set_xlim(0.5, n_steps + 0.5)
    marks.draw_marks(ax, some(steps))
    return figure, ax


def test_lines_stand_where_steps_begin() -> None:
    _, ax = bare([4, 20, 20, 20, 41])
    assert lines(ax) == [3.5, 19.5, 40.5]
    assert [text.get_text() for text in ax.texts] == ["A", "B–D", "E"]
    assert [text.xy[0] for text in ax.texts] == [3.5, 19.5, 40.5]
    assert ax.get_xlim() == (0.5, 50.5)


@pytest.mark.parametrize("steps", [[7], [7, 8], list(range(1, 51)), [1, 1, 50], [2, 5, 6, 7, 30, 31, 33, 36, 40, 41]])
def test_letters_never_cover_one_another(steps: list[int]) -> None:
    rng = np.random.default_rng(len(steps))
    for more in (steps, sorted([*steps, *rng.integers(1, 51, 30).tolist()])):
        figure, ax = bare(more)
        shown = [text.get_text() for text in ax.texts]
        ends = [part.split("–") for part in shown]
        order = {marks.letter_of(k): k for k in range(len(more))}
        assert [order[ends[0][0]], order[ends[-1][-1]]] == [0, len(more) - 1]
        assert all(order[one[-1]] + 1 == order[other[0]] for one, other in pairwise(ends))
        # Of a drawn box, the padding on either side is .22 of the font size.
        room = 2 * 0.22 * 6.5 / 72 * figure.dpi
        drawn = boxes(figure, letters)
        assert all(one.x1 + room <= other.x0 for one, other in pairwise(drawn))


def test_note_says_what_each_letter_was() -> None:
    few, many = some([3, 9]), some(list(range(1, 61)))
    for found, rows in ((few, 2), (many, 7)):
        figure = Figure(figsize=(9.5, 6))
        marks.write_note(figure, found)
        drawn = boxes(figure, lambda text: bool(text.get_text()))
        assert min(box.y0 for box in drawn) >= 0
        assert max(box.y1 for box in drawn) <= marks.note_height(found) * figure.dpi
        assert max(box.x1 for box in drawn) <= figure.bbox.x1
        assert len({round(box.y0) for box in boxes(figure, letters)}) == rows
    assert "Step 9: something happens" in texts_of_note(few)
    assert any(text.startswith("and 47 more, to BH") for text in texts_of_note(many))
    assert marks.note_height([]) == 0
    assert texts_of_note([]) == []


def texts_of_note(found: list[Mark]) -> list[str]:
    figure = Figure(figsize=(9.5, 6))
    marks.write_note(figure, found)
    return [text for text in texts(figure) if text]


def test_words_put_names_first(shock: Any) -> None:
    found = marks.find_marks(shock)
    assert [(mark.letter, mark.step) for mark in found] == list(zip(LETTERS, STEPS, strict=True))
    words = [mark.words for mark in found]
    assert words[0].startswith("message to everyone present, taken over by ")
    assert words[0].endswith(": “The gas has stopped flowing, and only new terminals can keep homes warm next winter.”")
    assert words[1:3] == ["Reactor engineer enters", "new topic: Nuclear power"]
    assert words[3].startswith("Energy minister and Pensioner learned of “The grid office")
    assert words[4:] == [
        "homophily set to 8",
        "stubbornness of Steelworker and Climate striker set to 1",
        "Steelworker leaves",
    ]


def test_timeline_shows_interventions_and_who_is_absent(shock: Any) -> None:
    figure = timeline.draw_timeline(shock)
    ax = figure.axes[0]
    starts = sorted({step - 0.5 for step in STEPS})
    assert lines(ax) == starts
    assert lines(shock.plot_timeline()) == starts
    rows = [label.get_text() for label in ax.get_yticklabels()]
    image = np.asarray(ax.get_images()[0].get_array())
    white = (image == 1).all(2)
    for name, absent in (("Reactor engineer", range(12)), ("Steelworker", range(39, 48)), ("Pensioner", [])):
        assert np.flatnonzero(white[rows.index(name)]).tolist() == list(absent)
    (hatched,) = (c for c in ax.collections if c.get_label() == "absent")
    extents = sorted(list(path.get_extents().extents) for path in hatched.get_paths())
    row = rows.index("Reactor engineer"), rows.index("Steelworker")
    assert extents == [[0.5, row[0] - 0.5, 12.5, row[0] + 0.5], [39.5, row[1] - 0.5, 48.5, row[1] + 0.5]]
    assert hatched.get_hatch()
    assert "absent" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert {f"Step {mark.step}: {mark.words}" for mark in marks.find_marks(shock) if len(mark.words) < 70} <= set(
        texts(figure)
    )


def test_letters_keep_clear_of_topics_and_bands(shock: Any) -> None:
    figure = timeline.draw_timeline(shock)
    ax = figure.axes[0]
    above = boxes(figure, lambda text: letters(text) and text in ax.texts)
    titles = boxes(figure, lambda text: text.get_text() in shock.manifest["topics"].values())
    assert len(titles) == 16
    assert len(above) == 6
    assert max(box.y1 for box in above) < min(box.y0 for box in titles)
    assert min(box.y0 for box in above) > ax.bbox.y1


def test_series_show_interventions_on_every_axis_of_steps(shock: Any) -> None:
    starts = sorted({step - 0.5 for step in STEPS})
    measures = series.draw_measures(shock)
    assert [lines(ax) for ax in measures.axes] == [starts] * len(series.MEASURES)
    skill = series.draw_skill(shock)
    assert [lines(ax) for ax in skill.axes] == [starts, starts, []]
    legend = [text.get_text() for text in skill.legends[0].get_texts()]
    assert legend == [name for name, *_ in series.FORECASTS.values()]
    for figure in (measures, skill):
        assert {"Step 13: Reactor engineer enters", "Step 40: Steelworker leaves"} <= set(texts(figure))


def test_heatmaps_say_which_interventions_came_before(shock: Any) -> None:
    titles = [ax.get_title(loc="left").split("\n")[0] for ax in heatmaps.draw_affinity(shock).axes]
    assert [title for title in titles if title] == ["Steps 1–5", "Steps 22–26 (A–D)", "Steps 44–48 (A–G)"]


def test_trajectories_are_of_those_present(shock: Any) -> None:
    paths, _ = latents.trajectories(shock)
    keys = list(shock.manifest["agents"])
    known = np.isfinite(paths[:, :, 0])
    assert np.flatnonzero(known[:, keys.index("reactor-engineer")]).tolist() == list(range(12, 48))
    assert np.flatnonzero(known[:, keys.index("steelworker")]).tolist() == list(range(39))
    ax = shock.plot_trajectories()
    ends = {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections if c.get_label() in ("start", "end")}
    np.testing.assert_allclose(ends["start"][keys.index("reactor-engineer")], paths[12, keys.index("reactor-engineer")])
    np.testing.assert_allclose(ends["end"][keys.index("steelworker")], paths[38, keys.index("steelworker")])


def test_the_absent_do_not_stand_alone(shock: Any) -> None:
    _, alone = story.final_blocks(shock)
    assert "steelworker" not in alone
    cast = Cast.of(shock)
    assert "Steelworker was absent." in "".join(story.summarise(shock, cast)[1])
    legend = [text.get_text() for text in network.draw_network(shock).legends[0].get_texts()]
    assert "absent (1)" in legend
    assert f"alone ({len(alone)})" in legend or not alone
    assert "Steelworker" not in shock._repr_html_()


def test_report_lists_interventions(shock: Any) -> None:
    page = document.render(shock)
    section = page[page.index('id="interventions"') :]
    section = section[: section.index("</section>")]
    rows = re.findall(r'<th scope="row">(\w+)</th><td class="number">(\d+)</td><td>(.*?)</td>', section)
    assert [(letter, int(step)) for letter, step, _ in rows] == list(zip(LETTERS, STEPS, strict=True))
    told = [re.sub("<.*?>", "", words) for *_, words in rows]
    assert told[1] == "Reactor engineer entered the debate."
    assert told[3].endswith("by a fifth.”")
    assert told[4] == "Homophily was set to 8."
    assert "The gas has stopped flowing" in told[0]
    assert '<a href="#interventions">' in page


def test_report_says_what_the_run_did_not_reach(shock: Any, tmp_path: Path) -> None:
    shutil.copytree(shock.path, tmp_path / "run")
    later = shock.scenario.interventions[-1].model_copy(update={"step": 60})
    scenario = shock.scenario.model_copy(update={"interventions": (*shock.scenario.interventions[:-1], later)})
    page = document.render(RunTables(tmp_path / "run", scenario))
    assert "The run ended before 1 intervention that the scenario schedules." in page


def test_nothing_is_added_where_there_are_none(shock: Any, quiet: RunTables) -> None:
    assert marks.find_marks(quiet) == ()
    for draw in (timeline.draw_timeline, series.draw_measures, series.draw_skill, heatmaps.draw_affinity):
        figure = draw(quiet)
        assert not any(lines(ax) for ax in figure.axes)
        assert not any("ntervention" in text for text in texts(figure))
        assert figure.get_figheight() < draw(shock).get_figheight()
    assert 'id="interventions"' not in document.render(quiet)
