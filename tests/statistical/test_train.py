"""`ecosystem train` from data to a weights file that loads, on a recipe far too short to be good."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecosystem.cli import main
from ecosystem.jepa import load_jepa, stance

pytestmark = pytest.mark.statistical


@pytest.fixture
def some_of_each_topic(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty of the shipped statements of every topic: encoding them all would take minutes."""
    folder = tmp_path_factory.mktemp("statements")
    topics = pd.read_csv(stance.SHIPPED / "topics.csv", dtype=str)
    statements = pd.read_csv(stance.SHIPPED / "statements.csv", dtype=str, keep_default_na=False)
    topics.to_csv(folder / "topics.csv", index=False)
    statements.groupby("topic").sample(30, random_state=0).to_csv(folder / "statements.csv", index=False)
    monkeypatch.setattr(stance, "SHIPPED", folder)


@pytest.mark.usefixtures("some_of_each_topic")
def test_train_writes_weights_that_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "jepa.safetensors"
    changes = ("head_steps=30", "tune_steps=3", "rounds=2", "round_steps=2", "member_steps=5", "members=1")
    short = [word for change in changes for word in ("--set", change)]
    monkeypatch.setattr(sys, "argv", ["ecosystem", "train", "--out", str(out), "--json", *short])
    with pytest.raises(SystemExit, match="0"):
        main()
    card = json.loads(capsys.readouterr().out)
    assert card["recipe"]["tune_steps"] == 3
    assert card["metrics"]["climate-energy"]["topics"] == 19
    assert out.stat().st_size < 25_000_000
    kinds = {path.name.removeprefix(out.name) for path in tmp_path.iterdir() if path.is_file()}
    assert kinds == {"", ".training.csv", ".training.png"}, "weights and report, and no checkpoint left"
    model = load_jepa(out, cache=tmp_path / "cache")
    assert np.abs(model.affinity(["Coal must go."], ["Coal keeps the lights on."])).max() <= 1
    assert model.card["metrics"] == card["metrics"]
