"""The rules of the house: who imports whom, what is loaded when, how names are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "ecosystem").rglob("*.py"), *(ROOT / "agents").rglob("*.py")])

LAYERS = {
    "agents": 0,
    "ecosystem.errors": 0,
    "ecosystem.files": 0,
    "ecosystem.progress": 0,
    "ecosystem.scenario": 0,
    "ecosystem.tensors": 1,
    "ecosystem.corpora": 1,
    "ecosystem.complaints": 1,
    "ecosystem.plain_yaml": 1,
    "ecosystem.reading": 2,
    "ecosystem.writing": 3,
    "ecosystem.measures": 1,
    "ecosystem.dynamics": 1,
    "ecosystem.jepa": 2,
    "ecosystem.comparison": 3,
    "ecosystem.evaluation": 3,
    "ecosystem.interventions": 3,
    "ecosystem.opening": 3,
    "ecosystem.accounts": 3,
    "ecosystem.model": 4,
    "ecosystem.landscapes": 5,
    "ecosystem.record": 5,
    "ecosystem.sweep": 6,
    "ecosystem.report": 7,
    "ecosystem.learn": 8,
    "ecosystem.execute": 8,
    "ecosystem.comparing": 8,
    "ecosystem.variants": 9,
    "ecosystem.sweeping": 9,
    "ecosystem.sensing": 9,
    "ecosystem.forking": 9,
    "ecosystem.differing": 9,
    "ecosystem.diagnosis": 9,
    "ecosystem.app": 9,
    "ecosystem.console": 9,
    "ecosystem.console_differences": 9,
    "ecosystem.commands": 10,
    "ecosystem.cli": 11,
}

HOMES = {
    "torch": ("ecosystem/jepa/",),
    "matplotlib": ("ecosystem/report/", "ecosystem/app/"),
    "mesa": ("ecosystem/model.py", "agents/", "ecosystem/app/"),
    "solara": ("ecosystem/app/",),
    "reacton": ("ecosystem/app/",),
    "ipyvuetify": ("ecosystem/app/",),
    "starlette": ("ecosystem/app/",),
    "uvicorn": ("ecosystem/app/",),
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str | None:
    return next((room for room in LAYERS if module == room or module.startswith(room + ".")), None)


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    module = module_of(path)
    if module == "ecosystem":
        return  # the front door names everything, and imports nothing until asked
    room = room_of(module)
    assert room is not None, f"{module} has no layer; add it to LAYERS"
    for imported in imports_of(path):
        target = room_of(imported)
        if target is not None and target != room:
            assert LAYERS[target] < LAYERS[room], f"{module} imports {imported}"


@pytest.mark.parametrize("package", HOMES)
def test_heavy_packages_stay_where_they_belong(package: str) -> None:
    for path in SOURCES:
        if any(name == package or name.startswith(package + ".") for name in imports_of(path)):
            shown = str(path.relative_to(ROOT))
            assert shown.startswith(HOMES[package]), f"{shown} imports {package}"


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_import_ecosystem_is_light() -> None:
    heavy = {"torch", "mesa", "matplotlib", "numpy", "pandas", "scipy", "networkx", "pydantic"}
    assert not loaded_after("import ecosystem") & heavy


def test_help_is_light() -> None:
    for argv in (["ecosystem", "--help"], ["ecosystem", "watch", "--help"]):
        code = f"sys.argv = {argv}\nfrom ecosystem.cli import main\ntry: main()\nexcept SystemExit: pass"
        assert not loaded_after(code) & {"torch", "mesa", "matplotlib", "numpy", "pandas", "solara", "uvicorn"}


def test_public_surface() -> None:
    import ecosystem

    assert len(ecosystem.__all__) <= 15
    for name in ecosystem.__all__:
        assert getattr(ecosystem, name).__doc__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = ecosystem.nonsense


def test_no_file_is_named_for_nothing() -> None:
    assert not [p for p in SOURCES if p.stem in ("utils", "helpers", "common", "misc", "manager")]


def test_nothing_is_unpickled() -> None:
    for path in SOURCES:
        assert not imports_of(path) & {"pickle", "dill", "joblib", "cloudpickle"}, path
        assert "allow_pickle=True" not in path.read_text()
