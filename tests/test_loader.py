"""What the loader accepts, and that it understands all of it the same way."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ecosystem.cli import main
from ecosystem.corpora import Row, fold, identify, read_corpus
from ecosystem.errors import InputError, nearest, one_line, shorten
from ecosystem.reading import describe, describe_scenarios, file_schema, load_scenario, scenario_folders
from ecosystem.record.manifest import config_hash, write_config
from ecosystem.scenario import Parameters, Persona, Scenario, Statement, Topic, Traits
from ecosystem.writing import new_scenario, write_scenario

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "docs" / "scenario.schema.json"

TEXTS = [("ice", "The ice is melting, fast."), ("ice", 'Some call it "natural".'), ("tax", "A tax is fair.")]


def write(folder: Path, **files: str | bytes) -> Path:
    """Write files, ``__`` in a name standing for the dot; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def said(scenario: Scenario, key: str) -> list[tuple[str, str]]:
    return [(statement.topic, statement.text) for statement in scenario.personas[key].corpus]


def pairs(rows: list[Row]) -> list[tuple[str | None, str]]:
    return [(row.topic, row.text) for row in rows]


# Corpora: one content, every way to write it.

TXT = '# ice\nThe ice is melting, fast.\n\nSome call it "natural".\n# tax\n\n   A tax  is fair.   \n'
CSV = 'topic,text\nice,"The ice is melting, fast."\nice,"Some call it ""natural""."\n\ntax,A tax is fair.\n'
TSV = 'text\ttopic\nThe ice is melting, fast.\tice\n"Some call it ""natural""."\tice\nA tax is fair.\ttax\n'
JSONL = "\n".join(json.dumps({"topic": topic, "text": text}) for topic, text in TEXTS)
WAYS = {
    "txt": (TXT, ".txt"),
    "csv": (CSV, ".csv"),
    "csv in capitals": (CSV.replace("topic,text", " Topic ,TEXT"), ".CSV"),
    "csv all quoted": ('"topic","text"\n' + CSV.split("\n", 1)[1], ".csv"),
    "csv without an end of line": (CSV.rstrip("\n"), ".csv"),
    "csv with a column we do not know": (
        'year,topic,text\n1,ice,"The ice is melting, fast."\n2,ice,"Some call it ""natural""."\n3,tax,A tax is fair.\n',
        ".csv",
    ),
    "csv with a line break in a text": (CSV.replace("melting, fast", "melting,\n fast"), ".csv"),
    "tsv": (TSV, ".tsv"),
    "jsonl": (JSONL, ".jsonl"),
    "jsonl with blank lines": (JSONL.replace("\n", "\n\n") + "\n\n", ".jsonl"),
}  # fmt: skip


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("way", WAYS)
def test_a_corpus_reads_the_same_however_written(way: str, mark: bytes, ending: str, tmp_path: Path) -> None:
    content, suffix = WAYS[way]
    path = tmp_path / f"ada{suffix}"
    path.write_bytes(mark + content.replace("\n", ending).encode())
    assert pairs(read_corpus(path, "ada")) == TEXTS


def test_a_corpus_of_plain_lines_or_strings_has_no_topics(tmp_path: Path) -> None:
    texts = ["Ice melts.", "Über-heiß: 地球 🌍"]
    write(
        tmp_path,
        a__txt="\n".join(texts),
        b__jsonl="\n".join(map(json.dumps, texts)),
        c__csv="text\n" + "\n".join(texts),
    )
    for name in ("a.txt", "b.jsonl", "c.csv"):
        assert pairs(read_corpus(tmp_path / name, name)) == [(None, text) for text in texts]


def test_rows_know_their_lines(tmp_path: Path) -> None:
    write(tmp_path, ada__txt="# ice\n\nIce melts.\n\nIt does.\n")
    assert [row.where for row in read_corpus(tmp_path / "ada.txt", "ada.txt")] == ["ada.txt: line 3", "ada.txt: line 5"]


# Scenarios: inline corpora, titles, defaults.

SHORT = """\
topics: [ice, {id: tax, title: "A carbon tax", motion: Carbon should be taxed.}]
personas:
  ada: {corpus: [{text: Ice melts., topic: ice}, {text: Tax it., topic: A CARBON TAX}]}
  bob: {corpus: [{text: It stays., topic: Ice}, {text: Tax nothing., topic: a-carbon tax}]}
"""


