"""Recorded runs: every step as it was, which runs there are, and what is refused."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ecosystem.app.debates.recorded import StepReader
from ecosystem.app.debates.replay import Replay, find_run, finished_runs
from ecosystem.app.debates.scenes import Scene
from ecosystem.app.debates.session import Session
from ecosystem.errors import InputError
from ecosystem.measures import CATALOGUE
from ecosystem.reading import load_scenario
from ecosystem.record.reader import RunTables
from ecosystem.report.explain import Explainer
from ecosystem.scenario import Message

STEPS = 18


@pytest.fixture(scope="module")
def no_report() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for place in ("gallery.write_figures", "document.write_report", "odd.write_odd"):
            patch.setattr(f"ecosystem.report.{place}", lambda *_: None)
        yield


@pytest.fixture(scope="module", params=["climate-shock", "highland-tribes"])
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, no_report: None) -> Any:
    """A debate, all its scenes as they were, and the run it was saved as."""
    out = tmp_path_factory.mktemp("runs")
    session = Session(load_scenario(request.param, checkpoint_every=5, memory_size=6, max_coalitions=4, seed=2))
    scenes = [session.scene(0)]
    for step in range(1, STEPS + 1):
        if step == 8 and request.param == "climate-shock":
            session.intervene(Message(kind="message", step=9, topic="wind-farms", text="The sea is calm."))
            session.change(threshold_rule="quantile", threshold=0.6)
        scenes.append(session.step())
    yield session, scenes, session.save(out).path
    session.close()


@pytest.fixture
def copy(live: Any, tmp_path: Path) -> Path:
    """A copy of a run, in a folder for runs of its own, to be damaged."""
    path = live[2]
    return Path(shutil.copytree(path, tmp_path / "runs" / path.parent.name / path.name))


def differences(one: Scene, other: Scene) -> set[str]:
    def raw(value: Any) -> Any:
        return (value.dtype, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value

    names = [field.name for field in fields(Scene)]
    return {name for name in names if raw(getattr(one, name)) != raw(getattr(other, name))}


def test_every_step_is_as_it_was(live: Any) -> None:
    session, scenes, path = live
    replay = Replay(path)
    assert (replay.now, replay.setting.title) == (STEPS, session.setting.title)
    for step in (*range(STEPS, -1, -1), 7, 3):
        # What agents held is known at checkpoints only; places follow from alignment as it was written down.
        apart = {"places"} | (set() if step % 5 == 0 or step == STEPS else {"held", "held_at"})
        recalled = replay.scene(step)
        assert differences(scenes[step], recalled) <= apart
        assert recalled.held_at == (step if step == STEPS else step // 5 * 5)
        assert recalled.held == scenes[recalled.held_at].held
        assert np.abs(recalled.places - scenes[step].places).max() < 0.02
    replay.close()


def test_course_is_as_it_was(live: Any) -> None:
    session, _, path = live
    course = Replay(path).course
    assert course.told == session.course.told
    assert course.topics == session.course.topics
    assert course.colours == session.course.colours
    assert np.array_equal(course.partitions, session.course.partitions)
    assert np.array_equal(course.present, session.course.present)
    assert np.array_equal(course.points, session.course.points, equal_nan=True)
    for name in CATALOGUE:
        assert np.array_equal(course.measure(name), session.course.measure(name), equal_nan=True)


def test_why_is_what_the_run_explains(live: Any) -> None:
    replay = Replay(live[2])
    explainer = Explainer(RunTables(live[2]))
    events = [one.event for one in replay.course.told if one.event is not None]
    assert events
    for event in events:
        assert replay.why(event) == explainer.explain(event).parts
    with pytest.raises(InputError, match="event: found 9999"):
        replay.why(9999)


def test_steps_that_are_none_are_refused(live: Any) -> None:
    replay = Replay(live[2])
    for step in (-1, STEPS + 1):
        with pytest.raises(InputError, match=f"a step from 0 to {STEPS}"):
            replay.scene(step)


def test_only_the_row_group_of_a_step_is_read(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = Replay(live[2])
    read: list[int] = []
    whole = pq.ParquetFile.read_row_group

    def counted(file: Any, number: int, **options: Any) -> Any:
        read.append(number)
        return whole(file, number, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    replay.scene(12)
    assert set(read) == {2}  # of steps 11 to 15
    count = len(read)
    replay.scene(13)
    assert len(read) == count
    replay.scene(12)
    assert len(read) == count


def test_rows_of_a_step_are_those_of_the_table(live: Any) -> None:
    reader = StepReader(live[2])
    run = RunTables(live[2])
    for name in ("alignment", "utterances", "events"):
        rows = run.arrow(name).to_pylist()
        for step in (1, 5, 6, STEPS):
            assert reader.rows(name, step).to_pylist() == [row for row in rows if row["step"] == step]
    assert len(reader.rows("alignment", STEPS + 1)) == 0
    reader.close()
    with pytest.raises(InputError, match="nothing"):
        reader.rows("nothing", 1)


def test_a_step_is_shown_soon(live: Any) -> None:
    replay = Replay(live[2])
    taken = []
    for step in range(1, STEPS + 1):
        began = time.process_time()
        replay.scene(step)
        taken.append(time.process_time() - began)
    assert float(np.median(taken)) < 0.04


Damage = Callable[[Path], object]


def _cut(table: str) -> Damage:
    return lambda run: (run / f"{table}.parquet").write_bytes((run / f"{table}.parquet").read_bytes()[:-200])


def _manifest(**changes: Any) -> Damage:
    def damage(run: Path) -> None:
        path = run / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return damage


def _rows(table: str, change: Callable[[Any], Any]) -> Damage:
    return lambda run: pq.write_table(change(pq.read_table(run / f"{table}.parquet")), run / f"{table}.parquet")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda run: (run / "manifest.json").unlink(), "no manifest.json"),
        (lambda run: (run / "manifest.json").write_text("{"), "not JSON"),
        (lambda run: (run / "config.yaml").write_text("name: ["), "config.yaml"),
        (lambda run: (run / "latents.parquet").unlink(), "latents.parquet"),
        (_cut("alignment"), "alignment.parquet"),
        (_cut("memberships"), "memberships.parquet"),
        (_rows("metrics", lambda table: table.slice(1)), "damaged"),
        (_rows("alignment", lambda table: table.slice(3)), "damaged"),
        (_rows("latents", lambda table: table.slice(0, len(table) // 2)), "damaged"),
        (_rows("events", lambda table: table.drop_columns(["agents"])), "damaged"),
        (_manifest(status="running"), "is a run that is running; a finished run is accepted"),
        (_manifest(kind="fork"), "is a fork; a finished run is accepted"),
        (_manifest(agents={"nobody": "Nobody"}), "damaged"),
    ],
)
def test_what_is_no_whole_run_is_refused_in_one_line(damage: Damage, complaint: str, copy: Path) -> None:
    damage(copy)
    with pytest.raises(InputError, match=complaint) as caught:
        Replay(copy)
    assert "\n" not in str(caught.value)


def test_a_damaged_checkpoint_is_told_when_its_step_is_shown(copy: Path) -> None:
    (copy / "checkpoints" / "00000010.safetensors").write_bytes(b"nothing")
    replay = Replay(copy)
    assert replay.scene(9).held_at == 5
    with pytest.raises(InputError, match=r"00000010\.safetensors"):
        replay.scene(12)


def test_without_checkpoints_what_agents_held_at_first_is_shown(copy: Path, live: Any) -> None:
    shutil.rmtree(copy / "checkpoints")
    scene = Replay(copy).scene(12)
    assert (scene.held_at, scene.held) == (0, live[1][0].held)


def test_other_weights_are_told(copy: Path) -> None:
    _manifest(weights_sha256="0123456789abcdef")(copy)
    if "highland-tribes" in str(copy):  # nothing is said there, and the affinity model has no part in it
        assert Replay(copy).now == STEPS
        return
    with pytest.raises(InputError, match=r"other weights of the affinity model \(SHA-256 0123"):
        Replay(copy)


# Which runs there are.


def make_run(out: Path, name: str, **said: Any) -> Path:
    folder = out / name
    folder.mkdir(parents=True)
    manifest = {
        "status": "complete",
        "scenario": "duet",
        "title": "Two <b>of us</b>\n",
        "seed": 3,
        "steps_done": 12,
        "started_utc": "2026-01-02T03:04:05Z",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | said))
    return folder


def test_finished_runs_are_listed_the_newest_first(tmp_path: Path) -> None:
    make_run(tmp_path, "duet/a")
    make_run(tmp_path, "duet/b", started_utc="2026-01-03T00:00:00Z")
    make_run(tmp_path, "alone", started_utc="2025-12-31T00:00:00Z")
    make_run(tmp_path, "duet/running", status="running")
    make_run(tmp_path, "duet/c.partial")
    make_run(tmp_path, "duet/sweep-1", kind="sweep")
    make_run(tmp_path, "duet/d-forked", kind="fork")
    make_run(tmp_path, "duet/sweep-1/runs/deep")
    make_run(tmp_path, "duet/odd", seed="three")
    (make_run(tmp_path, "duet/broken") / "manifest.json").write_text("{")
    found = finished_runs(tmp_path)
    assert [run.name for run in found] == ["duet/b", "duet/a", "alone"]
    assert (found[0].scenario, found[0].seed, found[0].steps, found[0].when) == ("duet", 3, 12, "2026-01-03 00:00:00")
    assert found[0].title == "Two <b>of us</b>"
    assert find_run(tmp_path, "duet/a") == tmp_path / "duet" / "a"
    assert finished_runs(tmp_path / "nothing") == []


def test_at_most_two_hundred_runs_are_listed(tmp_path: Path) -> None:
    for number in range(210):
        make_run(tmp_path, f"duet/{number:03d}", started_utc=f"2026-01-02T{number:06d}Z")
    assert len(finished_runs(tmp_path)) == 200


def test_a_name_is_never_a_path(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    outside = make_run(elsewhere, "duet/secret")
    inside = make_run(out, "duet/a")
    (out / "duet" / "link").symlink_to(outside)
    (out / "linked").symlink_to(elsewhere / "duet")
    (out / "duet" / "own").symlink_to(inside)
    assert [run.name for run in finished_runs(out)] == ["duet/own", "duet/a"]
    wrong = (
        "", ".", "..", "duet", "duet/", "/duet/a", "duet/../duet/a", "duet//a", "./duet/a", str(inside), str(outside),
        "../elsewhere/duet/secret", "duet/link", "linked/secret", "duet/a\x00", "DUET/A",
    )  # fmt: skip
    for name in wrong:
        with pytest.raises(InputError, match="is not among the finished runs") as caught:
            find_run(out, name)
        assert "\n" not in str(caught.value)
