"""Figures are asserted by the data drawn: what axes hold, not pixels."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecosystem.errors import InputError
from ecosystem.measures import CATALOGUE
from ecosystem.record.reader import RunTables
from ecosystem.record.tables import schemas
from ecosystem.report import arrays, gallery, heatmaps, labels, latents, network, series, style, support, timeline
from ecosystem.report.notebook import Run, read_run

DIM = 6
PNG = b"\x89PNG\r\n\x1a\n"


def write_run(
    folder: Path,
    n_agents: int = 6,
    n_steps: int = 9,
    *,
    names: list[str] | None = None,
    events: bool = True,
    silent: bool = False,
    undefined: bool = False,
    n_topics: int = 3,
) -> Path:
    """Write the tables of a run in which two camps, the even and the odd agents, form at step 2.

    At the last step but one the last agent leaves. Alignment is .5 within a camp and -.4 between camps.
    """
    folder.mkdir(parents=True)
    keys = [f"a{k}" for k in range(n_agents)]
    topics = [f"t{k}" for k in range(n_topics)]
    rng = np.random.default_rng(0)
    camp = np.arange(n_agents) % 2
    steps = range(1, n_steps + 1)
    manifest = {
        "status": "complete", "scenario": "camps", "title": "Two <camps>", "seed": 3, "steps_done": n_steps,
        "parameters": {"steps": n_steps}, "agents": dict(zip(keys, names or [f"Agent {k}" for k in keys], strict=True)),
        "topics": {topic: f"Topic {topic} at $5 or $6" for topic in topics},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))

    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in schemas(DIM)}
    said = [topics[(step - 1) // 3 % n_topics] for step in steps]
    before = -1 - np.arange(n_agents)
    start = rng.normal(size=(n_agents, DIM))
    for step, topic in zip(steps, said, strict=True):
        measures = {name: float("nan") if undefined else rng.random() for name in CATALOGUE}
        rows["metrics"].append(
            {"step": step, "topic": topic, **measures, "potential": 0.0, "defectors": 0, "settled": True}
        )
        now = before.copy()
        if events and step == 2:
            now = camp + 1
            for label in (1, 2):
                members = [key for key, c in zip(keys, camp, strict=True) if c + 1 == label]
                rows["events"].append(_event(step, "form", label, members))
        if events and step == n_steps - 1 and step > 2:
            now[-1] = -n_agents
            rows["events"].append(_event(step, "leave", int(before[-1]), [keys[-1]]))
        before = now
        for i, key in enumerate(keys):
            rows["memberships"].append({"step": step, "agent": key, "coalition": int(now[i])})
            rows["latents"].append({"step": step, "agent": key, "latent": (start[i] + 0.1 * step).tolist()})
            if not silent:
                rows["utterances"].append(
                    {"step": step, "utterance": (step - 1) * n_agents + i, "speaker": key, "topic": topic, "text": "x",
                     "statement": i * n_topics + topics.index(topic), "weighed_by": [], "accepted_by": []}
                )  # fmt: skip
            for j, other in enumerate(keys):
                if i < j:
                    weight = 0.5 if camp[i] == camp[j] else -0.4
                    rows["alignment"].append({"step": step, "source": key, "target": other, "weight": weight})
                if i != j and not silent:
                    value = 0.5 if camp[i] == camp[j] else -0.5
                    rows["affinity"].append(
                        {"step": step, "speaker": key, "listener": other, "topic": topic, "forecast": value,
                         "observed": value + 0.01 * step, "cosine": 0.4}
                    )  # fmt: skip
    for name, schema in schemas(DIM).items():
        pq.write_table(pa.Table.from_pylist(rows[name], schema), folder / f"{name}.parquet")
    _write_statements(folder, keys, topics, rng)
    return folder


def _event(step: int, kind: str, label: int, agents: list[str]) -> dict[str, Any]:
    return {
        "step": step, "event": kind, "coalition": label, "other": None, "agents": agents, "partners": agents,
        "gain": 0.1, "alignment_before": 0.1, "alignment_after": 0.2, "utterances": [], "listeners": [],
    }  # fmt: skip


def _write_statements(folder: Path, keys: list[str], topics: list[str], rng: np.random.Generator) -> None:
    n = len(keys) * len(topics)
    statements = {
        "statement": pa.array(range(n), pa.int32()),
        "topic": [topics[k % len(topics)] for k in range(n)],
        "text": [f"Statement {k} <b>costs</b> $5 or $6 \x07 {'at length ' * 20}" for k in range(n)],
        "holders": [[keys[k // len(topics)]] for k in range(n)],
        "support": pa.array(np.linspace(0.9, -0.9, n), pa.float32()),
        "latent": pa.array(rng.normal(size=(n, DIM)).tolist(), pa.list_(pa.float32(), DIM)),
    }
    pq.write_table(pa.table(statements), folder / "statements.parquet")
    pairs = [(a, b) for a in range(len(topics)) for b in range(len(topics), 2 * len(topics))]
    importance = {
        "persona_a": [keys[0]] * len(pairs),
        "persona_b": [keys[1]] * len(pairs),
        "statement_a": pa.array([a for a, _ in pairs], pa.int32()),
        "statement_b": pa.array([b for _, b in pairs], pa.int32()),
        "attribution": pa.array([a * 10.0 + b for a, b in pairs], pa.float32()),
        "legacy": pa.array([0.1] * len(pairs), pa.float32()),
    }
    pq.write_table(pa.table(importance), folder / "importance.parquet")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_run(tmp_path_factory.mktemp("runs") / "camps"))


def texts(figure: Any) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


def test_timeline_draws_membership_and_events(run: Run) -> None:
    ax = run.plot_timeline()
    order = arrays.order_over_time(arrays.partitions(run).labels)
    shown = np.asarray(ax.get_images()[0].get_array())
    assert shown.shape == (6, 9, 3)
    camp = np.arange(6)[order] % 2
    assert (camp[1:] != camp[:-1]).sum() == 1  # the camps are contiguous
    assert len(np.unique(shown[:, 3], axis=0)) == 2
    assert len(np.unique(shown[:, 0], axis=0)) == 1  # all alone, all grey
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [f"Agent a{k}" for k in order]
    marks = {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections if c.get_label() in timeline.MARKERS}
    assert set(marks) == {"form", "leave"}
    assert len(marks["form"]) == 6
    row = int(np.flatnonzero(order == 5)[0])
    assert marks["leave"].tolist() == [[pytest.approx(8 - 0.72), row]]


def test_timeline_numbers_blocks(run: Run) -> None:
    numbers = [text.get_text() for text in run.plot_timeline().texts]
    assert sorted(numbers) == ["1"] * 3 + ["2"] * 3


def test_timeline_numbers_a_short_coalition(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", n_steps=100) / "memberships.parquet"
    table = pq.read_table(path).to_pandas()
    table.loc[(table.step == 50) & (table.agent == "a0"), "coalition"] = 7
    pq.write_table(pa.Table.from_pandas(table, schemas(DIM)["memberships"]), path)
    numbers = [text.get_text() for text in read_run(path.parent).plot_timeline().texts]
    assert numbers.count("7") == 1
    assert numbers.count("1") == 4


def test_timeline_names_the_topics(run: Run) -> None:
    assert {"Topic t0 at $5 or $6", "Topic t1 at $5 or $6", "Topic t2 at $5 or $6"} <= set(
        texts(timeline.draw_timeline(run))
    )


def test_colours_of_coalitions_alive_together_differ() -> None:
    rng = np.random.default_rng(1)
    partitions = rng.integers(-1, 6, (40, 30)) + np.arange(40)[:, None] // 10 * 3
    colours = style.coalition_colours(partitions)
    for partition in partitions:
        alive = {label for label in partition.tolist() if label >= 0}
        assert len({colours[label] for label in alive}) == len(alive)


def test_network_draws_the_strongest_pairs() -> None:
    alignment = np.array([[0, 0.5, -0.4, 0.01], [0.5, 0, 0.2, 0], [-0.4, 0.2, 0, 0], [0.01, 0, 0, 0]])
    assert network.strongest(alignment, 3).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert network.strongest(np.zeros((3, 3)), 3).shape == (0, 2)


def test_network_separates_signs(run: Run) -> None:
    ax = network.plot_network(run)
    lines = {c.get_label(): c for c in ax.collections if c.get_label() in ("for", "against")}
    alignment = arrays.last_alignment(run)
    pairs = network.strongest(alignment, 3)
    weights = alignment[pairs[:, 0], pairs[:, 1]]
    assert len(lines["for"].get_segments()) == (weights > 0).sum()
    assert len(lines["against"].get_segments()) == (weights < 0).sum()
    assert {f"Agent a{k}" for k in range(6)} <= {text.get_text() for text in ax.texts}


@pytest.mark.parametrize("n_agents", [2, 5, 14, 30, 31, 70])
def test_network_has_room_for_names(n_agents: int, tmp_path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    names = [f"Developing-country negotiator {k}" if k % 3 else f"W{k}" * 60 for k in range(n_agents)]
    figure = network.draw_network(RunTables(write_run(tmp_path / "run", n_agents, 4, names=names)))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    ax = figure.axes[0]
    assert len(ax.texts) == n_agents
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in ax.texts]
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= (style.WIDTH - 1.6) * figure.dpi
    assert min(box.y0 for box in boxes) >= 0
    assert max(box.y1 for box in boxes) <= figure.bbox.y1 - 0.4 * figure.dpi


def test_affinity_heatmap_draws_means_in_one_scale(run: Run) -> None:
    figure = heatmaps.draw_affinity(run)
    panels = [
        ax for ax in figure.axes if ax.get_images() and np.asarray(ax.get_images()[0].get_array()).shape == (6, 6)
    ]
    assert len(panels) == 3
    order = arrays.order_by_coalition(arrays.partitions(run).labels)
    affinity = run.affinity
    last = affinity[affinity.step.between(7, 9)].groupby(["speaker", "listener"])["observed"].mean().unstack()
    keys = [f"a{k}" for k in order]
    expected = last.loc[keys, keys].to_numpy()
    drawn = np.ma.filled(np.ma.asarray(panels[-1].get_images()[0].get_array()), np.nan)
    np.testing.assert_allclose(drawn, expected, atol=1e-6)
    assert len({panel.get_images()[0].get_clim() for panel in panels}) == 1
    low, high = panels[0].get_images()[0].get_clim()
    assert low == -high


def test_affinity_of_a_step(run: Run) -> None:
    ax = run.plot_affinity(step=2)
    assert ax.get_title(loc="left") == "Steps 1–3"
    assert ax.get_xlabel() == "Listener"


def test_trajectories_lie_in_the_statements_plane(run: Run) -> None:
    from sklearn.decomposition import PCA

    statements = np.array(pq.read_table(run.path / "statements.parquet")["latent"].to_pylist())
    pca = PCA(2).fit(statements)
    paths, share = latents.trajectories(run)
    np.testing.assert_allclose(share, pca.explained_variance_ratio_, atol=1e-6)
    where = run.latents[run.latents.agent == "a2"].latent.to_list()
    np.testing.assert_allclose(np.abs(paths[:, 2]), np.abs(pca.transform(np.array(where))), atol=1e-5)
    ax = run.plot_trajectories()
    ends = {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections if c.get_label() in ("start", "end")}
    np.testing.assert_allclose(ends["start"], paths[0])
    np.testing.assert_allclose(ends["end"], paths[-1])


def test_plots_use_the_axes_they_are_given(run: Run) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    for k, plot in enumerate((run.plot_trajectories, run.plot_timeline, run.plot_affinity)):
        ax = figure.add_subplot(1, 3, k + 1)
        assert plot(ax=ax) is ax


def test_utterances_are_drawn_by_persona(run: Run) -> None:
    figure = latents.draw_utterances(run)
    ax = figure.axes[0]
    counts = {c.get_label(): len(c.get_offsets()) for c in ax.collections}
    assert {key: counts[key] for key in run.manifest["agents"]} == {f"a{k}": 3 for k in range(6)}
    looks = [(h.get_marker(), h.get_color()) for h in figure.legends[0].legend_handles]
    assert len(set(looks)) == len(looks)


def test_predictions_draw_the_extremes(run: Run) -> None:
    figure = support.draw_predictions(run)
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(widths, np.linspace(0.9, -0.9, 18), atol=1e-6)
    assert any(text.startswith("Statement 0 <b>costs</b> $5 or $6") and text.endswith("…") for text in texts(figure))
    assert any("18 statements" in text for text in texts(figure))


def test_predictions_take_two_statements_a_topic() -> None:
    many = np.linspace(-1, 1, 100)
    top, bottom = support.extremes(many, [str(k // 2) for k in range(100)])
    assert (top.tolist(), bottom.tolist()) == ([*range(99, 89, -1)], [*range(9, -1, -1)])
    top, bottom = support.extremes(many, [str(k // 50) for k in range(100)])
    assert (top.tolist(), bottom.tolist()) == ([99, 98, 49, 48], [51, 50, 1, 0])
    top, bottom = support.extremes(many, ["one"] * 97 + ["two"] * 3)
    assert (top.tolist(), bottom.tolist()) == ([99, 98, 96, 95], [97, 1, 0])


def test_predictions_say_how_many(tmp_path: Path) -> None:
    figure = support.draw_predictions(RunTables(write_run(tmp_path / "run", 9)))
    assert len(figure.axes[0].patches) == 12
    assert any(
        text.startswith("The 6 most supported and the 6 most opposed of 27 statements, at most two per topic")
        for text in texts(figure)
    )


def test_importance_draws_both_readings(run: Run) -> None:
    figure = heatmaps.draw_importance(run)
    grids = {
        ax.get_title(loc="left"): np.asarray(ax.get_images()[0].get_array()) for ax in figure.axes if ax.get_images()
    }
    np.testing.assert_allclose(
        grids["Attribution (integrated gradients)"], [[a * 10 + b for b in (3, 4, 5)] for a in range(3)]
    )
    np.testing.assert_allclose(grids["Legacy reading: mean |W z|"], 0.1)


def test_skill_pools_what_all_forecast(run: Run) -> None:
    table = arrays.heard(run)
    frame = run.affinity.sort_values("step")
    previous = frame.groupby(["speaker", "listener"])["observed"].shift().sort_index()
    np.testing.assert_allclose(table.persistence(), previous.to_numpy(), atol=1e-6)
    pooled = series.pooled_scores(table)
    later = run.affinity[run.affinity.step > 1]
    assert pooled["forecast"][0] == pytest.approx(later.forecast.corr(later.observed), abs=1e-5)
    assert np.isnan(pooled["cosine"][0])


def test_skill_draws_the_metrics(run: Run) -> None:
    above = series.draw_skill(run).axes[0]
    faint = [line for line in above.lines if line.get_label() == "_points"]
    np.testing.assert_array_equal(faint[0].get_ydata(), run.metrics.forecast_correlation)
    assert [line.get_label() for line in above.lines if not line.get_label().startswith("_")] == [
        name for name, *_ in series.FORECASTS.values()
    ]


def test_measures_are_the_metrics(run: Run) -> None:
    figure = series.draw_measures(run)
    drawn = {line.get_label(): line.get_ydata() for ax in figure.axes for line in ax.lines}
    assert set(drawn) == set(series.MEASURES)
    for name, values in drawn.items():
        np.testing.assert_array_equal(values, run.metrics[name])


@pytest.mark.parametrize("text", ["Sea-level rise", "WWWW iiii", "Jean-Loup d\u2019\u00c9t\u00e9", "a" * 90])
def test_measured_width_is_the_drawn_width(text: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = style.new_figure(1.0, "")
    renderer = FigureCanvasAgg(figure).get_renderer()
    drawn = figure.text(0, 0, text, size=20).get_window_extent(renderer).width / figure.dpi
    assert style.text_width([text], 20) == pytest.approx(drawn, rel=0.06)


def test_fit_cuts_to_the_width() -> None:
    text = "what is said at great length " * 9
    fitted = style.fit(text, 2.0, 8)
    assert fitted.endswith("…")
    assert 1.8 < style.text_width([fitted], 8) <= 2.0
    assert style.fit("short", 2.0, 8) == "short"


def test_labels_do_not_overlap() -> None:
    rng = np.random.default_rng(2)
    points = rng.uniform(100, 400, (25, 2))
    widths = rng.uniform(20, 90, 25)
    centres, placed = labels.place_labels(points, widths, 10.0, (0.0, 0.0, 500.0, 500.0))
    half = np.stack([widths / 2, np.full(25, 5.0)], 1)
    boxes = np.hstack([centres - half, centres + half])[placed]
    assert placed.sum() >= 20
    for k, one in enumerate(boxes):
        for other in boxes[k + 1 :]:
            assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


HOSTILE = ["N" * 200, "<script>alert(1)</script> & $\\alpha", "日本の代表 🌍", "a\u202egnikcart\x07", "$", "]]>"]


@pytest.mark.parametrize(
    "shape",
    [
        {"n_agents": 2, "n_steps": 1, "n_topics": 1},
        {"n_agents": 2, "n_steps": 150},
        {"silent": True, "undefined": True},
        {"names": HOSTILE, "events": False},
        {"n_agents": 70, "n_steps": 4},
    ],
    ids=lambda shape: ",".join(shape),
)
def test_every_figure_of_unusual_runs(shape: dict[str, Any], tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", **shape)
    files = gallery.write_figures(folder)
    assert [file.relative_to(folder).as_posix() for file in files] == [
        f"figures/{spec.name}.{suffix}" for spec in gallery.FIGURES for suffix in ("png", "svg")
    ]
    for file in files:
        if file.suffix == ".png":
            assert file.read_bytes().startswith(PNG)
        else:
            ET.parse(file)


def test_two_hundred_agents(tmp_path: Path) -> None:
    run = RunTables(write_run(tmp_path / "run", 200, 3))
    for spec in gallery.FIGURES:
        assert spec.draw(run).axes
    assert not timeline.plot_timeline(run).get_yticklabels()


def test_same_run_same_bytes(run: Run) -> None:
    first = {file.name: file.read_bytes() for file in gallery.write_figures(run.path)}
    again = {file.name: file.read_bytes() for file in gallery.write_figures(run.path)}
    assert [name for name in first if first[name] != again[name]] == []


def test_gallery_describes_each_figure() -> None:
    assert len({spec.name for spec in gallery.FIGURES}) == len(gallery.FIGURES) == 9
    assert all(spec.title and spec.caption.endswith(".") for spec in gallery.FIGURES)


def test_run_shows_itself_escaped(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", names=HOSTILE))
    html = run._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "Two &lt;camps&gt;" in html
    assert "report.html" in html
    assert "alone: $" not in html.split("alone:")[0]


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "statements.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"statements\.parquet"):
        support.draw_predictions(RunTables(folder))


def test_notebook_loads_no_matplotlib() -> None:
    code = "import sys, ecosystem.report.notebook; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_pyplot_state(run: Run) -> None:
    code = (
        "import sys; from ecosystem.record.reader import RunTables; from ecosystem.report.gallery import FIGURES;"
        "run = RunTables(sys.argv[1]); [spec.draw(run) for spec in FIGURES];"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(run.path)], check=True)
