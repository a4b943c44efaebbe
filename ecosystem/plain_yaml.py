"""YAML of plain data: mappings, lists and scalars, without tags and aliases."""

from __future__ import annotations

from typing import IO, Any

from ecosystem.errors import InputError, shorten


def parse_yaml(content: str, shown: str) -> Any:
    """Parse one YAML document of plain data; refuse tags, aliases and repeated keys in one line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import Composer
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.events import AliasEvent
    from ruamel.yaml.reader import ReaderError

    class PlainComposer(Composer):
        def compose_node(self, parent: Any, index: Any) -> Any:
            self.warn_double_anchors = False  # without aliases it does not matter
            event = self.parser.peek_event()
            where = f"{shown}: line {event.start_mark.line + 1}"
            if isinstance(event, AliasEvent):
                raise InputError(where, "an alias (*name) is not accepted; write it out")
            if event.ctag is not None:
                raise InputError(where, f"the tag {shorten(str(event.tag))} is not accepted; write plain values")
            return super().compose_node(parent, index)

    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = PlainComposer
    try:
        return yaml.load(content)
    except InputError:
        raise
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(shown, f"line {line}: is not accepted YAML ({error.problem})") from None
    except ReaderError as error:
        where = f"{shown}: line {content[: error.position].count(chr(10)) + 1}"
        raise InputError(where, f"found the character U+{error.character:04X}; plain text is accepted") from None
    except RecursionError:
        raise InputError(shown, "is nested too deeply; personas and topics need no more than four levels") from None
    except (YAMLError, ValueError, OverflowError, TypeError) as error:  # TypeError: a mapping for a key
        raise InputError(shown, f"is not accepted YAML ({shorten(str(error))})") from None


def dump_yaml(value: Any, file: IO[bytes]) -> None:
    """Write plain data as YAML that `parse_yaml` reads back the same, keys in their order."""
    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 1 << 30
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False
    yaml.dump(value, file)
