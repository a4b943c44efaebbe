"""From a name, a folder, a YAML file or a table of who said what to a checked `Scenario`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ecosystem.complaints import explain
from ecosystem.corpora import FORMATS, Row, clean, fold, identify, read_affinity, read_corpus, read_text, slug
from ecosystem.errors import InputError, brief, nearest, shorten
from ecosystem.plain_yaml import parse_yaml
from ecosystem.scenario import Parameters, Scenario

SCENARIO_FILE = "scenario.yaml"
MAX_YAML_BYTES = 16_000_000
DEFAULT_TOPIC = "debate"


def load_scenario(source: str | Path | Scenario, **changes: Any) -> Scenario:
    """Return the scenario that ``source`` names, checked, with some parameters changed.

    Parameters
    ----------
    source : str, Path or Scenario
        The name of a shipped scenario or of a folder under ``scenarios/``; a folder with a
        ``scenario.yaml`` or just corpora, one file a persona; a YAML file; a table with the columns
        ``speaker, text`` and perhaps ``topic``.
    **changes
        Parameters by name, as in `Parameters`.

    Raises
    ------
    InputError
        Told in one line: the file, the field, what was found, what is accepted.
    """
    scenario = source if isinstance(source, Scenario) else _read(source)
    if not changes:
        return scenario
    for name in changes:
        if name not in Parameters.model_fields:
            raise InputError(brief(name), f"is not a parameter{nearest(name, Parameters.model_fields)}")
    try:
        return scenario.with_parameters(**changes)
    except ValidationError as error:
        raise explain(error, "parameters", Parameters) from None


def scenario_folders() -> dict[str, Path]:
    """Return the scenarios that can be named: those of ``./scenarios`` and the shipped ones, by name."""
    package = Path(__file__).parent
    found: dict[str, Path] = {}
    for root in (package / "_scenarios", package.parent / "scenarios", Path("scenarios")):
        if root.is_dir():
            found |= {p.name: p for p in sorted(root.iterdir()) if (p / SCENARIO_FILE).is_file()}
    return dict(sorted(found.items()))


def describe(scenario: Scenario) -> dict[str, Any]:
    """Return a scenario's name, title and counts."""
    return {
        "name": scenario.name,
        "title": scenario.title or scenario.name,
        "personas": len(scenario.personas),
        "topics": len(scenario.topics),
        "statements": sum(len(persona.corpus) for persona in scenario.personas.values()),
    }


def describe_scenarios() -> list[dict[str, Any]]:
    """Return `describe` and the folder of every scenario that can be named."""
    found = scenario_folders()
    return [{**describe(load_scenario(name)), "folder": str(folder)} for name, folder in found.items()]


