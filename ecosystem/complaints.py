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
    place, fields = _find_field(model, [str(part) for part in first["loc"]])
    if kind != "extra_forbidden" and place[-1:] == ["[key]"]:  # how pydantic says that the key is wrong
        place.pop()
    where = ": ".join(filter(None, (shown, ".".join(map(brief, place)))))
    if kind == "extra_forbidden":
        return InputError(where, f"unknown key {shorten(place[-1])}{nearest(place[-1], fields)}")
    if kind == "missing":
        return InputError(where, "is missing")
    if kind == "union_tag_not_found":
        return InputError(f"{where}.{_unquoted(context['discriminator'])}", "is missing")
    if kind == "union_tag_invalid":
        known = _unquoted(context["expected_tags"]).split(", ")
        found = context["tag"]
        where = f"{where}.{_unquoted(context['discriminator'])}"
        return InputError(where, f"found {shorten(found)}{nearest(found, known)}")
    if kind == "value_error":
        return InputError(where, str(context["error"]))
    if kind == "too_short":
        return InputError(where, f"found {context['actual_length']}; at least {context['min_length']} are needed")
    accepted = _ACCEPTED.get(kind, f"{first['msg'][0].lower()}{first['msg'][1:]}")
    return InputError(where, f"found {shorten(first['input'])}; {accepted}")


def _unquoted(text: str) -> str:
    return text.replace("'", "")


_ACCEPTED = {
    "dict_type": "a mapping is accepted",
    "model_type": "a mapping is accepted",
    "model_attributes_type": "a mapping is accepted",
    "tuple_type": "a list is accepted",
    "string_type": "a string is accepted",
    "string_pattern_mismatch": "letters, digits, '.', '_' and '-' are accepted, up to 64",
}


def _find_field(model: type[BaseModel], location: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the path to a field as it stands in a file, and the names of the fields that are known there.

    Where an item is one of several models, pydantic's location also names which; a file does not.
    """
    schema = model.model_json_schema()
    node: Mapping[str, Any] = schema
    path: list[str] = []
    known: list[str] = []
    for part in location:
        kinds = node.get("discriminator", {}).get("mapping", {})
        if part in kinds:
            node = _resolve(schema, {"$ref": kinds[part]})
            continue
        path.append(part)
        known = list(node.get("properties", ()))
        steps = [
            step
            for option in (node, *node.get("anyOf", ()))
            for step in (
                option.get("properties", {}).get(part),
                *option.get("patternProperties", {}).values(),
                option.get("items"),
            )
        ]
        node = _resolve(schema, next((step for step in steps if isinstance(step, dict)), {}))
    return path, known


def _resolve(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the definition that a node refers to, or the node."""
    ref = next((option["$ref"] for option in (node, *node.get("anyOf", ())) if "$ref" in option), None)
    if ref is None:
        return node
    found: Mapping[str, Any] = schema["$defs"][ref.rsplit("/", 1)[1]]
    return found
