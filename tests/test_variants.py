"""One scenario under several kernels and entry rules: the runs, what is told of them, and the page."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import ecosystem
from ecosystem.cli import main
from ecosystem.errors import InputError
from ecosystem.measures import CATALOGUE
from ecosystem.record.manifest import write_config, write_manifest
from ecosystem.record.reader import RunTables
from ecosystem.record.tables import schemas
from ecosystem.report.story import Cast
from ecosystem.report.style import PALETTE
from ecosystem.report.variants import render
from ecosystem.report.variants_arrays import Contrast, Variant, identical, most_divided
from ecosystem.report.variants_company import draw_agreement, draw_together, families, letters
from ecosystem.report.variants_figures import apart, draw_measures, draw_opinions
from ecosystem.report.variants_story import always_together, lines, summarise
from ecosystem.scenario import Scenario
from ecosystem.variants import Variants, run_variants

HOSTILE = "<img src=x onerror=alert(1)>"
SCENARIO = f"""\
title: '{HOSTILE}'
topics: [{{id: coal, motion: Coal must go.}}, {{id: ice, title: '</style><b>ice</b>'}}]
personas:
  ada:
    name: '{HOSTILE} Ada'
    corpus: [{{text: Coal must go at once., topic: coal}}, {{text: The ice is melting fast., topic: ice}}]
  ben:
    name: Ben
    corpus: [{{text: Coal keeps the lights on., topic: coal}}, {{text: The ice is here to stay., topic: ice}}]
  cem:
    name: Cem
    corpus: [{{text: Burning coal harms our children., topic: coal}}, {{text: Glaciers vanish., topic: ice}}]
parameters: {{steps: 3, seed: 4}}
"""
PAIRS = [("argument", "nash"), ("argument", "individual"), ("hk", "nash"), ("hk", "individual")]


class Killed(BaseException):
    """Stands for a kill: nothing in the program catches it."""


@pytest.fixture(scope="module", autouse=True)
def _plain() -> Iterator[None]:
    """Leave out the figures of each run, which are tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecosystem.report.gallery.write_figures", lambda *_: [])
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("scenarios") / "small"
    made.mkdir()
    (made / "scenario.yaml").write_text(SCENARIO)
    return made


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Variants:
    out = tmp_path_factory.mktemp("runs")
    return run_variants(folder, kernels=["argument", "hk"], entries=["nash", "individual"], out=out)


# The runs, and the folder that compares them.


def test_each_variant_is_an_ordinary_run_under_its_kernel_and_entry_rule(folder: Path, made: Variants) -> None:
    assert [(v.kernel, v.entry) for v in made.variants] == PAIRS
    for variant in made.variants:
        parameters = variant.run.scenario.parameters
        assert (parameters.kernel, parameters.entry, parameters.seed) == (variant.kernel, variant.entry, 4)
        assert (variant.run.path / "report.html").is_file()
        out = made.path.parents[1]
        again = ecosystem.run(folder, kernel=variant.kernel, entry=variant.entry, out=out, resume=True)
        assert again.path == variant.run.path


def test_the_folder_is_complete_and_beside_the_runs(made: Variants) -> None:
    assert re.fullmatch(r"\d{8}T\d{6}Z-s4-[0-9a-f]{8}-compared", made.path.name)
    manifest = json.loads((made.path / "manifest.json").read_text())
    assert (manifest["status"], manifest["kind"], manifest["seed"]) == ("complete", "variants", 4)
    for figure in ("opinions", "measures", "together", "agreement"):
        for suffix in ("png", "svg"):
            assert (made.path / "figures" / f"{figure}.{suffix}").stat().st_size > 1000
    assert 10_000 < (made.path / "report.html").stat().st_size < 10_000_000
    assert sorted(p.name for p in made.path.parent.iterdir()) == sorted(
        [made.path.name, *(v.run.path.name for v in made.variants)]
    )
    assert not [p for p in made.path.rglob("*") if p.name.startswith(".")]


