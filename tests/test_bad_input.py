"""Bad input ends in exit status 2 and one line that says where, what was found and what is accepted.

Every case writes some files, runs a command line, and looks at all that it leaves: status, output, files.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from ecosystem.cli import main
from ecosystem.jepa import PRETRAINED
from ecosystem.jepa.affinity import AffinityModel

ROOT = Path(__file__).parents[1]

SCENARIO = """\
name: debate
title: A debate
topics:
  - {id: ice, title: Melting ice}
  - {id: tax}
personas:
  ada:
    name: Ada
    traits: {openness: 0.5}
    corpus: corpora/ada.csv
  bob:
    name: Bob
    corpus:
      - {text: The ice is here to stay., topic: ice}
      - {text: Taxes only hurt people., topic: tax}
parameters: {steps: 2, homophily: 3.0}
"""
ADA = "topic,text\nice,The ice is melting fast.\ntax,A tax on carbon is fair.\n"
FILES: Mapping[str, str | bytes] = {"debate/scenario.yaml": SCENARIO, "debate/corpora/ada.csv": ADA}


@dataclass(frozen=True)
class Case:
    """What is broken, the command line that meets it, and words that the one line must hold."""

    id: str
    words: tuple[str, ...]
    argv: str | list[str] = "validate debate"
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    prepare: Callable[[Path], None] | None = None


def edited(old: str, new: str) -> dict[str, str | bytes]:
    """Return the sound scenario with one place changed."""
    assert SCENARIO.count(old) == 1
    return {**FILES, "debate/scenario.yaml": SCENARIO.replace(old, new)}


def corpus(content: str | bytes, name: str = "ada.csv") -> dict[str, str | bytes]:
    """Return the sound scenario with another corpus in Ada's file."""
    changed = edited("corpora/ada.csv", f"corpora/{name}")
    del changed["debate/corpora/ada.csv"]
    return {**changed, f"debate/corpora/{name}": content}