def test_a_short_scenario_has_sensible_defaults(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path / "Ice and Tax (2)", scenario__yaml=SHORT))
    assert scenario.name == "ice-and-tax-2"
    assert [topic.id for topic in scenario.topics] == ["ice", "tax"]
    assert {key: persona.name for key, persona in scenario.personas.items()} == {"ada": "ada", "bob": "bob"}
    assert scenario.parameters == Parameters()
    assert scenario.personas["ada"].traits == Traits()
    assert scenario.truth is None


def test_topics_of_statements_may_be_titles_in_any_case(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, scenario__yaml=SHORT) / "scenario.yaml")
    assert said(scenario, "ada") == [("ice", "Ice melts."), ("tax", "Tax it.")]
    assert said(scenario, "bob") == [("ice", "It stays."), ("tax", "Tax nothing.")]


def test_corpora_inline_as_strings_belong_to_the_only_topic(tmp_path: Path) -> None:
    yaml = "topics: [ice]\npersonas: {ada: {corpus: [Ice melts., It does.]}, bob: {corpus: [It stays.]}}\n"
    scenario = load_scenario(write(tmp_path, scenario__yaml=yaml))
    assert said(scenario, "ada") == [("ice", "Ice melts."), ("ice", "It does.")]


def test_topics_left_out_are_those_in_use(tmp_path: Path) -> None:
    yaml = (
        "personas: {ada: {corpus: ada.txt}, bob: {corpus: [{text: No., topic: ICE MELT}, {text: Hm., topic: Tax}]}}\n"
    )
    scenario = load_scenario(write(tmp_path, scenario__yaml=yaml, ada__txt="# Ice melt\nYes.\n"))
    assert [(topic.id, topic.title) for topic in scenario.topics] == [("ice-melt", "Ice melt"), ("tax", "Tax")]
    assert said(scenario, "bob") == [("ice-melt", "No."), ("tax", "Hm.")]


def test_a_scenario_without_any_topic_is_one_debate(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, scenario__yaml="personas: {a: {corpus: [x]}, b: {corpus: [y]}}"))
    assert [topic.id for topic in scenario.topics] == ["debate"]


def test_a_yaml_file_may_have_any_name_and_a_byte_order_mark(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + SHORT.replace("\n", "\r\n").encode()
    scenario = load_scenario(write(tmp_path, mine__yml=content) / "mine.yml")
    assert len(scenario.personas) == 2


def test_a_folder_of_texts_is_a_scenario_with_a_persona_a_file(tmp_path: Path) -> None:
    texts = {who: [f"Sentence {n} of {who}, on the climate." for n in range(8)] for who in ("Agent A", "Agent B")}
    folder = write(tmp_path / "duet", README__md="Two agents.")
    for who, sentences in texts.items():
        (folder / f"{who}.txt").write_text("\n".join(sentences))
    scenario = load_scenario(folder)
    assert scenario.name == "duet"
    assert {key: persona.name for key, persona in scenario.personas.items()} == {
        "agent-a": "Agent A",
        "agent-b": "Agent B",
    }
    assert said(scenario, "agent-b") == [("debate", text) for text in texts["Agent B"]]


def test_a_folder_of_corpora_below_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "duet" / "corpora", ada__csv=CSV, bob__txt=TXT)
    assert said(load_scenario(tmp_path / "duet"), "ada") == said(load_scenario(str(tmp_path / "duet")), "bob") == TEXTS