def test_the_table_has_a_row_a_variant_and_step_with_the_runs_own_measures(made: Variants) -> None:
    table = pd.read_parquet(made.path / "variants.parquet")
    pd.testing.assert_frame_equal(table, made.table)
    assert {"kernel", "entry", "run", "step", *CATALOGUE} <= set(table.columns)
    assert list(table.groupby(["kernel", "entry"], sort=False).size().items()) == [(pair, 3) for pair in PAIRS]
    for (_, entry), rows in table.groupby(["kernel", "entry"]):
        run = RunTables(made.path / rows["run"].iloc[0])
        assert run.scenario.parameters.entry == entry
        np.testing.assert_array_equal(rows["opinion_variance"], run.metrics["opinion_variance"])


def test_resume_takes_over_what_is_there(folder: Path, made: Variants) -> None:
    out = made.path.parents[1]
    before = sorted(made.path.parent.iterdir())
    again = run_variants(folder, kernels=["argument", "hk"], entries=["nash", "individual"], out=out, resume=True)
    assert again.path == made.path
    assert sorted(made.path.parent.iterdir()) == before
    fewer = run_variants(folder, kernels=["hk"], entries=["nash", "individual"], out=out, resume=True)
    assert [v.run.path for v in fewer.variants] == [v.run.path for v in made.variants[2:]]
    assert sorted(made.path.parent.iterdir()) == sorted([*before, fewer.path])


def test_interrupted_while_comparing_and_resumed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("ecosystem.report.variants.render", interrupted)
        with pytest.raises(Killed):
            run_variants(folder, kernels=["fj", "deffuant"], out=tmp_path)
    left = [path.name for path in (tmp_path / "small").iterdir()]
    assert sum(name.endswith("-compared.partial") for name in left) == 1
    done = run_variants(folder, kernels=["fj", "deffuant"], out=tmp_path, resume=True)
    assert sorted(p.name for p in (tmp_path / "small").iterdir()) == sorted(n.removesuffix(".partial") for n in left)
    assert (done.path / "report.html").is_file()


def test_a_comparison_that_cannot_be_written_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "figures")

    monkeypatch.setattr("ecosystem.report.variants.write_figures", full)
    with pytest.raises(OSError, match="No space"):
        run_variants(folder, kernels=["degroot"], out=tmp_path)
    assert not list((tmp_path / "small").glob("*compared*"))