def file_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``scenario.yaml``, where more may be left out than in a `Scenario`.

    A corpus may be a path or a list of strings, topics may be ids alone, and names, topics and the
    topics of statements may be left out.
    """
    schema = Scenario.model_json_schema()
    parts = schema["$defs"]
    corpus = parts["Persona"]["properties"]["corpus"]
    corpus["minItems"] = 1
    corpus["items"] = {"anyOf": [{"type": "string"}, corpus["items"]]}
    path = {"type": "string", "description": f"a file in the scenario's folder ({', '.join(FORMATS)})"}
    parts["Persona"]["properties"]["corpus"] = {"anyOf": [path, corpus]}
    parts["Persona"]["required"] = []
    matrix = {"type": "string", "description": "a square table (.csv, .tsv) in the scenario's folder"}
    schema["properties"]["affinity"] = {"anyOf": [matrix, schema["properties"]["affinity"]]}
    parts["Statement"]["required"] = ["text"]
    parts["Statement"]["properties"]["topic"] = {"type": "string", "description": "id or title of a topic"}
    schema["properties"]["personas"]["additionalProperties"] = False
    topics = schema["properties"]["topics"]
    topics["items"] = {"anyOf": [{"type": "string"}, topics["items"]]}
    schema["required"] = ["personas"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _read(source: str | Path) -> Scenario:
    path = _find(source)
    if path.is_dir():
        if (path / SCENARIO_FILE).exists():
            return _read_yaml(path / SCENARIO_FILE)
        return _from_folder(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _read_yaml(path)
    return scenario_from_rows(read_corpus(path, str(path)), slug(path.stem) or "table", str(path))


def _find(source: str | Path) -> Path:
    if not isinstance(source, str | Path):
        raise InputError("scenario", f"found {shorten(source)}; a name, a path or a Scenario is accepted")
    path = Path(source)
    if "\0" in str(source):
        raise InputError("scenario", "found a NUL byte; a name or a path is accepted")
    try:
        known = scenario_folders()
        if isinstance(source, str) and source in known:
            return known[source]
        if path.exists():
            return path
    except OSError as error:
        raise InputError(f"scenario {shorten(str(source))}", f"cannot be read: {error.strerror}") from None
    raise InputError(f"scenario {shorten(str(source))}", f"not found as a name or a path{nearest(str(source), known)}")


def _read_yaml(path: Path) -> Scenario:
    shown = path.name
    raw = parse_yaml(read_text(path, shown, MAX_YAML_BYTES), shown)
    if not isinstance(raw, dict):
        raise InputError(shown, f"found {shorten(raw)}; a mapping with 'personas' is accepted")
    raw.setdefault("name", slug(path.parent.resolve().name) or "scenario")
    _fill_in(raw, path.parent, shown)
    return _validate(raw, shown)


def _fill_in(raw: dict[str, Any], folder: Path, shown: str) -> None:
    """Replace paths by the corpora they name, and spell out topics and names that may be left out.

    What is of another shape than it should be stays as it is: the schema names it.
    """
    topics = [] if raw.get("topics") is None else raw["topics"]
    if isinstance(topics, list):
        topics = [{"id": topic} if isinstance(topic, str) else topic for topic in topics]
        sound = all(isinstance(topic, dict) and isinstance(topic.get("id"), str) for topic in topics)
    raw["topics"] = topics
    personas = raw["personas"] if isinstance(raw.get("personas"), dict) else {}
    held: list[tuple[dict[str, Any], list[Any]]] = []
    for key, persona in personas.items():
        if not isinstance(persona, dict):
            continue
        persona.setdefault("name", str(key))
        where, corpus = f"{shown}: personas.{brief(key)}.corpus", persona.get("corpus")
        if isinstance(corpus, str):
            rows = read_corpus(_inside(folder, corpus, where), f"{where}: {shorten(corpus)}")
            held.append((persona, list(rows)))
        elif isinstance(corpus, list):
            held.append((persona, [_inline(item, f"{where}.{i}") for i, item in enumerate(corpus)]))
    if isinstance(raw.get("affinity"), str):
        relative, where = raw["affinity"], f"{shown}: affinity"
        raw["affinity"] = read_affinity(_inside(folder, relative, where), f"{where}: {shorten(relative)}")
    if not isinstance(topics, list) or not sound:
        return
    find_topic = _topics_of(topics, [row for _, corpus in held for row in corpus if isinstance(row, Row)])
    for persona, corpus in held:
        persona["corpus"] = [
            {"text": row.text, "topic": find_topic(row)} if isinstance(row, Row) else row for row in corpus
        ]


def _inline(item: Any, where: str) -> Any:
    """Return the row that an item of a corpus in the YAML file stands for; what is no statement as it is."""
    given = {"text": item} if isinstance(item, str) else item
    if not isinstance(given, dict) or "text" not in given or set(given) - {"text", "topic"}:
        return item
    text, topic = given["text"], given.get("topic")
    if not isinstance(text, str) or not isinstance(topic, str | None):
        return item
    return Row(where, clean(text, where), None if topic is None else clean(topic, f"{where}.topic", 200))


def _inside(folder: Path, relative: str, where: str) -> Path:
    try:
        root, path = folder.resolve(), (folder / relative).resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL byte, a lone surrogate
        raise InputError(where, f"found {shorten(relative)}; a path that can be followed is accepted") from None
    if not path.is_relative_to(root):
        raise InputError(where, f"path {shorten(relative)} leaves the scenario's folder; keep corpora inside it")
    return path


def _topics_of(topics: list[dict[str, Any]], rows: Sequence[Row]) -> Callable[[Row], str]:
    """Return the function that names a row's topic; when none are declared, declare those in use."""
    declared = bool(topics)
    if not declared:
        if all(row.topic is None for row in rows):
            topics.append({"id": DEFAULT_TOPIC})
        labels = identify((row.topic for row in rows if row.topic), "topic")
        topics += [{"id": key, "title": label} for key, label in labels.items()]
    ids = [topic["id"] for topic in topics]
    by_label = {fold(str(topic.get("title") or topic["id"])): topic["id"] for topic in topics}
    by_label |= {fold(id_): id_ for id_ in ids} | {id_: id_ for id_ in ids}

    def topic_of(row: Row) -> str:
        if row.topic is None:
            if len(ids) == 1 and (declared or ids[0] == DEFAULT_TOPIC):
                return str(ids[0])
            raise InputError(row.where, f"no topic{nearest('', ids)}")
        for label in (row.topic, fold(row.topic), slug(row.topic)):
            if label in by_label:
                return str(by_label[label])
        raise InputError(row.where, f"topic {shorten(row.topic)} is not among the topics{nearest(row.topic, ids)}")

    return topic_of


def _from_folder(folder: Path) -> Scenario:
    files = [p for root in (folder, folder / "corpora") if root.is_dir() for p in sorted(root.iterdir())]
    files = [p for p in files if p.suffix.lower() in FORMATS and p.is_file()]
    if not files:
        raise InputError(str(folder), f"holds neither {SCENARIO_FILE} nor corpora ({', '.join(FORMATS)})")
    seen: dict[str, Path] = {}
    for path in files:
        _inside(folder, str(path.relative_to(folder)), str(folder))
        other = seen.setdefault(fold(path.stem), path)
        if other != path:
            raise InputError(str(folder), f"{other.name!r} and {path.name!r} name one persona; one file each is needed")
    rows = [Row(row.where, row.text, row.topic, path.stem) for path in files for row in read_corpus(path, path.name)]
    return scenario_from_rows(rows, slug(folder.resolve().name) or "folder", str(folder))


def scenario_from_rows(rows: Sequence[Row], name: str, shown: str) -> Scenario:
    """Return a scenario made from statements that say who said them; topics are those in use."""
    for row in rows:
        if row.speaker is None:
            raise InputError(row.where, "no speaker; a table needs the columns speaker, text and perhaps topic")
    names = identify((row.speaker for row in rows if row.speaker), "persona")
    topics: list[dict[str, Any]] = []
    topic_of = _topics_of(topics, rows)
    corpora: dict[str, list[dict[str, str]]] = {fold(label): [] for label in names.values()}
    for row in rows:
        corpora[fold(str(row.speaker))].append({"text": row.text, "topic": topic_of(row)})
    personas = {key: {"name": label, "corpus": corpora[fold(label)]} for key, label in names.items()}
    return _validate({"name": name, "topics": topics, "personas": personas}, shown)


def _validate(raw: Mapping[str, Any], shown: str) -> Scenario:
    try:
        return Scenario.model_validate(raw)
    except ValidationError as error:
        raise explain(error, shown, Scenario) from None
