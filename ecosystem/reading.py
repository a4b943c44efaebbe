"""From a name, a folder, a YAML file or a table of who said what to a checked `Scenario`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ecosystem.corpora import FORMATS, Row, clean, read_corpus, read_text, slug
from ecosystem.errors import InputError, nearest, shorten
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
            raise InputError(name, f"is not a parameter{nearest(name, Parameters.model_fields)}")
    try:
        return scenario.with_parameters(**changes)
    except ValidationError as error:
        raise _explain(error, "parameters", Parameters) from None


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
    corpus["items"] = {"anyOf": [{"type": "string"}, corpus["items"]]}
    path = {"type": "string", "description": f"a file in the scenario's folder ({', '.join(FORMATS)})"}
    parts["Persona"]["properties"]["corpus"] = {"anyOf": [path, corpus]}
    parts["Persona"]["required"] = ["corpus"]
    parts["Statement"]["required"] = ["text"]
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
    raw.setdefault("name", slug(path.parent.resolve().name))
    try:
        _fill_in(raw, path.parent, shown)
    except (TypeError, AttributeError):
        pass  # the shape is wrong somewhere: the schema says where
    return _validate(raw, shown)


def _fill_in(raw: dict[str, Any], folder: Path, shown: str) -> None:
    """Replace paths by the corpora they name, and spell out topics and names that may be left out."""
    corpora: dict[str, list[Row]] = {}
    for key, persona in raw["personas"].items():
        where = f"{shown}: personas.{key}.corpus"
        if not isinstance(persona, dict) or "corpus" not in persona:
            continue
        persona.setdefault("name", str(key))
        corpus = persona["corpus"]
        if isinstance(corpus, str):
            corpora[key] = read_corpus(_inside(folder, corpus, where), f"{where}: {shorten(corpus)}")
        elif isinstance(corpus, list) and all(isinstance(item, str | dict) for item in corpus):
            items = [{"text": item} if isinstance(item, str) else item for item in corpus]
            if all(isinstance(item.get("text"), str) and set(item) <= {"text", "topic"} for item in items):
                places = (f"{where}.{i}" for i in range(len(items)))
                corpora[key] = [
                    Row(place, clean(item["text"], place), item.get("topic"))
                    for place, item in zip(places, items, strict=True)
                ]
    raw["topics"] = [{"id": topic} if isinstance(topic, str) else topic for topic in raw.get("topics") or ()]
    find_topic = _topics_of(raw["topics"], [row for rows in corpora.values() for row in rows])
    for key, rows in corpora.items():
        raw["personas"][key]["corpus"] = [{"text": row.text, "topic": find_topic(row)} for row in rows]


def _inside(folder: Path, relative: str, where: str) -> Path:
    if "\0" in relative:
        raise InputError(where, "found a NUL byte; a path is accepted")
    root, path = folder.resolve(), (folder / relative).resolve()
    if not path.is_relative_to(root):
        raise InputError(where, f"path {shorten(relative)} leaves the scenario's folder; keep corpora inside it")
    return path


def _topics_of(topics: list[dict[str, Any]], rows: Sequence[Row]) -> Callable[[Row], str]:
    """Return the function that names a row's topic; when none are declared, declare those in use."""
    if not topics:
        if all(row.topic is None for row in rows):
            topics.append({"id": DEFAULT_TOPIC})
        for label in dict.fromkeys(row.topic for row in rows if row.topic):
            topics.append({"id": slug(label) or label, "title": label})
        unique = {topic["id"]: topic for topic in reversed(topics)}
        topics[:] = reversed(unique.values())
    by_label = {str(t.get("title") or t["id"]).casefold(): str(t["id"]) for t in topics}
    by_label |= {slug(str(t["id"])): str(t["id"]) for t in topics} | {str(t["id"]): str(t["id"]) for t in topics}

    def topic_of(row: Row) -> str:
        if row.topic is None:
            if len(topics) == 1:
                return str(topics[0]["id"])
            raise InputError(row.where, f"no topic{nearest('', by_label.values())}")
        for label in (row.topic, row.topic.casefold(), slug(row.topic)):
            if label in by_label:
                return by_label[label]
        raise InputError(row.where, f"topic {shorten(row.topic)} is not among the topics{nearest(row.topic, set(by_label.values()))}")

    return topic_of