TABLE = "Speaker,Text,Topic\nAda,Ice melts.,Ice\nBob B.,It stays.,ice\nAda,Tax it.,Carbon tax\nbob b,No.,Ice\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("who.csv", TABLE),
        ("who.tsv", TABLE.replace(",", "\t")),
        (
            "who.jsonl",
            "\n".join(
                json.dumps(dict(zip(("speaker", "text", "topic"), line.split(","), strict=True)))
                for line in TABLE.splitlines()[1:]
            ),
        ),
    ],
)
def test_a_table_of_who_said_what(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    scenario = load_scenario(tmp_path / name)
    assert scenario.name == "who"
    assert [(topic.id, topic.title) for topic in scenario.topics] == [("ice", "Ice"), ("carbon-tax", "Carbon tax")]
    assert {key: persona.name for key, persona in scenario.personas.items()} == {"ada": "Ada", "bob-b": "Bob B."}
    assert said(scenario, "ada") == [("ice", "Ice melts."), ("carbon-tax", "Tax it.")]
    assert said(scenario, "bob-b") == [("ice", "It stays."), ("ice", "No.")]


def test_speakers_and_topics_of_any_script_stay_apart(tmp_path: Path) -> None:
    """A slug keeps Latin letters and digits only: what differs in others must not become one."""
    lines = [
        "张伟,冰在融化。,气候 1",
        "李娜,没有。,气候 1",
        "张伟,征税吧。,税 1",
        "Иван 1,Да.,气候 1",
        "Пётр 1,Нет.,税 1",
    ]
    write(tmp_path, 说__csv="speaker,text,topic\n" + "\n".join(lines))
    scenario = load_scenario(tmp_path / "说.csv")
    assert [persona.name for persona in scenario.personas.values()] == ["张伟", "李娜", "Иван 1", "Пётр 1"]
    assert [topic.title for topic in scenario.topics] == ["气候 1", "税 1"]
    first, second = (topic.id for topic in scenario.topics)
    assert [said(scenario, key) for key in scenario.personas] == [
        [(first, "冰在融化。"), (second, "征税吧。")],
        [(first, "没有。")],
        [(first, "Да.")],
        [(second, "Нет.")],
    ]


@settings(derandomize=True, database=None, max_examples=50, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=12).filter(lambda label: label.strip()), min_size=1, max_size=12))
def test_identifiers_tell_apart_what_differs(labels: list[str]) -> None:
    found = identify(labels, "topic")
    assert {fold(label) for label in labels} == {fold(label) for label in found.values()}
    assert len(found) == len({fold(label) for label in labels})
    for key in found:
        Topic(id=key)


# Parameters.


def test_parameters_are_changed_by_name(debate: Scenario) -> None:
    scenario = load_scenario("climate-debate", steps=7, homophily="5", memory_size=None, entry="nash")
    assert (scenario.parameters.steps, scenario.parameters.homophily, scenario.parameters.entry) == (7, 5.0, "nash")
    assert scenario.model_copy(update={"parameters": debate.parameters}) == debate
    assert load_scenario(debate) is debate
    assert load_scenario(debate, steps=7).parameters.steps == 7
    assert debate.parameters.steps == 50


def test_a_wrong_parameter_is_named() -> None:
    with pytest.raises(InputError, match=r"^stepps: is not a parameter; did you mean 'steps'\?$"):
        load_scenario("climate-debate", stepps=7)
    with pytest.raises(InputError, match=r"^parameters: steps: found 0; "):
        load_scenario("climate-debate", steps=0)


@pytest.mark.parametrize("model", [Parameters, Traits])
def test_every_parameter_is_described_and_bounded(model: type[Parameters | Traits]) -> None:
    for name, field in model.model_json_schema()["properties"].items():
        assert len(field.get("description", "")) > 10, name
        kinds = [
            kind for kind in (field, *field.get("anyOf", ())) if kind.get("type") in ("integer", "number", "string")
        ]
        assert kinds, name
        for kind in kinds:
            if kind["type"] == "string":
                assert len(kind["enum"]) >= 2, name
            else:
                assert {"minimum", "exclusiveMinimum"} & set(kind), name
                assert {"maximum", "exclusiveMaximum"} & set(kind), name


def test_what_is_loaded_cannot_be_changed(debate: Scenario) -> None:
    with pytest.raises(ValueError, match="frozen"):
        debate.parameters.steps = 3


# The shipped scenarios.


def test_shipped_scenarios_are_listed_by_name() -> None:
    assert {"climate-debate", "climate-duet"} <= set(scenario_folders())
    rows = {row["name"]: row for row in describe_scenarios()}
    assert rows["climate-duet"]["personas"] == 2
    assert rows["climate-duet"]["statements"] == 32
    assert rows["climate-debate"]["topics"] == 16


def test_own_scenarios_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "scenarios" / "mine", scenario__yaml=SHORT)
    monkeypatch.chdir(tmp_path)
    assert load_scenario("mine").name == "mine"


def test_the_duet_carries_its_ground_truth(duet: Scenario) -> None:
    assert duet.truth is not None
    assert len(duet.truth.disagree) == len(duet.truth.agree) == 8
    assert [*duet.truth.disagree, *duet.truth.agree] == [topic.id for topic in duet.topics]


def test_the_debate_has_two_statements_a_persona_and_topic(debate: Scenario) -> None:
    assert len(debate.personas) >= 12
    for key, persona in debate.personas.items():
        counts = {topic.id: 0 for topic in debate.topics}
        for statement in persona.corpus:
            counts[statement.topic] += 1
        assert min(counts.values()) >= 2, key


