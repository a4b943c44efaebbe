"""A schema's complaints, told in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from ecosystem.errors import InputError, brief, nearest, shorten


def explain(error: ValidationError, shown: str, model: type[BaseModel]) -> InputError:
    """Turn one of a schema's complaints, an unknown key before all others, into one line."""
    complaints = error.errors(include_url=False)
    first = next((c for c in complaints if c["type"] == "extra_forbidden"), complaints[0])
    kind, context = first["type"], first.get("ctx", {})
    place = [str(part) for part in first["loc"]]
    if kind != "extra_forbidden" and place[-1:] == ["[key]"]:  # how pydantic says that the key is wrong
        place.pop()
    where = ": ".join(filter(None, (shown, ".".join(map(brief, place)))))
    if kind == "extra_forbidden":
        fields = _fields_at(model, place[:-1])
        return InputError(where, f"unknown key {shorten(place[-1])}{nearest(place[-1], fields)}")
    if kind == "missing":
        return InputError(where, "is missing")
    if kind == "value_error":
        return InputError(where, str(context["error"]))
    if kind == "too_short":
        return InputError(where, f"found {context['actual_length']}; at least {context['min_length']} are needed")
    accepted = _ACCEPTED.get(kind, f"{first['msg'][0].lower()}{first['msg'][1:]}")
    return InputError(where, f"found {shorten(first['input'])}; {accepted}")


_ACCEPTED = {
    "dict_type": "a mapping is accepted",
    "model_type": "a mapping is accepted",
    "tuple_type": "a list is accepted",
    "string_type": "a string is accepted",
    "string_pattern_mismatch": "letters, digits, '.', '_' and '-' are accepted, up to 64",
}


def _fields_at(model: type[BaseModel], place: Iterable[str]) -> list[str]:
    """Return the field names of the model that stands at ``place`` inside ``model``."""
    schema = model.model_json_schema()
    node: Mapping[str, Any] = schema
    for part in place:
        options = [node, *node.get("anyOf", ())]
        steps = [
            step
            for option in options
            for step in (
                option.get("properties", {}).get(part),
                *option.get("patternProperties", {}).values(),
                option.get("items"),
            )
        ]
        node = next((step for step in steps if isinstance(step, dict)), {})
        options = [node, *node.get("anyOf", ())]
        ref = next((o["$ref"] for o in options if "$ref" in o), None)
        if ref is not None:
            node = schema["$defs"][ref.rsplit("/", 1)[1]]
    return list(node.get("properties", ()))