def _from_folder(folder: Path) -> Scenario:
    files = [p for root in (folder, folder / "corpora") if root.is_dir() for p in sorted(root.iterdir())]
    files = [p for p in files if p.suffix.lower() in FORMATS and p.is_file()]
    if not files:
        raise InputError(str(folder), f"holds neither {SCENARIO_FILE} nor corpora ({', '.join(FORMATS)})")
    rows = [Row(row.where, row.text, row.topic, path.stem) for path in files for row in read_corpus(path, path.name)]
    return scenario_from_rows(rows, slug(folder.resolve().name) or "folder", str(folder))


def scenario_from_rows(rows: Sequence[Row], name: str, shown: str) -> Scenario:
    """Return a scenario made from statements that say who said them; topics are those in use."""
    personas: dict[str, Any] = {}
    for row in rows:
        if row.speaker is None:
            raise InputError(row.where, "no speaker; a table needs the columns speaker, text and perhaps topic")
        key = slug(row.speaker) or f"persona-{len(personas) + 1}"
        persona = personas.setdefault(key, {"name": row.speaker, "rows": []})
        persona["rows"].append(row)
    topics: list[dict[str, Any]] = []
    topic_of = _topics_of(topics, rows)
    for persona in personas.values():
        persona["corpus"] = [{"text": row.text, "topic": topic_of(row)} for row in persona.pop("rows")]
    return _validate({"name": name, "topics": topics, "personas": personas}, shown)


def parse_yaml(content: str, shown: str) -> Any:
    """Parse one YAML document of plain data; refuse tags, aliases and repeated keys in one line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import Composer
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.events import AliasEvent

    class PlainComposer(Composer):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.parser.check_event(AliasEvent):
                mark = self.parser.peek_event().start_mark
                raise InputError(shown, f"line {mark.line + 1}: an alias (*name) is not accepted; write it out")
            return super().compose_node(parent, index)

    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = PlainComposer
    try:
        return yaml.load(content)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(shown, f"line {line}: is not accepted YAML ({error.problem})") from None
    except RecursionError:
        raise InputError(shown, "is nested too deeply") from None
    except (YAMLError, ValueError, OverflowError) as error:
        raise InputError(shown, f"is not accepted YAML ({shorten(str(error))})") from None


def _validate(raw: Mapping[str, Any], shown: str) -> Scenario:
    try:
        return Scenario.model_validate(raw)
    except ValidationError as error:
        raise _explain(error, shown, Scenario) from None


def _explain(error: ValidationError, shown: str, model: type[BaseModel]) -> InputError:
    """Turn the first of a schema's complaints into one line."""
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"] if part != "[key]"]
    where = ": ".join(filter(None, (shown, ".".join(shorten(p).strip("'") for p in place))))
    if first["type"] == "extra_forbidden":
        fields = _fields_at(model, place[:-1])
        return InputError(where, f"unknown key {shorten(place[-1])}{nearest(place[-1], fields)}")
    if first["type"] == "missing":
        return InputError(where, "is missing")
    if first["type"] == "value_error":
        return InputError(where, str(first["ctx"]["error"]))
    return InputError(where, f"found {shorten(first['input'])}; {first['msg'][0].lower()}{first['msg'][1:]}")


def _fields_at(model: type[BaseModel], place: Iterable[str]) -> list[str]:
    """Return the field names of the model that stands at ``place`` inside ``model``."""
    schema = model.model_json_schema()
    node: Mapping[str, Any] = schema
    for part in place:
        options = [node, *node.get("anyOf", ())]
        steps = [o.get("properties", {}).get(part) or o.get("additionalProperties") or o.get("items") for o in options]
        node = next((step for step in steps if isinstance(step, dict)), {})
        options = [node, *node.get("anyOf", ())]
        ref = next((o["$ref"] for o in options if "$ref" in o), None)
        if ref is not None:
            node = schema["$defs"][ref.rsplit("/", 1)[1]]
    return list(node.get("properties", ()))
