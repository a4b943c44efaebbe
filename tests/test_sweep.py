"""A sweep carried out: its runs are those made alone, nothing is done twice, and what fails is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import ecosystem
from ecosystem.cli import main
from ecosystem.errors import InputError
from ecosystem.sweep.dataset import finished, part
from ecosystem.sweep.execute import carry_out, estimate
from ecosystem.sweep.plan import Job, Plan
from ecosystem.sweep.reader import SweepTables
from ecosystem.sweep.sources import Sources, read_sources, write_sources
from ecosystem.sweep.work import perform_run
from ecosystem.sweeping import plan_sweep

VARY = ["homophily=0,5", "entry=nash,individual"]


def plan_of(seeds: int = 3, **changes: Any) -> Plan:
    return plan_sweep("climate-duet", changes.pop("vary", VARY), seeds=seeds, **({"steps": 4} | changes))


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every file of a sweep but the manifest, which tells times."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found.pop("manifest.json")
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two points by two in three seeds, by one worker."""
    folder = tmp_path_factory.mktemp("sweeps") / "whole"
    assert carry_out(plan_of(), folder, workers=1) == []
    return folder


def test_tables_are_tidy(whole: Path) -> None:
    sweep = SweepTables(whole)
    assert sweep.parameters == ["homophily", "entry"]
    assert len(sweep.points) == 4
    assert (sweep.done, sweep.replicates) == (12, 3)
    leading = ["point", "replicate", "seed", "homophily", "entry"]
    assert list(sweep.metrics.columns[:6]) == [*leading, "step"]
    assert list(sweep.events.columns[:6]) == [*leading, "step"]
    assert len(sweep.metrics) == 12 * 4
    assert sweep.metrics.groupby(["homophily", "entry", "seed"]).size().eq(4).all()
    assert sweep.metrics.groupby("replicate")["seed"].nunique().eq(1).all(), "the same seed at every point"
    assert sweep.metrics["seed"].nunique() == 3
    assert sweep.failures.empty
    assert list(sweep.failures.columns) == [*leading, "error", "trace"]
    assert sweep.scenario.parameters.steps == 4


def test_a_run_of_a_sweep_is_that_run_made_alone(whole: Path, tmp_path: Path) -> None:
    sweep = SweepTables(whole)
    rows = sweep.metrics.query("homophily == 5 and entry == 'nash' and replicate == 1")
    alone = ecosystem.run(
        "climate-duet", steps=4, seed=int(rows["seed"].iloc[0]), homophily=5, entry="nash", out=tmp_path
    )
    labels = ["point", "replicate", "seed", "homophily", "entry"]
    pd.testing.assert_frame_equal(
        rows.drop(columns=labels).reset_index(drop=True), alone.metrics, check_exact=True, check_like=False
    )
    events = sweep.events.query("homophily == 5 and entry == 'nash' and replicate == 1").drop(columns=labels)
    assert events.to_json() == alone.events.set_index(events.index).to_json()


def test_read_in_one_line(whole: Path) -> None:
    sweep = SweepTables(whole)
    with_pandas = pd.read_parquet(whole / "metrics").astype({"point": "int64"})
    keys = ["point", "replicate", "step"]
    pd.testing.assert_frame_equal(
        with_pandas[sweep.metrics.columns].sort_values(keys, ignore_index=True),
        sweep.metrics.sort_values(keys, ignore_index=True),
    )
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        query = f"select point, entry, avg(coalitions) from '{whole}/metrics/**/*.parquet' group by all"
        found = connection.sql(query).fetchall()
    expected = sweep.metrics.groupby(["point", "entry"])["coalitions"].mean()
    assert {(point, entry): mean for point, entry, mean in found} == pytest.approx(dict(expected))