def bomb() -> str:
    """Return nine lists of nine lists of ...: 300 bytes that would become 400 million strings."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    return "\n".join(lines)


def link(place: str, target: str) -> Callable[[Path], None]:
    return lambda folder: (folder / place).symlink_to(target)


def sparse(place: str, size: int) -> Callable[[Path], None]:
    """Return what makes a file of ``size`` bytes that takes no room on the disk."""

    def make(folder: Path) -> None:
        with (folder / place).open("wb") as file:
            file.truncate(size)

    return make


ONE_SPEAKER = {"who.csv": "speaker,text\nAda,Ice melts.\nAda,Taxes help.\n"}
YAML = "scenario.yaml"

CASES = [
    # What is named does not exist, or is something else.
    Case("no such scenario", ("scenario 'climate-debat'", "did you mean 'climate-debate'"), "validate climate-debat"),
    Case("no such path", ("scenario './nowhere/x.yaml'", "not found"), "validate ./nowhere/x.yaml"),
    Case("scenario with a NUL byte", ("NUL byte",), ["validate", "a\0b"]),
    Case("scenario name too long", ("scenario 'aaaa", "File name too long"), ["validate", "a" * 5000]),
    Case("unknown command", ("'rum'", "'run'"), "rum climate-debate"),
    Case("no command", ("command",), []),
    Case("no scenario", ("SCENARIO",), "validate"),
    Case("unknown option", ("--colour",), "validate debate --colour", FILES),
    Case("folder of nothing", ("empty", "scenario.yaml", ".csv"), "validate empty",
         {"empty/notes.md": "nothing"}),
    Case("unknown format", ("who.xlsx", "'.xlsx'", ".csv", ".jsonl"), "validate who.xlsx", {"who.xlsx": b"PK\3\4"}),
    Case("new from nothing", ("none.csv", "not found"), "new mine --from none.csv"),
    Case("new with a hostile name", ("NAME", "'../../x'", "letters"), "new ../../x --from who.csv",
         {"who.csv": "speaker,text\nAda,Ice melts.\nBob,It stays.\n"}),
    Case("new where there is something", ("debate", "exists already"), "new debate --from who.csv --out .",
         {**FILES, "who.csv": "speaker,text\nAda,Ice melts.\nBob,It stays.\n"}),
    Case("new with one speaker", ("who.csv", "personas", "found 1", "at least 2"), "new mine --from who.csv",
         ONE_SPEAKER),
    # YAML that is not a scenario.
    Case("empty file", (YAML, "None", "mapping"), files={**FILES, "debate/scenario.yaml": ""}),
    Case("list for a mapping", (YAML, "['ada', 'bob']", "mapping"),
         files={**FILES, "debate/scenario.yaml": "- ada\n- bob\n"}),
    Case("not YAML", (YAML, "line 3", "','"),
         files={**FILES, "debate/scenario.yaml": "name: debate\ntopics: [ice\n"}),
    Case("repeated key", (YAML, "line 11", "duplicate key", "ada"), files=edited("  bob:\n", "  ada:\n")),
    Case("a tag that would execute", (YAML, "line 2", "os.system"),
         files=edited("title: A debate", "title: !!python/object/apply:os.system ['touch pwned']")),
    Case("a tag that is not what it says", (YAML, "line 2", "bool", "plain values"),
         files=edited("title: A debate", "title: !!bool maybe")),
    Case("a mapping for a key", (YAML, "not accepted YAML"), files=edited("title: A debate", "? [{a: b}]\n: c")),
    Case("a key that pydantic uses", (YAML, "'[key]'", "unknown key"), files=edited("title: A debate", "'[key]': c")),
    Case("aliases that explode", (f"{YAML}: line 2: an alias",), files={**FILES, "debate/scenario.yaml": bomb()}),
    Case("an alias to itself", (YAML, "alias"), files=edited("title: A debate", "title: &t [*t]")),
    Case("nested too deeply", (YAML, "nested too deeply"),
         files=edited("title: A debate", f"title: {'[' * 20_000}{']' * 20_000}")),
    Case("two documents", (YAML, "document"), files={**FILES, "debate/scenario.yaml": f"{SCENARIO}---\n{SCENARIO}"}),
    Case("a 50 MB YAML", (YAML, "50.0 MB", "16 MB"), prepare=sparse("debate/scenario.yaml", 50_000_000), files=FILES),
    Case("UTF-16", (YAML, "line 1", "0xff", "UTF-8"),
         files={**FILES, "debate/scenario.yaml": SCENARIO.encode("utf-16")}),
    Case("control character", (YAML, "line 2", "U+001B"), files=edited("A debate", "A \x1b[31mdebate")),
    Case("escaped control character", (YAML, "title", "U+0007"), files=edited("A debate", r'"A \a debate"')),
    Case("lone surrogate", (YAML, "title", r"\ud800"), files=edited("A debate", r'"A \ud800 debate"')),
    # Keys that do not exist: the nearest that does is named.
    Case("unknown key at the top", (f"{YAML}: persona:", "did you mean 'personas'"),
         files=edited("personas:\n", "persona:\n")),
    Case("unknown key of a persona", ("personas.bob.corpsu", "did you mean 'corpus'"),
         files=edited("    corpus:\n", "    corpsu:\n")),
    Case("unknown trait", ("personas.ada.traits.opennes", "did you mean 'openness'"),
         files=edited("openness", "opennes")),
    Case("unknown key of a topic", ("topics.0.titel", "did you mean 'title'"), files=edited(", title:", ", titel:")),
    Case("unknown key of a statement", ("personas.bob.corpus.0.topik", "did you mean 'topic'"),
         files=edited("stay., topic", "stay., topik")),
    Case("unknown parameter in the file", ("parameters.homofily", "did you mean 'homophily'"),
         files=edited("homophily", "homofily")),
    Case("unknown key of the truth", ("truth.agrees", "did you mean 'agree'"),
         files=edited("parameters:", "truth: {agrees: [ice]}\nparameters:")),
    # Values of the wrong type or size.
    Case("personas are a list", (f"{YAML}: personas", "mapping"),
         files={**FILES, "debate/scenario.yaml": "personas: [ada, bob]\n"}),
    Case("persona is a number", (f"{YAML}: personas.ada", "found 5", "mapping"),
         files={**FILES, "debate/scenario.yaml": "personas: {ada: 5, bob: 6}\n"}),
    Case("topics are a string", (f"{YAML}: topics", "'climate'", "list"),
         files={**FILES, "debate/scenario.yaml": "topics: climate\npersonas: {a: {corpus: [x]}, b: {corpus: [y]}}\n"}),
    Case("topic without id", (f"{YAML}: topics.0.id", "missing"), files=edited("id: ice, ", "")),
    Case("topic of a statement is a number", ("personas.bob.corpus.1.topic", "found 7", "string"),
         files=edited("people., topic: tax", "people., topic: 7")),
    Case("name is a number", (f"{YAML}: title", "found 12", "string"), files=edited("A debate", "12")),
    Case("steps are words", ("parameters.steps", "'two'", "integer"), files=edited("steps: 2", "steps: two")),
    Case("steps are true", ("parameters.steps", "found true"), files=edited("steps: 2", "steps: true")),
    Case("homophily is not a number", ("parameters.homophily", "nan", "finite"),
         files=edited("homophily: 3.0", "homophily: .nan")),
    Case("openness is infinite", ("personas.ada.traits.openness", "inf"),
         files=edited("openness: 0.5", "openness: .inf")),
    Case("no personas", (f"{YAML}: personas", "found 0", "at least 2"),
         files={**FILES, "debate/scenario.yaml": "personas: {}\n"}),
    Case("personas left out", (f"{YAML}: personas", "missing"),
         files={**FILES, "debate/scenario.yaml": "name: debate\n"}),
    Case("one persona", (f"{YAML}: personas", "found 1", "at least 2"),
         files={**FILES, "debate/scenario.yaml": SCENARIO[: SCENARIO.index("  bob")]}),
    Case("one name for two", (YAML, "personas", "'Ada'", "distinct"), files=edited("name: Bob", "name: Ada")),
    Case("one topic twice", (YAML, "topics", "'ice'", "distinct"),
         files=edited("{id: tax}", "{id: tax}\n  - {id: ice}")),
    Case("persona key with spaces", (f"{YAML}: personas.bob the builder", "letters"),
         files=edited("  bob:\n", "  bob the builder:\n")),
    Case("persona key that climbs", (f"{YAML}: personas.../../bob", "letters"),
         files=edited("  bob:\n", "  ../../bob:\n")),
    Case("persona key is a number", (f"{YAML}: personas.5", "string"), files=edited("  bob:\n", "  5:\n")),
    Case("hostile scenario name", (f"{YAML}: name", "'../../x'", "letters"),
         files=edited("name: debate", "name: ../../x")),
    Case("truth on an unknown topic", (YAML, "truth.agree", "'sea'"),
         files=edited("parameters:", "truth: {agree: [sea]}\nparameters:")),
    # Corpora.
    Case("missing corpus file", (f"{YAML}: personas.ada.corpus", "'corpora/eve.csv'", "not found"),
         files=edited("corpora/ada.csv", "corpora/eve.csv")),
    Case("corpus is a folder", ("personas.ada.corpus", "'corpora.csv'", "folder"),
         files={**edited("corpora/ada.csv", "corpora.csv"), "debate/corpora.csv/x.md": ""}),
    Case("corpus is a number", ("personas.ada.corpus", "found 3", "list"), files=edited("corpora/ada.csv", "3")),
    Case("path that climbs out", ("personas.ada.corpus", "'../secret.txt'", "leaves"),
         files={**edited("corpora/ada.csv", "../secret.txt"), "secret.txt": "A secret."}),
    Case("absolute path", ("personas.ada.corpus", "'/etc/passwd'", "leaves"),
         files=edited("corpora/ada.csv", "/etc/passwd")),
    Case("link that leads out", ("personas.ada.corpus", "'corpora/link.txt'", "leaves"),
         files=edited("corpora/ada.csv", "corpora/link.txt"), prepare=link("debate/corpora/link.txt", "/etc/passwd")),
    Case("link in a folder of texts", ("texts", "'c.txt'", "leaves"), "validate texts",
         {"texts/a.txt": "Ice melts.", "texts/b.txt": "It stays."}, link("texts/c.txt", "/etc/passwd")),
    Case("link to itself", ("personas.ada.corpus", "'corpora/loop.txt'"),
         files=edited("corpora/ada.csv", "corpora/loop.txt"), prepare=link("debate/corpora/loop.txt", "loop.txt")),
    Case("path with a NUL byte", ("personas.ada.corpus", r"a\x00b"), files=edited("corpora/ada.csv", r'"a\0b.csv"')),
    Case("path with a lone surrogate", ("personas.ada.corpus", r"\ud800"),
         files=edited("corpora/ada.csv", r'"\ud800.csv"')),
    Case("two files for one persona", ("texts", "'ada.csv'", "'ada.txt'", "one persona"), "validate texts",
         {"texts/ada.txt": "Ice melts.", "texts/ada.csv": "text\nIce melts.\n", "texts/bob.txt": "It stays."}),
    Case("empty corpus", ("ada.csv", "no statement"), files=corpus("topic,text\n")),
    Case("corpus of headings", ("ada.txt", "no statement"), files=corpus("# ice\n\n", "ada.txt")),
    Case("empty list", ("personas.bob.corpus", "found 0", "at least 1"),
         files={**FILES, "debate/scenario.yaml": f"{SCENARIO[: SCENARIO.index('      - {text')]}      []\n"}),
    Case("empty statement", ("ada.csv", "line 3", "empty"), files=corpus("topic,text\nice,Ice melts.\ntax, \n")),
    Case("not UTF-8", ("ada.csv", "line 2", "0xfc", "UTF-8"),
         files=corpus("topic,text\nice,Gr\xfcn.\n".encode("latin-1"))),
    Case("a NUL byte", ("ada.csv", "line 3", "NUL"), files=corpus("topic,text\nice,Ice melts.\ntax,No\0way.\n")),
    Case("a 50 MB line", ("ada.csv", "50.0 MB", "32 MB"), files=FILES,
         prepare=sparse("debate/corpora/ada.csv", 50_000_000)),
    Case("a 5 MB line", ("ada.txt", "line 1", "5000000", "5000"), files=corpus("x" * 5_000_000, "ada.txt")),
    Case("control character in a text", ("ada.txt", "line 2", "U+001B"),
         files=corpus("# ice\nRed \x1b[31malert.", "ada.txt")),
    Case("lone surrogate in a text", ("ada.jsonl", "line 1", "U+D800"),
         files=corpus('{"text": "ice \\ud800", "topic": "ice"}', "ada.jsonl")),
    Case("unquoted comma", ("ada.csv", "line 2", "3 cells", "2", "quote"),
         files=corpus("topic,text\nice,Yes, it melts.\n")),
    Case("unterminated quote", ("ada.csv", "line 3", "CSV"), files=corpus('topic,text\nice,"It melts.\ntax,No.\n')),
    Case("no text column", ("ada.csv", "line 1", "'text'", "topic, sentence"),
         files=corpus("topic,sentence\nice,Melts.\n")),
    Case("two text columns", ("ada.csv", "line 1", "'text'", "twice"), files=corpus("text,text\nMelts.,Stays.\n")),
    Case("no such topic", ("ada.csv", "line 2", "'ise'", "did you mean 'ice'"),
         files=corpus("topic,text\nise,Melts.\n")),
    Case("no topic", ("ada.txt", "line 1", "no topic", "ice, tax"), files=corpus("Ice melts.\n", "ada.txt")),
    Case("not JSON", ("ada.jsonl", "line 2", "JSON"),
         files=corpus('{"text": "a", "topic": "ice"}\n{"text"\n', "ada.jsonl")),
    Case("JSON of another kind", ("ada.jsonl", "line 1", "found 5", "'text'"), files=corpus("5\n", "ada.jsonl")),
    Case("JSON nested too deeply", ("ada.jsonl", "line 1", "nested"), files=corpus("[" * 100_000, "ada.jsonl")),
    Case("JSON number for a text", ("ada.jsonl", "line 1: text", "nan", "string"),
         files=corpus('{"text": NaN}\n', "ada.jsonl")),
    Case("JSON with an unknown key", ("ada.jsonl", "line 1", "'txet'", "did you mean 'text'"),
         files=corpus('{"text": "a", "txet": "b"}\n', "ada.jsonl")),
    Case("table without speakers", ("who.csv", "line 2", "speaker"),
         "validate who.csv", {"who.csv": "text\nIce melts.\n"}),
    Case("table with one speaker", ("who.csv", "personas", "found 1", "at least 2"), "validate who.csv", ONE_SPEAKER),
    # Options.
    Case("negative steps", ("parameters: steps", "-3", "greater than or equal to 1"), "run debate --steps -3", FILES),
    Case("no steps", ("parameters: steps", "found 0", "greater than or equal to 1"), "run debate --steps 0", FILES),
    Case("too many steps", ("parameters: steps", "less than or equal to 1000000"),
         "run debate --steps 1000001", FILES),
    Case("steps of a thousand digits", ("--steps", "999", "whole number"),
         ["run", "debate", "--steps", "9" * 5000], FILES),
    Case("steps that are no number", ("--steps", "'abc'", "whole number"), "run debate --steps abc", FILES),
    Case("negative seed", ("parameters: seed", "-1"), "run debate --seed -1", FILES),
    Case("--set without =", ("--set", "'homophily'", "key=value"), "run debate --set homophily", FILES),
    Case("--set without a key", ("--set", "'=3'", "key=value"), "run debate --set =3", FILES),
    Case("--set of no parameter", ("homofily", "did you mean 'homophily'"), "run debate --set homofily=3", FILES),
    Case("--set of nothing like a parameter", ("xyzzy", "homophily", "steps"), "run debate --set xyzzy=3", FILES),
    Case("--set of a wrong value", ("parameters: homophily", "'much'", "number"),
         "run debate --set homophily=much", FILES),
    Case("--set out of range", ("parameters: learning_rate", "'1.5'", "less than or equal to 1"),
         "run debate --set learning_rate=1.5", FILES),
    Case("--set to infinity", ("parameters: bias", "'inf'"), "run debate --set bias=inf", FILES),
    Case("--set of no policy", ("parameters: policy", "'loud'", "'responsive'"),
         "run debate --set policy=loud", FILES),
    Case("negative training steps", ("head_steps", "-5", "from 0"), "train --set head_steps=-5"),
    Case("a recipe's unknown part", ("head_step", "no part of a recipe"), "train --set head_step=5"),
    Case("training data that is not there", ("nowhere",), "train --data nowhere --quiet"),
    Case("report of no run", ("debate", "manifest.json"), "report debate", FILES),
    # What a run needs beside its scenario.
    Case("missing weights", ("none.safetensors", "not a readable weights file"),
         "run debate --weights none.safetensors --quiet", FILES),
    Case("corrupt weights", ("bad.safetensors", "not a readable weights file"),
         "run debate --weights bad.safetensors --quiet", {**FILES, "bad.safetensors": b"\0" * 4096}),
    Case("weights that are a folder", ("debate", "not a readable weights file"),
         "run debate --weights debate --quiet", FILES),
    Case("output is a file", ("taken",), "run debate --out taken --quiet", {**FILES, "taken": "mine"}),
    Case("output below a file", ("taken",), "run debate --out taken/runs --quiet", {**FILES, "taken": "mine"}),
    Case("output for a new scenario is a file", ("taken",), "new mine --from who.csv --out taken",
         {"who.csv": "speaker,text\nAda,Ice melts.\nBob,It stays.\n", "taken": "mine"}),
]  # fmt: skip


def lay(case: Case, folder: Path) -> list[str]:
    """Write a case's files; return its command line."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if case.prepare is not None:
        case.prepare(folder)
    return case.argv.split() if isinstance(case.argv, str) else case.argv


