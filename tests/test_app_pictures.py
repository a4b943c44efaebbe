"""Pictures to take away: what is drawn in them, what they are made of, and that they can be called off."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ecosystem.app.debates.replay import Replay
from ecosystem.app.debates.session import Session
from ecosystem.app.debates.view import View
from ecosystem.app.drawing import pictures
from ecosystem.app.drawing.network import network_data
from ecosystem.app.drawing.pictures import MOST_FRAMES, animation, network_picture, report_picture
from ecosystem.app.drawing.sketch import DARK, HIGH, LIGHT, WIDE, Sketch, _Frame
from ecosystem.errors import InputError
from ecosystem.reading import load_scenario
from ecosystem.report.style import style
from ecosystem.scenario import Scenario

MARKUP = "<img src=x onerror=alert(1)> $x^2$ \\frac{1}{2}"


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """A debate of five, of whom one comes later, and six from step 13 on."""
    one = Session(load_scenario("climate-shock", checkpoint_every=6, seed=1))
    for _ in range(15):
        one.step()
    yield one
    one.close()


def opened(content: bytes) -> Any:
    return Image.open(io.BytesIO(content))


def pixels(content: bytes, frame: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    image = opened(content)
    image.seek(frame)
    return np.asarray(image.convert("RGB"))


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5))


def texts(view: View) -> list[str]:
    """Return all that is written in a picture."""
    sketch = Sketch(view.dark)
    with style():
        sketch.draw(view)
    return [text.get_text() for text in sketch._axes.texts]


@pytest.mark.parametrize("dark", [False, True])
def test_the_network_is_drawn_as_the_page_has_it(session: Session, dark: bool) -> None:
    view = View(session, 15, dark=dark)
    content = network_picture(view)
    image = pixels(content)
    assert opened(content).format == "PNG"
    assert image.shape == (HIGH, WIDE, 3)
    look = DARK if dark else LIGHT
    assert tuple(image[2, 2]) == rgb(look.paper)
    data = network_data(view)
    frame = _Frame.of(data)
    for (x, y), label in zip(frame.at, data["nodes"]["coalition"], strict=True):
        assert tuple(image[round(y), round(x)]) == rgb(look.alone if label is None else view.colours[label])
    # Across and down, distances are the page's, to one scale each.
    places = view.scene.places
    for axis in (0, 1):
        slope, _ = np.polyfit(places[:, axis], frame.at[:, axis], 1)
        assert np.ptp(frame.at[:, axis] - slope * places[:, axis]) < 0.2
        assert slope > 0
    assert (frame.at > frame.radius[:, None]).all()
    assert (frame.at < np.array([WIDE, HIGH]) - frame.radius[:, None]).all()


def test_picture_says_what_it_shows(session: Session) -> None:
    before, now = texts(View(session, 12)), texts(View(session, 13))
    setting = session.setting
    assert {"The winter the gas stopped", "Step 13 of 15", "Aligned", "Opposed", "Alone (1)"} <= set(now)
    assert "Absent (1)" in before
    assert "Absent (1)" not in now
    assert f"Under debate: {setting.topics[session.scene(13).topic or 0]}" in now
    assert any("Reactor engineer entered the debate" in text for text in now)
    for name in setting.names:
        assert name in " ".join(now).replace("\n", " ")
    for label, members in session.scene(13).coalitions.items():
        assert f"Coalition {label} ({len(members)})" in now
        assert f"{label} · {len(members)}" in now
    assert "The opening" in texts(View(session, 0))


def test_given_affinity_has_no_topic_under_debate() -> None:
    session = Session(load_scenario("highland-tribes"))
    session.step()
    assert not [text for text in texts(View(session, 1)) if "Under debate" in text]
    session.close()


def test_names_do_not_hide_each_other(debate: Scenario) -> None:
    session = Session(debate)
    for _ in range(12):
        session.step()
    sketch = Sketch()
    with style():
        sketch.draw(View(session, 12))
    names = {name.replace("\n", " ") for name in session.setting.names}
    drawn = [text for text in sketch._axes.texts if text.get_text().replace("\n", " ").replace("- ", "-") in names]
    assert len(drawn) == len(names)
    boxes = [text.get_window_extent() for text in drawn]
    area = [box.width * box.height for box in boxes]
    for k, one in enumerate(boxes):
        for other, size in zip(boxes[:k], area, strict=False):
            wide = min(one.x1, other.x1) - max(one.x0, other.x0)
            high = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert max(wide, 0) * max(high, 0) < 0.25 * size
    session.close()


def test_signs_in_names_are_no_formula(duet: Scenario) -> None:
    people = dict(duet.personas)
    key = next(iter(people))
    people[key] = people[key].model_copy(update={"name": MARKUP})
    session = Session(Scenario.model_validate({**duet.__dict__, "personas": people, "title": MARKUP}))
    session.step()
    shown = " ".join(texts(View(session, 1))).replace("\n", " ")
    assert "<img src=x" in shown
    assert "$x^2$ \\frac{1}{2}" in shown
    assert len(network_picture(View(session, 1))) > 5000
    session.close()


def test_animation_has_a_frame_a_step(session: Session) -> None:
    told: list[tuple[str, int, int]] = []
    content = animation(session, 3, 15, lambda *said: told.append(said))
    image = opened(content)
    assert (image.format, image.size, image.n_frames) == ("GIF", (960, 720), 13)
    assert image.info["loop"] == 0
    assert told[0] == ("animation", 0, 13)
    assert told[-1] == ("animation", 13, 13)
    assert len(content) < 400_000
    stays = []
    for frame in range(13):
        image.seek(frame)
        stays.append(image.info["duration"])
    assert set(stays[:-1]) == {400}
    assert stays[-1] == 2500
    for frame in (0, 6, 12):  # nothing flickers: the ground and the colours of coalitions are exact in every frame
        drawn = pixels(content, frame)
        assert tuple(drawn[2, 2]) == rgb(LIGHT.paper)
        view = View(session, 3 + frame)
        at = _Frame.of(network_data(view)).at * 0.8
        for (x, y), label in zip(at, view.scene.partition.tolist(), strict=True):
            if label >= 0:
                assert tuple(drawn[round(y), round(x)]) == rgb(view.colours[label])
    assert animation(session, 3, 15) == content


def test_frames_are_those_of_pictures(session: Session) -> None:
    frame = pixels(animation(session, 14, 15, dark=True), 1).astype(int)
    picture = np.asarray(opened(network_picture(View(session, 15, dark=True))).resize((960, 720)).convert("RGB"))
    apart = np.abs(frame - picture).max(2)
    assert (apart < 40).mean() > 0.97


def test_of_many_steps_some_are_left_out(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pictures._steps(0, 50, 1) == list(range(51))
    assert pictures._steps(0, 10, 4) == [0, 4, 8, 10]
    assert pictures._steps(5, 5, 1) == [5]
    for last in (199, 200, 399, 2000):
        steps = pictures._steps(0, last, 1)
        assert len(steps) <= MOST_FRAMES
        assert (steps[0], steps[-1]) == (0, last)
        assert len({b - a for a, b in pairwise(steps[:-1])}) == 1
    notes: list[str] = []
    draw = Sketch.draw

    def noted(sketch: Sketch, view: View, note: str = "") -> Any:
        notes.append(note)
        return draw(sketch, view, note)

    monkeypatch.setattr(Sketch, "draw", noted)
    assert opened(animation(session, 0, 6, every=3)).n_frames == 3
    assert set(notes) == {"Every 3rd step"}
    assert [f"{n}{pictures._ending(n)}" for n in (2, 3, 4, 11, 12, 21, 112)] == [
        "2nd", "3rd", "4th", "11th", "12th", "21st", "112th",
    ]  # fmt: skip


def test_an_animation_can_be_called_off(session: Session) -> None:
    class CalledOff(Exception):
        pass

    def stop(_what: str, done: int, _of: int) -> None:
        if done == 2:
            raise CalledOff

    with pytest.raises(CalledOff):
        animation(session, 0, 15, stop)
    assert network_picture(View(session, 1))  # nothing is held


def test_steps_that_are_none_are_refused(session: Session) -> None:
    for first, last in ((-1, 3), (4, 3), (0, 16)):
        with pytest.raises(InputError, match="steps from 0 to 15 are accepted"):
            animation(session, first, last)


def test_a_frame_takes_little_time(session: Session) -> None:
    sketch = Sketch(scale=0.8)
    taken = []
    with style():
        for step in (5, *range(5, 13)):
            began = time.process_time()
            sketch.draw(View(session, step))
            taken.append(time.process_time() - began)
    assert float(np.median(taken[1:])) < 0.12


def test_pictures_of_several_visitors_at_once(session: Session) -> None:
    alone = [network_picture(View(session, step)) for step in (4, 8, 12)]
    beside: dict[int, bytes] = {}

    def draw(step: int) -> None:
        beside[step] = network_picture(View(session, step))

    threads = [threading.Thread(target=draw, args=(step,)) for step in (4, 8, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [beside[step] for step in (4, 8, 12)] == alone


@pytest.mark.parametrize("name", ["coalition_timeline", "alignment_network", "affinity_heatmap", "measures"])
def test_figures_of_the_report_so_far(session: Session, name: str) -> None:
    image = opened(report_picture(session, name))
    assert image.format == "PNG"
    assert image.size[0] == 1045
    assert len(np.unique(np.asarray(image.convert("L")))) > 20


def test_figures_that_cannot_be_drawn_are_refused(session: Session) -> None:
    with pytest.raises(InputError, match="did you mean 'measures'"):
        report_picture(session, "measurs")
    with pytest.raises(InputError, match="save the debate first"):
        report_picture(session, "predictions")
    fresh, tribes = Session(load_scenario("highland-tribes")), Session(load_scenario("highland-tribes"))
    with pytest.raises(InputError, match="no step has been taken yet"):
        report_picture(fresh, "measures")
    tribes.step()
    with pytest.raises(InputError, match="what was said"):
        report_picture(tribes, "affinity_heatmap")
    fresh.close()
    tribes.close()


def test_all_figures_of_a_recorded_run(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("gallery.write_figures", "document.write_report", "odd.write_odd"):
        monkeypatch.setattr(f"ecosystem.report.{place}", lambda *_: None)
    replay = Replay(session.save(tmp_path).path)
    for name in ("trajectories", "predictions", "coalition_timeline"):
        assert opened(report_picture(replay, name)).format == "PNG"
    assert network_picture(View(replay, 15)) == network_picture(View(session, 15))
