"""Whatever it is given, the loader returns a scenario or says in one line why not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecosystem.errors import InputError
from ecosystem.reading import load_scenario
from ecosystem.scenario import Scenario

bounded = settings(
    derandomize=True, database=None, max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

SCENARIO = {
    "name": "debate",
    "title": "A debate",
    "description": "Two people.",
    "topics": [{"id": "ice", "title": "Melting ice", "motion": "Ice melts."}, "tax"],
    "personas": {
        "ada": {"name": "Ada", "traits": {"openness": 0.5, "weight": 2}, "bloc": "green", "corpus": "ada.csv"},
        "bob": {"corpus": [{"text": "The ice stays.", "topic": "ice"}, {"text": "No tax.", "topic": "tax"}]},
    },
    "parameters": {"steps": 3, "policy": "salient", "memory_size": None},
    "truth": {"agree": ["ice"], "disagree": ["tax"]},
}
ADA = 'topic,text\nice,The ice is melting.\nMelting ice,"It is, fast."\ntax,Tax it.\n'
JSONL = '{"text": "The ice is melting.", "topic": "ice"}\n{"topic": "tax", "text": "Tax it."}\n'

SPECIAL = st.sampled_from(
    ["", " ", "ice", "ada.csv", "../ada.csv", "/etc/passwd", ".", "~", "\0", "\ud800", "\x1b[0m", "\u202e", "x" * 5001,
     "nan", "null", "!!python/name:os.system", "*a", "{{7*7}}", "a\nb", "ada", "text", "corpus", "$ref", "Ada", "气候",
     "__class__", "[key]"]
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | SPECIAL | st.text(st.characters(codec=None), max_size=8)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SPECIAL, inner, max_size=3), max_leaves=6
)


def try_to_load(path: Path) -> Scenario | str:
    """Return the scenario, or the one line; anything else is an error of the loader's."""
    try:
        scenario = load_scenario(path)
    except InputError as error:
        line = str(error)
        assert line.isprintable()
        assert 0 < len(line) < 500
        return line
    assert len(scenario.personas) >= 2
    assert Scenario.model_validate(scenario.model_dump()) == scenario
    return scenario


def twice(path: Path) -> Scenario | str:
    """Return what loading gives, which is the same each time."""
    found = try_to_load(path)
    assert try_to_load(path) == found
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "ada.csv").write_text(ADA)
    return folder


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to everything inside a tree, itself included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """Draw the sound scenario with one to three places replaced, removed, renamed or added to."""
    tree: Any = copy.deepcopy(SCENARIO)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(tree)))
        if not place:
            continue
        parent = tree
        for key in place[:-1]:
            parent = parent[key]
        match draw(st.sampled_from(["replace", "remove", "rename", "add"])):
            case "replace":
                parent[place[-1]] = draw(VALUES)
            case "remove":
                del parent[place[-1]]
            case "rename" if isinstance(parent, dict):
                parent[draw(SPECIAL)] = parent.pop(place[-1])
            case "add" if isinstance(parent, dict):
                parent[draw(SPECIAL)] = draw(VALUES)
            case _:
                parent.append(draw(VALUES)) if isinstance(parent, list) else None
    return tree


SYNTAX = st.sampled_from(
    [b"", b'"', b",", b"\r", b"\n", b"\0", b"\xff", b":", b"- ", b"{", b"&a ", b"*a", b"!!a ", b"!!bool ", b"!!int ",
     b"!!set ", b"%", b"---\n", b"\t", b"? ", b"|", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\", b"#"]
)  # fmt: skip


@st.composite
def scrambled(draw: st.DrawFn, content: str) -> bytes:
    """Draw bytes of ``content`` with up to three stretches replaced by others, or cut out."""
    data = content.encode()
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 12)))
        data = data[:start] + draw(SYNTAX | st.binary(max_size=6)) + data[end:]
    return data


def test_what_is_damaged_below_was_sound(folder: Path) -> None:
    (folder / "sound.yaml").write_text(json.dumps(SCENARIO))
    assert isinstance(try_to_load(folder / "sound.yaml"), Scenario)


@bounded
@given(tree=damaged())
def test_a_damaged_tree(folder: Path, tree: Any) -> None:
    """JSON is YAML: a tree of any shape can be written, NaN, surrogates and all."""
    (folder / "tree.yaml").write_text(json.dumps(tree).replace("NaN", ".nan").replace("Infinity", ".inf"))
    twice(folder / "tree.yaml")


@bounded
@given(content=scrambled(json.dumps(SCENARIO, indent=1)))
def test_scrambled_flow_yaml(folder: Path, content: bytes) -> None:
    (folder / "flow.yaml").write_bytes(content)
    twice(folder / "flow.yaml")


BLOCK = """\
name: debate
topics: [ice, {id: tax, title: Carbon tax}]
personas:
  ada:
    corpus: ada.csv
  bob:
    corpus:
      - {text: "The ice stays.", topic: ice}
      - text: >-
          No tax.
        topic: tax
"""


@bounded
@given(content=scrambled(BLOCK))
def test_scrambled_block_yaml(folder: Path, content: bytes) -> None:
    (folder / "block.yaml").write_bytes(content)
    twice(folder / "block.yaml")


@bounded
@given(name=st.sampled_from(["ada.csv", "ada.tsv", "ada.jsonl", "ada.txt"]), data=st.data())
def test_a_scrambled_corpus(tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject) -> None:
    sound = {"ada.csv": ADA, "ada.tsv": ADA.replace(",", "\t"), "ada.jsonl": JSONL, "ada.txt": "# ice\nIt melts.\n"}
    folder = tmp_path_factory.mktemp("corpus")
    (folder / name).write_bytes(data.draw(scrambled(sound[name])))
    (folder / "bob.txt").write_text("It stays.\n")
    (folder / "s.yaml").write_text(BLOCK.replace("ada.csv", name))
    twice(folder / "s.yaml")
    twice(folder)


@bounded
@given(suffix=st.sampled_from([".yaml", ".csv", ".jsonl", ".txt"]), content=st.binary(max_size=64))
def test_random_bytes(folder: Path, suffix: str, content: bytes) -> None:
    (folder / f"bytes{suffix}").write_bytes(content)
    twice(folder / f"bytes{suffix}")
