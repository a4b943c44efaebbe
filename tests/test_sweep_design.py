"""Which runs a sweep consists of: axes, designs, seeds, and what makes two plans one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecosystem.errors import InputError
from ecosystem.scenario import Parameters
from ecosystem.sweep.design import Axis, grid, parse_axis, points_at, read_axes, sample
from ecosystem.sweep.plan import Plan, make_plan, read_plan, settle
from ecosystem.sweeping import plan_sweep


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("homophily=0,2, 5", (0.0, 2.0, 5.0)),
        ("homophily=0:9:4", (0.0, 3.0, 6.0, 9.0)),
        ("bias=1:100:3:log", (1.0, 10.0, 100.0)),
        ("threshold=-0.1:0.1:5", (-0.1, -0.05, 0.0, 0.05, 0.1)),
        ("topic_duration=1:4:7", (1, 2, 3, 4)),
        ("entry=nash,contractual", ("nash", "contractual")),
        ("max_coalitions=none,2", (None, 2)),
        ("confidence=0.1:0.7:7", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
    ],
)
def test_values_of_an_axis(text: str, values: tuple[Any, ...]) -> None:
    axis = parse_axis(text)
    assert axis.values == values
    assert [type(value) for value in axis.values] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("vary", "told"),
    [
        ([], "found nothing"),
        (["homophly=1,2"], "did you mean 'homophily'"),
        (["homophily=-1,2"], "homophily: found '-1'; input should be greater than or equal to 0"),
        (["homophily"], "found 'homophily'"),
        (["homophily=0:x:3"], "found 'x'"),
        (["homophily=0:inf:3"], "finite"),
        (["homophily=0:200:3"], "less than or equal to 100"),
        (["homophily=5:1:3"], "found 5:1; a low end below the high one"),
        (["homophily=0:5:1"], "found a count of '1'"),
        (["homophily=0:5:2.5"], "found a count of '2.5'"),
        (["homophily=0:1:2:3:4"], "found '0:1:2:3:4'"),
        (["bias=0:9:3:log"], "ends above 0"),
        (["entry=nash,open"], "entry: found 'open'"),
        (["entry=1:3"], "found the range 1:3; values are accepted"),
        (["homophily=1,1.0"], "found 1.0 twice"),
        (["homophily=1,2", "homophily=3"], "found 'homophily' twice"),
        (["seed=1,2"], "--seeds N"),
        (["homophily=true"], "found 'true'"),
        ({"homophily": []}, "a list of values"),
        ({"homophily": 3}, "a list of values"),
    ],
)
def test_bad_axes_are_refused_in_one_line(vary: Any, told: str) -> None:
    with pytest.raises(InputError) as refused:
        read_axes(vary)
    assert told in str(refused.value)
    assert "--vary" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_value_that_only_goes_ill_with_others_is_left_to_the_run() -> None:
    assert parse_axis("threshold=-0.5,0.5").values == (-0.5, 0.5)
    plan = plan_sweep("climate-duet", ["threshold=-0.5,0.5"], threshold_rule="fixed")
    assert len(plan.points) == 2


def test_grid_is_every_combination_the_last_axis_fastest() -> None:
    points = grid(read_axes(["homophily=0,5", "entry=nash,individual,contractual"]))
    rules = ("nash", "individual", "contractual")
    assert [tuple(point.values()) for point in points] == [(h, rule) for h in (0.0, 5.0) for rule in rules]
    with pytest.raises(InputError, match="a grid needs a count, as 0:5:5"):
        grid(read_axes(["homophily=0:5"]))


def test_latin_hypercube_has_one_point_in_every_row() -> None:
    points = sample(read_axes(["homophily=0:10", "bias=1:100:log"]), "latin-hypercube", 20, 7)
    rows = sorted(int(point["homophily"] * 2) for point in points)
    assert rows == list(range(20))
    decades = sorted(int(np.log10(point["bias"]) * 10) for point in points)
    assert decades == list(range(20))


def test_sobol_design_is_balanced() -> None:
    points = sample(read_axes(["homophily=0:8", "entry=nash,individual"]), "sobol", 16, 0)
    assert sorted(int(point["homophily"]) for point in points) == sorted(2 * list(range(8)))
    assert sum(point["entry"] == "nash" for point in points) == 8
    with pytest.raises(InputError, match="power of two, as 8 or 16"):
        sample(read_axes(["homophily=0:8"]), "sobol", 12, 0)


def test_same_seed_same_sample_other_seed_another() -> None:
    axes = read_axes(["homophily=0:8"])
    assert sample(axes, "sobol", 8, 1) == sample(axes, "sobol", 8, 1) != sample(axes, "sobol", 8, 2)


@given(share=st.floats(0, 1, exclude_max=True), low=st.integers(1, 50), width=st.integers(1, 50))
def test_every_share_of_the_way_is_a_value_that_is_accepted(share: float, low: int, width: int) -> None:
    for axis in (
        Axis("homophily", low=low, high=low + width),
        Axis("homophily", low=low, high=low + width, scale="log"),
        Axis("topic_duration", low=low, high=low + width),
        Axis("topic_duration", low=low, high=low + width, scale="log"),
    ):
        value = axis.at(share)
        assert low <= value <= low + width
        assert getattr(Parameters(**{axis.name: value}), axis.name) == value


def test_whole_numbers_get_equal_parts() -> None:
    shares = (np.arange(1200) + 0.5)[:, None] / 1200
    found = [point["topic_duration"] for point in points_at([Axis("topic_duration", low=1, high=6)], shares)]
    assert np.bincount(found, minlength=7).tolist() == [0, *[200] * 6]


def plan_of(**changes: Any) -> Plan:
    given = {"vary": ["homophily=0,5"], "seeds": 4, "steps": 3} | changes
    return plan_sweep("climate-duet", given.pop("vary"), **given)


def test_more_seeds_begin_with_the_same() -> None:
    assert plan_of(seeds=9).seeds[:4] == plan_of().seeds
    assert len(set(plan_of(seeds=200).seeds)) == 200
    assert plan_of(seed=1).seeds != plan_of().seeds


def test_jobs_are_points_times_seeds_every_point_first() -> None:
    jobs = list(plan_of().jobs())
    assert [(job.replicate, job.point) for job in jobs] == [(r, p) for r in range(4) for p in range(2)]
    assert {job.seed for job in jobs if job.replicate == 2} == {plan_of().seeds[2]}
    assert jobs[1].changes == {"homophily": 5.0}


def test_hash_is_of_what_results_depend_on() -> None:
    same = (plan_of(), plan_of(seeds=9), plan_of(vary={"homophily": [0, 5]}))
    assert len({plan.hash for plan in same}) == 1
    other = (plan_of(vary=["homophily=0,6"]), plan_of(steps=4), plan_of(seed=3), plan_of(vary=["bias=0,5"]))
    assert len({plan.hash for plan in (same[0], *other)}) == 5


def test_a_parameter_is_not_set_and_varied() -> None:
    with pytest.raises(InputError, match="--set homophily: is set and varied"):
        plan_of(homophily=3)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seeds": 0}, "--seeds: found 0"),
        ({"design": "lattice"}, "--design: found 'lattice'"),
        ({"design": "latin-hypercube"}, "--samples: is missing"),
        ({"samples": 4}, "--samples: is for sampled designs"),
        ({"weights": "nowhere.safetensors"}, "nowhere.safetensors: cannot be read"),
        ({"homophly": 3}, "homophly: is not a parameter"),
    ],
)
def test_bad_plans_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        plan_of(**changes)


def test_a_folder_keeps_to_its_plan(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    assert settle(plan_of(), folder).replicates == 4
    assert settle(plan_of(seeds=6), folder).replicates == 6
    assert settle(plan_of(seeds=2), folder).replicates == 6, "what has been run is kept"
    assert read_plan(folder)["points"] == [{"homophily": 0.0}, {"homophily": 5.0}]
    with pytest.raises(InputError, match="holds a sweep with other parameters"):
        settle(plan_of(steps=9), folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no sweep"):
        settle(plan_of(), tmp_path / "other")
    (folder / "plan.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        settle(plan_of(), folder)


def test_a_plan_needs_a_point() -> None:
    with pytest.raises(InputError, match="at least one design point"):
        make_plan(plan_of().scenario, [], [], 1, "0")


def test_columns_have_the_types_of_parameters() -> None:
    from ecosystem.sweep.dataset import columns_of
    from ecosystem.sweep.plan import Job

    job = Job(0, 0, 1, {"max_coalitions": None, "homophily": 2.0, "entry": "nash", "topic_duration": 3})
    kinds = {name: str(kind) for name, (_, kind) in columns_of(job).items()}
    assert kinds == {
        "replicate": "int64", "seed": "int64", "max_coalitions": "int64", "homophily": "double", "entry": "string",
        "topic_duration": "int64",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"vary": ["homophily=0:9:3000", "bias=0:16:3000"]}, "--vary: found 9,000,000 combinations; up to 100,000"),
        ({"seeds": 1_000_000_000}, "--seeds: found 1,000,000,000 at 2 design points; up to 1,000,000 runs"),
        ({"vary": ["homophily=0:9"], "design": "sobol", "samples": 2**30}, "--samples: found 1,073,741,824; up to"),
    ],
)
def test_plans_that_no_machine_holds_are_refused_at_once(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        plan_of(**changes)