@pytest.mark.parametrize("workers", [1, 2])
def test_worker_count_and_order_change_no_byte(workers: int, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    told: list[tuple[str, int, int]] = []
    carry_out(plan_of(), folder, workers=workers, progress=lambda *tell: told.append(tell))
    assert files_of(folder) == files_of(whole)
    assert [done for stage, done, _ in told if stage == "runs"] == list(range(13))


def test_only_what_is_missing_is_done(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "part"
    shutil.copytree(whole, folder)
    kept = part(folder, "metrics", 0, 0).stat().st_mtime_ns
    part(folder, "metrics", 2, 1).unlink()
    for table in ("metrics", "events"):
        part(folder, table, 3, 0).unlink()
    (part(folder, "metrics", 1, 1).parent / ".replicate-0001.parquet.killed.tmp").write_bytes(b"half")
    done: list[Job] = []
    carry_out(plan_of(), folder, workers=1, perform=lambda sources, job: done.append(job) or perform_run(sources, job))
    assert [(job.point, job.replicate) for job in done] == [(3, 0), (2, 1)]
    assert part(folder, "metrics", 0, 0).stat().st_mtime_ns == kept
    assert files_of(folder) == files_of(whole)


def test_a_finished_sweep_does_nothing(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "done"
    shutil.copytree(whole, folder)

    def refuse(*_: Any) -> Mapping[str, pa.Table]:
        raise AssertionError

    assert carry_out(plan_of(), folder, workers=1, perform=refuse) == []
    assert files_of(folder) == files_of(whole)


def test_more_seeds_are_added(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    shutil.copytree(whole, folder)
    carry_out(plan_of(seeds=4), folder, workers=1)
    assert len(finished(folder)) == 16
    fresh = tmp_path / "fresh"
    carry_out(plan_of(seeds=4), fresh, workers=1)
    assert files_of(folder) == files_of(fresh)
    carry_out(plan_of(seeds=2), folder, workers=1)
    assert files_of(folder) == files_of(fresh), "fewer are asked for, more are kept"


def test_a_design_point_that_always_fails(tmp_path: Path) -> None:
    plan = plan_of(seeds=2, vary=["threshold=-0.5,0.2", "threshold_rule=fixed,quantile"])
    told: list[tuple[str, int, int]] = []
    errors = carry_out(plan, tmp_path / "some", workers=1, progress=lambda *tell: told.append(tell))
    assert errors == ["parameters: threshold: found -0.5; as a quantile, 0 to 1 is accepted"] * 2
    assert ("failed", 2, 8) in told
    sweep = SweepTables(tmp_path / "some")
    assert sweep.done == 6
    assert sweep.manifest["status"] == "complete with failures"
    failures = sweep.failures
    assert failures[["threshold", "threshold_rule"]].drop_duplicates().to_numpy().tolist() == [[-0.5, "quantile"]]
    assert failures["seed"].tolist() == plan.seeds
    assert failures["trace"].str.contains("Traceback").all()
    assert set(sweep.metrics["point"]) == {0, 2, 3}


def test_a_failed_run_is_tried_again_and_its_record_goes(tmp_path: Path) -> None:
    def moody(sources: Sources, job: Job) -> Mapping[str, pa.Table]:
        if job.point == 1:
            raise RuntimeError("not today\nnor tomorrow")
        return perform_run(sources, job)

    folder = tmp_path / "moody"
    assert carry_out(plan_of(seeds=1), folder, workers=1, perform=moody) == ["RuntimeError: not today nor tomorrow"]
    assert carry_out(plan_of(seeds=1), folder, workers=1) == []
    assert not (folder / "failures").exists()
    assert SweepTables(folder).manifest["status"] == "complete"


def test_a_full_disk_is_no_failed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr("ecosystem.sweep.work.store", full)
        with pytest.raises(OSError, match="No space left"):
            carry_out(plan_of(seeds=1), tmp_path / "sweep", workers=1)
    assert not (tmp_path / "sweep" / "failures").exists()
    assert carry_out(plan_of(seeds=1), tmp_path / "sweep", workers=1) == []


def test_sources_come_back_as_they_were(tmp_path: Path, jepa: Any, duet: Any) -> None:
    from ecosystem.opening import Reading

    sources = Sources(duet, Reading.of(duet, jepa), "weights")
    write_sources(sources, tmp_path)
    back = read_sources(str(tmp_path))
    assert back.scenario == sources.scenario
    assert back.reading.statements.texts == sources.reading.statements.texts
    for name in ("latents", "affinity", "relevance", "cosine", "reply_energy", "topic_of"):
        one, other = getattr(back.reading.statements, name), getattr(sources.reading.statements, name)
        assert one.dtype == other.dtype
        assert (one == other).all()


def test_learning_runs_are_those_made_alone(tmp_path: Path) -> None:
    """They need the affinity model itself, which workers load when they do."""
    plan = plan_of(seeds=1, vary=["learn=none,online"])
    carry_out(plan, tmp_path / "sweep", workers=2)
    rows = SweepTables(tmp_path / "sweep").metrics.query("learn == 'online'")
    alone = ecosystem.run("climate-duet", steps=4, seed=plan.seeds[0], learn="online", out=tmp_path)
    expected = alone.metrics["forecast_correlation"].set_axis(rows.index)
    assert rows["forecast_correlation"].to_json() == expected.to_json()
    off = SweepTables(tmp_path / "sweep").metrics.query("learn == 'none'")
    assert not off["forecast_brier"].reset_index(drop=True).equals(rows["forecast_brier"].reset_index(drop=True))


def test_given_affinity_can_be_swept(tmp_path: Path) -> None:
    plan = plan_sweep("unix-1988", {"switching_cost": [0, 100]}, seeds=2, steps=3)
    assert carry_out(plan, tmp_path / "sweep", workers=1) == []
    assert SweepTables(tmp_path / "sweep").done == 4


def test_estimate_writes_nothing(tmp_path: Path) -> None:
    expected = estimate(plan_of(), tmp_path / "sweep", workers=2)
    told = expected.describe()
    assert (told["runs"], told["done"], told["steps"], told["workers"]) == (12, 0, 48, 2)
    assert told["seconds"] > 0
    assert 20_000 < told["bytes"] < 2_000_000
    assert not list(tmp_path.iterdir())


def test_two_cannot_write_one_sweep(tmp_path: Path) -> None:
    from ecosystem.record.lock import locked

    (tmp_path / "sweep").mkdir()
    with locked(tmp_path / "sweep"), pytest.raises(InputError, match="another process"):
        carry_out(plan_of(seeds=1), tmp_path / "sweep", workers=1)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("nothing", "is not a sweep's folder: it has no plan.json"),
        ("table", "cannot be read as a table"),
        ("plan", "is not JSON"),
        ("list", "is not a sweep's plan"),
    ],
)
def test_what_is_no_sweep_is_told(harm: str, told: str, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "harmed"
    if harm != "nothing":
        shutil.copytree(whole, folder)
    if harm == "table":
        part(folder, "metrics", 1, 1).write_bytes(b"nonsense")
    if harm in ("plan", "list"):
        (folder / "plan.json").write_text("{" if harm == "plan" else "[]")
    with pytest.raises(InputError, match=told):
        _ = SweepTables(folder).metrics


def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["ecosystem", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "sweep"
    sweep = ("sweep", "climate-duet", "--vary", "threshold=-0.5,0.2", "--vary", "threshold_rule=fixed,quantile",
             "--seeds", "2", "--steps", "3", "--workers", "1", "--out", str(folder))  # fmt: skip
    status, out, err = command(capsys, monkeypatch, *sweep, "--dry-run")
    assert (status, out) == (0, "")
    assert "8 runs: 4 design points (threshold 2 x threshold_rule 2) x 2 seeds; about" in err
    assert "of runs on 1 worker" in err
    assert not folder.exists()
    status, out, err = command(capsys, monkeypatch, *sweep)
    assert status == 1
    assert out == f"{folder / 'report.html'}\n"
    assert "6 of 8 runs on disk, 2 failed" in err
    assert "as a quantile, 0 to 1 is accepted" in err
    status, out, err = command(capsys, monkeypatch, *sweep, "--json")
    found = json.loads(out)
    assert (status, err) == (1, "")
    assert (found["runs"], found["done"], found["failed"]) == (8, 6, 2)
    assert "as a quantile" in found["errors"][0]["error"]
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--vary: found nothing"),
        (("--vary", "homophly=1,2"), "did you mean 'homophily'"),
        (("--vary", "homophily=1,2", "--seeds", "0"), "a whole number from 1"),
        (("--vary", "homophily=1,2", "--workers", "0"), "a whole number from 1"),
        (("--vary", "homophily=1,2", "--design", "x"), "--design: found 'x'"),
        (("--vary", "homophily=1,2", "--set", "homophily=3"), "is set and varied"),
        (("--vary", "homophily=1,2", "--scheduler", "nonsense"), "--scheduler"),
    ],
)
def test_bad_commands_are_told_in_one_line(
    arguments: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = ("--out", str(tmp_path / "sweep"))
    status, printed, err = command(capsys, monkeypatch, "sweep", "climate-duet", *arguments, *out)
    assert (status, printed) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert not (tmp_path / "sweep").exists()


def test_a_reading_is_kept_under_all_that_it_follows_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, duet: Any, jepa: Any
) -> None:
    from ecosystem.opening import Reading
    from ecosystem.sweep.readings import keep_reading, kept_reading, reading_path

    monkeypatch.setenv("ECOSYSTEM_CACHE", str(tmp_path))
    place = reading_path(duet, "weights")
    assert kept_reading(place) is None
    reading = Reading.of(duet, jepa)
    keep_reading(place, reading)
    back = kept_reading(place)
    assert back is not None
    assert (back.positions == reading.positions).all()
    assert (back.statements.affinity == reading.statements.affinity).all()
    raw = duet.model_dump()
    raw["topics"][0]["motion"] = "Something else."
    other_motion = type(duet).model_validate(raw)
    assert (
        len({reading_path(duet, "weights"), reading_path(duet, "others"), reading_path(other_motion, "weights")}) == 3
    )
    assert reading_path(duet.with_parameters(homophily=9), "weights") == place
    place.write_bytes(place.read_bytes()[:-8])
    assert kept_reading(place) is None


def test_warm_and_cold_give_the_same_bytes(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOSYSTEM_CACHE", str(tmp_path / "cache"))
    for turn in ("cold", "warm"):
        carry_out(plan_of(), tmp_path / turn, workers=1)
        assert files_of(tmp_path / turn) == files_of(whole), turn
    assert len(list((tmp_path / "cache" / "readings").iterdir())) == 1


def test_a_warm_sweep_loads_no_torch(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom ecosystem.sweep.execute import carry_out\n"
        "from ecosystem.sweeping import plan_sweep\n"
        "plan = plan_sweep('climate-duet', ['homophily=0,5'], seeds=1, steps=2)\n"
        "carry_out(plan, Path(sys.argv[1]), workers=1)\n"
        "print('torch' in sys.modules)"
    )
    told = []
    for turn in ("cold", "warm"):
        command = [sys.executable, "-c", script, str(tmp_path / turn)]
        there = os.environ | {"ECOSYSTEM_CACHE": str(tmp_path / "cache")}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=there)
        told.append(done.stdout.strip())
    assert told == ["True", "False"]