def listing(folder: Path) -> dict[str, int]:
    """Return everything below a folder, with sizes."""
    return {str(path.relative_to(folder)): path.lstat().st_size for path in folder.rglob("*")}


def check_line(stderr: str, words: tuple[str, ...]) -> None:
    """Check that there is one line, not long, that starts as it should and holds ``words``."""
    assert stderr.endswith("\n")
    assert stderr.count("\n") == 1, stderr
    assert len(stderr) <= 500
    assert stderr.startswith("ecosystem: ")
    assert stderr.rstrip("\n").isprintable()
    for word in words:
        assert word in stderr


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_one_line(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = lay(case, tmp_path)
    before = listing(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ecosystem", *argv])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert ended.value.code == 2
    check_line(shown.err, case.words)
    assert shown.out == "" or case.id == "no command"
    assert listing(tmp_path) == before


def test_the_sound_scenario_is_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cases above are broken by what they change, not by what they start from."""
    lay(Case("sound", (), files=FILES), tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ecosystem", "validate", "debate"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out == "debate: valid; 2 personas, 2 topics, 4 statements\n"


# The same through a process of its own, as a user would meet it.

BY_ID = {case.id: case for case in CASES}


def command(folder: Path, *argv: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "ecosystem.cli", *argv]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "name",
    ["a tag that would execute", "aliases that explode", "a 50 MB line", "unknown command", "--set out of range"],
)
def test_one_line_from_a_process(name: str, tmp_path: Path) -> None:
    case = BY_ID[name]
    argv = lay(case, tmp_path)
    before = listing(tmp_path)
    finished = command(tmp_path, *argv)
    assert (finished.returncode, finished.stdout) == (2, "")
    check_line(finished.stderr, case.words)
    assert listing(tmp_path) == before


def test_bytes_that_are_no_text_on_the_command_line(tmp_path: Path) -> None:
    finished = command(tmp_path, "validate", os.fsdecode(b"gr\xfcn"))
    assert (finished.returncode, finished.stdout) == (2, "")
    check_line(finished.stderr, ("gr", "not found"))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("run", "climate-duet"), ("interrupted", "--resume", "goes on")),
        (("sweep", "climate-duet", "--vary", "homophily=1,2"), ("interrupted", "the same command goes on")),
        (("validate", "climate-duet"), ("interrupted",)),
    ],
)
def test_interrupted(
    command: tuple[str, ...],
    told: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    for place in ("reading", "execute", "sweeping"):
        monkeypatch.setattr(f"ecosystem.{place}.load_scenario", interrupt)
    monkeypatch.setattr(sys, "argv", ["ecosystem", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    check_line(capsys.readouterr().err, told)


# Disks that fill up.


@pytest.fixture(scope="module")
def known_texts(jepa: AffinityModel) -> None:
    """Let the cache hold the statements, so that a run writes to its own folder only."""
    for texts in (
        ["The ice is melting fast.", "A tax on carbon is fair."],
        ["The ice is here to stay.", "Taxes only hurt people."],
    ):
        jepa.statements(texts, np.zeros(2, np.int64))


def test_a_file_that_cannot_grow(tmp_path: Path, known_texts: None) -> None:
    """The kernel refuses every byte of a file beyond 3000: nothing half-written is left."""
    lay(Case("sound", (), files=FILES), tmp_path)
    before = listing(tmp_path)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    finished = command(tmp_path, "run", "debate", "--quiet", preexec_fn=limit)
    assert (finished.returncode, finished.stdout) == (2, "")
    check_line(finished.stderr, ("File too large",))
    assert listing(tmp_path) == before


FULL = """
set -e
mount -t tmpfs -o size={size},nr_inodes=200 full disk
set +e
"$@"
status=$?
ls -A disk
exit $status
"""


def on_a_full_disk(folder: Path, size: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command beside a real file system ``disk`` of ``size`` bytes, then list what it left there."""
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    (folder / "disk").mkdir()
    try:
        subprocess.run([*inside, FULL.format(size="64k"), "sh", "true"], cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets us mount nothing")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [*inside, FULL.format(size=size), "sh", sys.executable, "-m", "ecosystem.cli", *argv]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_full_disk_under_a_run(tmp_path: Path, known_texts: None) -> None:
    lay(Case("sound", (), files=FILES), tmp_path)
    finished = on_a_full_disk(tmp_path, "16k", "run", "debate", "--out", "disk/runs", "--quiet")
    assert (finished.returncode, finished.stdout) == (2, "")
    check_line(finished.stderr, ("No space left on device",))


def test_a_full_disk_under_a_new_scenario(tmp_path: Path) -> None:
    rows = "".join(f"{who},Statement {n} is longer than it needs to be.\n" for who in "AB" for n in range(500))
    (tmp_path / "who.csv").write_text(f"speaker,text\n{rows}")
    finished = on_a_full_disk(tmp_path, "40k", "new", "mine", "--from", "who.csv", "--out", "disk")
    assert (finished.returncode, finished.stdout) == (2, "")
    check_line(finished.stderr, ("No space left on device",))


# Runs that were begun and cannot be finished.


@pytest.mark.parametrize("harm", ["garbage", "truncated", "another file"])
def test_resume_from_a_corrupt_checkpoint(
    harm: str,
    jepa: AffinityModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lay(Case("sound", (), files=FILES), tmp_path)
    monkeypatch.chdir(tmp_path)
    checkpoint = begin(tmp_path / "debate", tmp_path / "runs", jepa)
    content = {
        "garbage": b"\xff" * 300,
        "truncated": checkpoint.read_bytes()[:-20],
        "another file": PRETRAINED.read_bytes(),
    }
    checkpoint.write_bytes(content[harm])
    before = listing(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ecosystem", "run", "debate", "--resume", "--quiet"])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out) == (2, "")
    check_line(shown.err, (f"{checkpoint.name}: ", "checkpoint"))
    after = listing(tmp_path)
    assert {name for name in after if "parts" in name or "checkpoints" in name} == {
        name for name in before if "parts" in name or "checkpoints" in name
    }
    assert not list((tmp_path / "runs").rglob("report.html"))


def begin(scenario: Path, out: Path, jepa: AffinityModel) -> Path:
    """Leave a run as a kill in its middle would; return its checkpoint."""
    from ecosystem.model import EcosystemModel
    from ecosystem.reading import load_scenario
    from ecosystem.record.folder import RunWriter, new_folder
    from ecosystem.record.manifest import config_hash, file_hash, write_config

    checked = load_scenario(scenario)
    digest = config_hash(checked, file_hash(PRETRAINED))
    folder = new_folder(out, checked.name, checked.parameters.seed, digest)
    write_config(folder, checked)
    model = EcosystemModel(checked, jepa=jepa)
    writer = RunWriter(folder, model)
    model.step()
    assert model.last is not None
    writer.add(model.last)
    writer.checkpoint()
    return next((folder / "checkpoints").glob("*.safetensors"))