def test_what_is_not_chosen_is_the_scenarios_own(folder: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    made = run_variants(
        folder, entries=["contractual"], out=tmp_path, kernel="fj", progress=lambda *stage: told.append(stage)
    )
    assert [(v.kernel, v.entry) for v in made.variants] == [("fj", "contractual")]
    assert {stage for stage, *_ in told} >= {"variants", "simulate", "report", "contrast"}
    assert told[-1] == ("contrast", 3, 3)
    assert not (made.path / "figures" / "agreement.png").exists()
    assert "One debate under Friedkin–Johnsen" in (made.path / "report.html").read_text()


def test_progress_counts_the_steps_of_all_variants(folder: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    run_variants(folder, kernels=["degroot", "fj"], out=tmp_path, progress=lambda *stage: told.append(stage))
    assert [done for stage, done, _ in told if stage == "simulate"] == [0, 1, 2, 3, 3, 4, 5, 6]
    assert {of for stage, _, of in told if stage == "simulate"} == {6}
    assert [(done, of) for stage, done, of in told if stage == "variants"] == [(0, 2), (1, 2), (2, 2)]


# The command line.


def command(argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[Any, ...]:
    """Run a command line; return its exit status and what it printed."""
    monkeypatch.setattr(sys, "argv", ["ecosystem", "run", *argv])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kernels", "argument,hegel"], ("kernels", "'hegel'", "argument, degroot, fj, deffuant, hk")),
        (["--kernels", "HK"], ("kernels", "'HK'", "argument, degroot, fj, deffuant, hk")),
        (["--kernels", ""], ("kernels", "''", "argument, degroot, fj, deffuant, hk")),
        (["--kernels", "hk,"], ("kernels", "''", "argument, degroot, fj, deffuant, hk")),
        (["--entries", "nash;individual"], ("entries", "'nash;individual'", "nash, individual, contractual")),
        (["--entries", "free"], ("entries", "'free'", "nash, individual, contractual")),
        (["--kernels", "hk,fj,hk"], ("kernels", "'hk' twice", "argument, degroot, fj, deffuant, hk")),
        (["--kernels", "hk", "--set", "kernel=fj"], ("kernel", "given twice", "'fj'", "hk")),
        (["--entries", "nash,individual", "--set", "entry=nash"], ("entry", "given twice", "nash, individual")),
        (["--kernels", "hk", "--set", "confidence=7"], ("confidence", "7")),
    ],
)
def test_bad_choices_end_in_status_2_and_one_line(
    options: list[str],
    words: tuple[str, ...],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, err = command([str(folder), "--out", str(tmp_path), *options], monkeypatch, capsys)
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert not list(tmp_path.iterdir())


def test_command_line_prints_what_was_made(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = [str(folder), "--out", str(tmp_path), "--kernels", "degroot, fj", "--steps", "2"]
    status, out, err = command([*base, "--json"], monkeypatch, capsys)
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert [(v["kernel"], v["entry"], v["steps"]) for v in found["variants"]] == [
        ("degroot", "individual", 2),
        ("fj", "individual", 2),
    ]
    assert Path(found["report"]).is_file()
    assert all(Path(variant["report"]).is_file() for variant in found["variants"])
    status, out, err = command([*base, "--quiet", "--resume"], monkeypatch, capsys)
    assert (status, out.strip(), err) == (0, found["report"], "")
    status, out, err = command([*base, "--resume"], monkeypatch, capsys)
    assert status == 0
    assert out.splitlines()[-1] == found["report"]
    assert "degroot" in out
    assert "running variants" in err


# What is told, on planted tables.


def planted(
    path: Path,
    kernel: str,
    entry: str,
    labels: list[int],
    opinions: tuple[list[float], list[float]],
    stable: tuple[bool, bool, bool] = (True, True, True),
    names: tuple[str, ...] = ("Ada", "Ben", "Cem", "Dia"),
    **more: Any,
) -> Variant:
    """Write a run of two steps: final labels, and opinions on the first topic at both; on the other they are 0.5."""
    keys = [f"a{i}" for i in range(len(names))]
    scenario = Scenario.model_validate(
        {
            "name": "small",
            "title": names[0],
            "topics": [{"id": "t0", "title": "Tides"}, {"id": "t1", "title": names[-1]}],
            "personas": {
                key: {"name": name, "corpus": [{"text": f"What {key} says.", "topic": "t0"}]}
                for key, name in zip(keys, names, strict=True)
            },
            "parameters": {"steps": 2, "seed": 3, "kernel": kernel, "entry": entry},
        }
    )
    folder = path / f"{kernel}-{entry}"
    folder.mkdir()
    write_config(folder, scenario)
    said = {"agents": dict(zip(keys, names, strict=True)), "topics": {"t0": "Tides", "t1": names[-1]}}
    write_manifest(folder, {"scenario": "small", "seed": 3, "config_hash": folder.name, **said})
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in schemas(2)}
    for step, values in enumerate(opinions, 1):
        known = [value for value in values if value == value]
        measures = dict.fromkeys(CATALOGUE, 0.25) | {
            "coalitions": float(len({label for label in labels if label >= 0})),
            "opinion_variance": float(np.var(known)) / 2,
            "churn": 0.5,
        }
        rules = dict(zip(("nash_stable", "individually_stable", "contractually_stable"), stable, strict=True))
        row = {"step": step, "topic": f"t{step % 2}", "settled": True, "cycle": None}
        tables["metrics"].append({**row, **measures, **rules, **more})
        for i, key in enumerate(keys):
            here = values[i] == values[i]
            tables["memberships"].append(
                {"step": step, "agent": key, "coalition": labels[i] if here else -i - 1, "present": here}
            )
            for topic, opinion in (("t0", values[i]), ("t1", 0.5)):
                if here:
                    tables["opinions"].append({"step": step, "agent": key, "topic": topic, "opinion": opinion})
    for name, schema in schemas(2).items():
        columns = {field.name: [row.get(field.name) for row in tables[name]] for field in schema}
        pq.write_table(pa.table(columns, schema), folder / f"{name}.parquet")
    return Variant(kernel, entry, RunTables(folder))


SPLIT, CLOSE, APART = [0.8, 0.8, -0.8, -0.8], [0.1, 0.1, 0.0, 0.0], [0.9, 0.9, -0.9, -0.9]
ONE, OTHER = [1, 1, 2, 2], [7, 3, 7, 3]


@pytest.fixture
def contrast(tmp_path: Path) -> Contrast:
    """Two kernels under two rules: argument exchange stays split, DeGroot agrees; nash pairs others than individual."""
    return Contrast(
        (
            planted(tmp_path, "argument", "nash", ONE, (SPLIT, APART)),
            planted(tmp_path, "argument", "individual", OTHER, (SPLIT, APART), (False, True, True)),
            planted(tmp_path, "degroot", "nash", [5, 5, 6, 6], (SPLIT, CLOSE)),
            planted(tmp_path, "degroot", "individual", [4, 4, 4, 4], (SPLIT, CLOSE), (False, True, True)),
        )
    )


def told(contrast: Contrast) -> list[str]:
    return ["".join(part) for part in summarise(contrast, Cast.of(contrast.run))]


def test_arrays_hold_what_the_tables_say(contrast: Contrast) -> None:
    np.testing.assert_allclose(contrast.ends[2, :, :, 0], [SPLIT, CLOSE], atol=1e-7)
    np.testing.assert_allclose(contrast.spread, [[1.8, 0], [1.8, 0], [0.1, 0], [0.1, 0]], atol=1e-6)
    # Of four agents in two pairs, pairs across: index 0, expected 2 * 2 / 6, largest 2.
    across = (0 - 2 / 3) / (2 - 2 / 3)
    expected = [[1, across, 1, 0], [across, 1, across, 0], [1, across, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(contrast.agreement, expected, atol=1e-12)
    assert always_together(contrast) == []
    assert contrast.together[0, 1] == pytest.approx(0.75)
    assert contrast.together[0, 3] == pytest.approx(0.25)
    assert contrast.debated.tolist() == [0, 1]


def test_the_summary_tells_consensus_coalitions_company_and_stability(contrast: Contrast) -> None:
    opinions, coalitions, agreement, company, stability = told(contrast)
    assert opinions == (
        "Opinions end closest together under DeGroot (variance 0.001, from 0.320) and furthest apart under argument "
        "exchange (variance 0.405, from 0.320). Consensus on all 2 topics debated under DeGroot. Consensus on some of "
        "the 2 topics debated under argument exchange (on 1). Consensus: all opinions on a topic within 0.2 of one "
        "another, a tenth of the scale."
    )
    assert coalitions == "Coalitions at the end: 2 under argument exchange; 1 to 2 under DeGroot."
    # Six pairs of variants: 1, -0.5, -0.5 and three times 0. One rule, two kernels: 1 and 0; one kernel: -0.5 and 0.
    assert agreement == (
        "Final coalitions of two variants agree by an adjusted Rand index of 0.00 on average (1: the same; 0: as alike "
        "as by chance). Under one entry rule and two kernels it is 0.50, under one kernel and two entry rules −0.25: "
        "here the entry rule matters more. Least alike, at −0.50: argument exchange (Nash) and argument exchange "
        "(individual). The same coalitions: argument exchange (Nash) and DeGroot (Nash)."
    )
    assert company == "No two agents end together in every variant. 0 of the 6 pairs of agents never end together."
    assert stability == (
        "Every final partition is stable under the entry rule that led to it. Nash stable, so that no one would gain "
        "by any move: 2 of 2 under Nash entry, 0 of 2 under individual entry."
    )


def test_the_summary_of_kernels_alone(tmp_path: Path) -> None:
    alike = Contrast(
        (
            planted(tmp_path, "fj", "nash", ONE, (SPLIT, SPLIT)),
            planted(tmp_path, "hk", "nash", [3, 3, 9, 9], (SPLIT, SPLIT), (False, False, True)),
        )
    )
    _, coalitions, agreement, company, stability = told(alike)
    assert coalitions == "Every variant ends with 2 coalitions."
    assert agreement == "All variants end in the same coalitions."
    assert company == (
        "In every variant these end together: Ada and Ben; Cem and Dia. 4 of the 6 pairs of agents never end together."
    )
    assert stability == (
        "1 of 2 final partitions are stable under the entry rule that led to it. Nash stable, so that no one would "
        "gain by any move: Friedkin–Johnsen."
    )


def test_rows_of_the_table(contrast: Contrast, tmp_path: Path) -> None:
    rows = lines(contrast, ["a", "b", "c", "d"])
    assert [(row.kernel, row.entry, row.link) for row in rows[1:3]] == [
        ("Argument exchange", "individual", "b"),
        ("DeGroot", "Nash", "c"),
    ]
    assert rows[2].variance == pytest.approx((0.32, 0.00125))
    assert [row.stable for row in rows[:2]] == ["all rules", "individual, contractual"]
    assert [row.coalitions for row in rows] == [2, 2, 2, 1]
    assert {row.regrouping for row in rows} == {"settled"}
    odd = Contrast(
        (
            planted(tmp_path, "hk", "nash", ONE, (SPLIT, SPLIT), (False, False, False), settled=False),
            planted(tmp_path, "hk", "contractual", ONE, (SPLIT, SPLIT), settled=False, cycle=4),
        )
    )
    assert [row.regrouping for row in lines(odd, ["", ""])] == ["cut short at 2 steps", "cycle at 2 steps"]
    assert [row.stable for row in lines(odd, ["", ""])] == ["none", "all rules"]


def test_those_absent_count_neither_as_company_nor_as_opinion(tmp_path: Path) -> None:
    gone = [0.1, 0.0, 0.15, float("nan")]
    both = Contrast(
        tuple(planted(tmp_path, kernel, "nash", [1, 1, 1, 1], (SPLIT, gone)) for kernel in ("degroot", "hk"))
    )
    assert both.present.tolist() == [True, True, True, False]
    np.testing.assert_allclose(both.spread[:, 0], 0.15, atol=1e-6)
    assert "In every variant these end together: Ada, Ben and Cem." in told(both)[3]
    figure = draw_together(both)
    assert [text.get_text() for text in figure.axes[0].texts].count("absent") == 2


def test_where_affinity_is_given_kernels_make_no_difference(tmp_path: Path) -> None:
    (tmp_path / "given.yaml").write_text(
        "personas: {a: {}, b: {}, c: {}}\naffinity: {a: {b: 0.5}, b: {a: 0.5}, c: {a: -0.5}}\nparameters: {steps: 2}\n"
    )
    made = run_variants(tmp_path / "given.yaml", kernels=["argument", "hk"], out=tmp_path / "runs")
    page = (made.path / "report.html").read_text()
    assert "opinion kernels make no difference" in page
    assert "All variants end in the same coalitions." in page
    assert not (made.path / "figures" / "opinions.png").exists()


# The figures, by the data drawn.


def colours_of(figure: Figure) -> np.ndarray[Any, Any]:
    return np.asarray(figure.axes[0].images[0].get_array())


def test_families_are_the_same_where_most_members_are() -> None:
    final = np.array([[1, 1, 1, 2, 2, -6], [8, 8, 5, 5, 5, -6], [3, 3, 3, 3, 3, 3], [-1, -2, -3, -4, 9, 9]])
    assert families(final).tolist() == [[0, 0, 0, 1, 1, -1], [0, 0, 1, 1, 1, -1], [0] * 6, [-1, -1, -1, -1, 1, 1]]


def test_families_do_not_depend_on_the_names_of_coalitions() -> None:
    rng = np.random.default_rng(0)
    final = rng.integers(1, 4, (6, 12))
    renamed = np.stack([rng.permutation(50)[row] for row in final])
    found = families(renamed)
    for before, after in zip(final, found, strict=True):
        assert len(set(zip(before.tolist(), after.tolist(), strict=True))) == len(set(before.tolist()))


def test_who_ends_with_whom_is_drawn_in_one_colour(contrast: Contrast) -> None:
    figure = draw_together(contrast)
    image, names = colours_of(figure), [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    row = [names.index(name) for name in ("Ada", "Ben", "Cem", "Dia")]
    assert image.shape == (4, 4, 3)
    nash, individual, other_nash, all_four = (image[row, column] for column in range(4))
    assert (nash[0] == nash[1]).all()
    assert (nash[2] == nash[3]).all()
    assert not (nash[0] == nash[2]).all()
    np.testing.assert_array_equal(nash, other_nash)
    assert (individual[0] == individual[2]).all()
    assert len({tuple(colour) for colour in all_four}) == 1
    assert all(tuple(colour) in {to_rgb(shade) for shade in PALETTE} for colour in image.reshape(-1, 3))


def test_the_matrix_is_written_out(contrast: Contrast) -> None:
    figure = draw_agreement(contrast)
    np.testing.assert_allclose(colours_of(figure), contrast.agreement)
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written[:4] == ["1.00", "−.50", "1.00", ".00"]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()][:2] == [
        "argument · nash",
        "argument · individual",
    ]


def test_opinions_are_drawn_as_they_are(contrast: Contrast) -> None:
    figure = draw_opinions(contrast)
    assert len(figure.axes) == 4  # two kernels; the mean above, the topic most divided below
    drawn = np.array([line.get_ydata() for line in figure.axes[3].lines if len(line.get_ydata()) == 2][:4])
    np.testing.assert_allclose(drawn, np.array([SPLIT, CLOSE]).T, atol=1e-6)
    above = np.array([line.get_ydata() for line in figure.axes[1].lines][:4])
    np.testing.assert_allclose(above, (np.array([SPLIT, CLOSE]).T + 0.5) / 2, atol=1e-6)
    assert any("most divided at first: Tides" in text.get_text() for text in figure.texts)
    assert [text.get_text() for text in figure.axes[0].texts] == ["Ada", "Ben", "Cem", "Dia"]


def test_measures_are_drawn_a_line_a_kernel_and_a_column_an_entry_rule(contrast: Contrast) -> None:
    figure = draw_measures(contrast)
    assert len(figure.axes) == 12
    variance = figure.axes[2]  # the second measure, under Nash entry
    drawn = {line.get_label(): list(line.get_ydata()) for line in variance.lines}
    assert drawn["argument"] == pytest.approx([0.32, 0.405])
    assert drawn["degroot"] == pytest.approx([0.32, 0.00125])
    assert {"argument", "degroot"} <= {text.get_text() for text in variance.texts}
    colours = {line.get_label(): line.get_color() for ax in figure.axes for line in ax.lines}
    assert colours["argument"] != colours["degroot"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.08))
def test_labels_are_apart_in_order_and_within_bounds(places: list[float], gap: float) -> None:
    moved = apart(np.array(places), gap, 0.0, 1.0)
    order = np.argsort(places, kind="stable")
    assert (np.diff(moved[order]) >= gap - 1e-9).all()
    if (len(places) - 1) * gap <= 1:
        assert moved.min() >= -1e-9
        assert moved.max() <= 1 + 1e-9


def test_labels_with_room_stay_where_they_are() -> None:
    np.testing.assert_allclose(apart(np.array([0.9, 0.1, 0.5]), 0.2, 0.0, 1.0), [0.9, 0.1, 0.5])


def test_small_things() -> None:
    assert [letters(number) for number in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
    assert identical(np.eye(3)) == []
    assert most_divided(np.array([[0.1, 0.9], [0.2, -0.9], [np.nan, np.nan]]), np.array([0, 1])) == 1


# The page.


def test_the_page_is_inert_and_leads_to_each_report(made: Variants) -> None:
    page = (made.path / "report.html").read_text()
    for raw in ("<img src=x", "</style><b>", "<script"):
        assert raw not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert not re.search(r"(src|href)=\"(?!data:image/png|#|\.\./)", page)
    assert "default-src 'none'" in page
    links = re.findall(r'href="(\.\./[^"]+)"', page)
    assert [(made.path / link).resolve() for link in links] == [
        (variant.run.path / "report.html").resolve() for variant in made.variants
    ]
    for svg in (made.path / "figures").glob("*.svg"):
        assert "<script" not in svg.read_text()
        assert "<img" not in svg.read_text()


def test_the_page_says_what_it_compares_and_explains_every_measure(made: Variants) -> None:
    page = (made.path / "report.html").read_text()
    assert re.search(r"<h1>One debate under 2 opinion kernels and 2 entry rules:", page)
    for name, measure in CATALOGUE.items():
        assert f"<code>{name}</code>" in page
        assert measure.title in page
    for kernel in ("Argument exchange", "Hegselmann–Krause"):
        assert f"<dt>{kernel} <code>" in page
    assert "Deffuant" not in page
    assert page.count("<figure ") == 4


def test_hostile_names_stay_text_on_a_planted_page(tmp_path: Path) -> None:
    names = (HOSTILE, "Ben & sons", "{{ 7 * 7 }}", "\u202eevil")
    both = Contrast(
        tuple(planted(tmp_path, kernel, "nash", ONE, (SPLIT, CLOSE), names=names) for kernel in ("fj", "hk"))
    )
    page = render(both, {"command": ["ecosystem", "<b>"]}, {}, ["../x/report.html", "../y/report.html"])
    assert "<img" not in page
    assert "<b>" not in page.replace("<b>kernel", "").replace("<b>entry", "").replace("<b>opinion", "")
    assert "{{ 7 * 7 }}" in page
    assert "\u202e" not in page.split("</h1>")[1]


def test_unknown_names_are_refused_in_python(folder: Path) -> None:
    with pytest.raises(InputError, match=r"kernels: found 'hegel'; accepted: argument"):
        run_variants(folder, kernels=["hegel"])


@pytest.mark.statistical
def test_all_kernels_and_entry_rules_run_under_the_climate_debate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ecosystem.report import gallery

    monkeypatch.setattr(gallery, "FIGURES", gallery.FIGURES[:1])
    options = ["--kernels", "argument,degroot,fj,deffuant,hk", "--entries", "nash,individual,contractual"]
    argv = ["climate-debate", "--steps", "6", "--seed", "2", "--out", str(tmp_path), "--json", *options]
    status, out, _ = command(argv, monkeypatch, capsys)
    found = json.loads(out)
    assert status == 0
    assert len({(v["kernel"], v["entry"]) for v in found["variants"]}) == len(found["variants"]) == 15
    table = pd.read_parquet(Path(found["comparison"]) / "variants.parquet")
    assert table.groupby(["kernel", "entry"]).size().to_list() == [6] * 15
    last = table[table["step"] == 6].set_index(["kernel", "entry"])
    # A partition is stable under the rule that led to it, and averaging brings opinions closest together.
    for rule, column in (("nash", "nash_stable"), ("individual", "individually_stable")):
        assert last.xs(rule, level="entry")[column].all()
    spread = last["opinion_variance"].groupby("kernel").mean()
    assert spread.idxmin() == "degroot"
    page = Path(found["report"]).read_text()
    assert "One debate under 5 opinion kernels and 3 entry rules" in page
    assert page.count('class="next"') == 4
    links = re.findall(r'href="(\.\./[^"]+)"', page)
    assert len(links) == 15
    assert all((Path(found["comparison"]) / link).is_file() for link in links)