# The JSON Schema that editors complete scenarios with.


def accepts(value: Any) -> bool:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(file_schema())
    return bool(jsonschema.Draft202012Validator(file_schema()).is_valid(value))


@pytest.mark.parametrize("name", ["climate-debate", "climate-duet"])
def test_the_schema_accepts_the_shipped_scenarios(name: str) -> None:
    raw = YAML(typ="safe", pure=True).load(scenario_folders()[name] / "scenario.yaml")
    assert accepts(raw)
    assert not accepts({**raw, "persona": {}})
    assert not accepts({**raw, "parameters": {"steps": 0}})
    assert not accepts({**raw, "parameters": {"stepps": 1}})
    assert not accepts({**raw, "personas": {}})
    assert not accepts({**raw, "personas": {**raw["personas"], "a b": {"corpus": ["x"]}}})
    assert not accepts({**raw, "personas": {**raw["personas"], "eve": {"corpus": []}}})
    assert not accepts({key: value for key, value in raw.items() if key != "personas"})


def test_the_schema_accepts_what_may_be_left_out() -> None:
    assert accepts(YAML(typ="safe", pure=True).load(SHORT))
    assert accepts({"personas": {"a": {"corpus": ["x"]}, "b": {"corpus": "b.txt"}}})


def test_the_schema_in_the_docs_is_the_one_in_force(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["ecosystem", "schema"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert capsys.readouterr().out == SCHEMA.read_text(), "run: ecosystem schema > docs/scenario.schema.json"


# Round trips: what is written loads again, unchanged.


@pytest.mark.parametrize("name", ["climate-debate", "climate-duet"])
def test_a_config_loads_again_unchanged(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(name, steps=3, seed=2**63 - 1, memory_size=5, learning_rate=1e-7)
    write_config(tmp_path, scenario)
    again = load_scenario(tmp_path / "config.yaml")
    assert again == scenario
    assert config_hash(again, "") == config_hash(scenario, "")


CHARACTERS = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
LINES = st.text(CHARACTERS, min_size=1, max_size=30).map(lambda text: " ".join(text.split())).filter(bool)
HARD = st.sampled_from(
    ["yes", "null", "~", "1e3", "0x10", "2024-01-01", "- a", "a: b", "a #b", "#a", "'", '"', "|", ">", "*a", "&a", "!a",
     "%a", "@a", "`a", "{", "[", "? a", "---", "...", "<<", "=", "\\n", "\ufeffa", "a\u2028b", "x" * 300, "a b " * 60]
).map(lambda text: " ".join(text.split()))  # fmt: skip
WORDS = LINES | HARD
NUMBERS = st.floats(0, 1, allow_subnormal=True)
KEYS = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,9}\Z") | st.sampled_from(["null", "1", "1.5", "true", "1e3", "a."])


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    topics = draw(st.lists(KEYS, min_size=1, max_size=3, unique=True))
    keys = draw(st.lists(KEYS, min_size=2, max_size=3, unique_by=str.lower))
    names = draw(st.lists(WORDS.map(lambda text: text[:200].strip()), min_size=3, max_size=3, unique=True))
    personas = {}
    for key, name in zip(keys, names, strict=False):
        texts = draw(st.lists(st.tuples(WORDS, st.sampled_from(topics)), min_size=1, max_size=3))
        personas[key] = Persona(
            name=name,
            description=draw(st.just("") | WORDS | st.just(" two\n\n  lines ")),
            traits=Traits(openness=draw(NUMBERS), stubbornness=draw(NUMBERS)),
            bloc=draw(st.none() | st.just("yes")),
            corpus=tuple(Statement(text=text, topic=topic) for text, topic in texts),
        )
    return Scenario(
        name=draw(KEYS),
        title=draw(st.none() | WORDS.map(lambda text: text[:200].strip())),
        topics=tuple(Topic(id=topic, motion=draw(st.none() | WORDS)) for topic in topics),
        personas=personas,
        parameters=Parameters(threshold=draw(NUMBERS) * 2 - 1, homophily=draw(NUMBERS) * 100),
    )


@settings(derandomize=True, database=None, max_examples=60, deadline=None)
@given(scenarios())
def test_any_scenario_written_loads_again_unchanged(
    tmp_path_factory: pytest.TempPathFactory, scenario: Scenario
) -> None:
    folder = tmp_path_factory.mktemp("written")
    write_config(folder, scenario)
    assert load_scenario(folder / "config.yaml") == scenario
    assert load_scenario(write_scenario(scenario, folder / "again")) == scenario


def test_a_new_scenario_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, who__csv=TABLE)
    monkeypatch.chdir(tmp_path)
    for argv, answer in (
        (["new", "ice-talk", "--from", "who.csv"], "scenarios/ice-talk/scenario.yaml\n"),
        (["validate", "ice-talk"], "ice-talk: valid; 2 personas, 2 topics, 4 statements\n"),
    ):
        monkeypatch.setattr(sys, "argv", ["ecosystem", *argv])
        with pytest.raises(SystemExit, match="0"):
            main()
        assert capsys.readouterr().out == answer
    table, folder = load_scenario("who.csv"), load_scenario("ice-talk")
    assert folder == table.model_copy(update={"name": "ice-talk"})
    assert sorted(path.name for path in (tmp_path / "scenarios").rglob("*")) == [
        "ada.csv", "bob-b.csv", "corpora", "ice-talk", "scenario.schema.json", "scenario.yaml",
    ]  # fmt: skip
    assert "$schema=" in (tmp_path / "scenarios/ice-talk/scenario.yaml").read_text().splitlines()[0]


def test_a_new_scenario_never_overwrites(tmp_path: Path) -> None:
    write(tmp_path, who__csv=TABLE)
    made = new_scenario("talk", tmp_path / "who.csv", tmp_path)
    before = made.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        new_scenario("talk", tmp_path / "who.csv", tmp_path)
    assert made.read_bytes() == before


def test_describe_counts(tmp_path: Path) -> None:
    row = describe(load_scenario(write(tmp_path / "talk", scenario__yaml=SHORT)))
    assert row == {"name": "talk", "title": "talk", "personas": 2, "topics": 2, "statements": 4}


# The words of messages.


def test_hints_stay_short_and_printable() -> None:
    assert nearest("stpes", ["steps", "seed"]) == "; did you mean 'steps'?"
    assert nearest("x", []) == ""
    assert len(nearest("x", [f"topic-{n}" for n in range(1000)])) < 250
    assert len(nearest("a" * 100_000, ["a" * 99, "a" * 100_000])) < 250
    assert len(shorten("x" * 1000)) == 60
    assert one_line("a\n\t b\x1b[31m\u202e\ud800") == "a b\\u001b[31m\\u202e\\ud800"
    assert len(str(InputError("x" * 1000, "y"))) <= 480


def test_a_number_that_only_looks_like_one_is_refused() -> None:
    for value in (math.nan, math.inf, True, "1.5.", [], {}):
        with pytest.raises(InputError, match=r"^parameters: homophily: "):
            load_scenario("climate-duet", homophily=value)


def test_speakers_that_differ_in_punctuation_are_not_merged(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("speaker,text\nC++,One.\nC#,Two.\nC,Three.\nA/B,Four.\nA-B,Five.\na b,Six.\n")
    scenario = load_scenario(tmp_path / "t.csv")
    assert [persona.name for persona in scenario.personas.values()] == ["C++", "C#", "C", "A/B", "A-B"]


def test_a_table_with_semicolons(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("speaker;text;topic\nAda;Yes, and soon.;coal\nBen;No.;coal\n")
    scenario = load_scenario(tmp_path / "t.csv")
    assert scenario.personas["ada"].corpus[0].text == "Yes, and soon."


def test_a_statement_without_topic_beside_one_with(tmp_path: Path) -> None:
    (tmp_path / "ada.txt").write_text("A ban helps no one.\n")
    (tmp_path / "ben.txt").write_text("# homework\nA ban helps everyone.\n")
    with pytest.raises(InputError, match=r"ada\.txt: line 1: no topic; accepted: homework"):
        load_scenario(tmp_path)


def test_the_same_texts_and_arrays_make_the_same_file(tmp_path: Path) -> None:
    import numpy as np

    from ecosystem.tensors import read_tensors, write_tensors

    texts = {f"key{i}": str(i) for i in range(20)}
    for name in ("a", "b"):
        write_tensors(tmp_path / name, "test-1", {"x": np.arange(3), "y": np.ones((2, 2))}, texts)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_tensors(tmp_path / "a", "test-1", "file")[1] == {"format": "test-1", **texts}
