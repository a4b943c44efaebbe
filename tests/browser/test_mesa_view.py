"""The panels as Mesa users have them: in SolaraViz under `solara run`, and as widgets of a notebook."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ecosystem.model import EcosystemModel

APP = """
import solara
from mesa.visualization import Slider, SolaraViz

from ecosystem import EcosystemModel
from ecosystem.app import Network, Standing, Timeline, for_mesa


@solara.component
def Page():
    model = solara.use_memo(lambda: EcosystemModel("climate-debate", rng=1), [])
    SolaraViz(
        model,
        components=[(for_mesa(Network), 0), (for_mesa(Standing), 0), (for_mesa(Timeline), 1)],
        model_params={"scenario": "climate-debate", "rng": 1, "homophily": Slider("homophily", 2, 0, 9, 1)},
    )
"""


@pytest.fixture(scope="module")
def mesa_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("mesa")
    (folder / "debate_page.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "solara", "run", "debate_page.py", "--host", "127.0.0.1", "--port", str(port),
             "--no-open", "--no-check-version", "--production"],
            cwd=folder, stdout=log, stderr=log, env=os.environ | {"SOLARA_HOME": str(folder), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.2)
    assert process.poll() is None, Path(folder / "log").read_text()
    yield SimpleNamespace(origin=f"http://127.0.0.1:{port}")
    process.terminate()
    process.wait(20)


def test_panels_work_in_mesas_own_page(visit: Callable[..., Any], mesa_page: Any) -> None:
    page = visit(mesa_page).page
    page.locator(".ec-network [role=option]").first.wait_for(timeout=60_000)
    assert page.locator(".ec-network [role=option]").count() == 14
    for step in range(1, 4):
        page.get_by_role("button", name="Step").click()
        page.get_by_text(f"After step {step}").wait_for()
    page.locator(".ec-network [role=option]").nth(2).click()
    page.get_by_role("tab", name="Page 1").click()
    page.get_by_role("heading", name="Who stood with whom").wait_for()
    page.get_by_role("tab", name="Page 0").click()
    page.get_by_role("button", name="Reset").click()
    page.get_by_text("Before the first step").wait_for()
    page.get_by_role("button", name="Step").click()
    page.get_by_text("After step 1").wait_for()


def test_a_panel_is_a_widget_and_follows_its_model() -> None:
    import reacton
    from mesa.visualization.utils import force_update

    from ecosystem.app import Network, for_mesa
    from ecosystem.app.drawing.network import NetworkWidget

    model = EcosystemModel("climate-duet", rng=1)
    _, context = reacton.render(for_mesa(Network)(model), handle_error=False)
    drawn = context.find(NetworkWidget).widget.network
    model.step()
    force_update()
    assert context.find(NetworkWidget).widget.network != drawn
    context.close()


def test_a_model_that_went_on_unobserved_is_refused() -> None:
    from ecosystem.app import observe
    from ecosystem.errors import InputError

    model = EcosystemModel("climate-duet", rng=1)
    assert observe(model) is observe(model)
    late = EcosystemModel("climate-duet", rng=1)
    late.step()
    with pytest.raises(InputError, match="1 step;"):
        observe(late)
