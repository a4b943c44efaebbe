"""Reading corpora: text lines, CSV, TSV or JSONL, and tables of who said what."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecosystem.errors import InputError, brief, nearest, shorten
from ecosystem.scenario import printable

MAX_FILE_BYTES = 32_000_000
MAX_TEXT = 5000
FORMATS = (".txt", ".csv", ".tsv", ".jsonl")


@dataclass(frozen=True)
class Row:
    """A statement as it stands in a file: where, what, on which topic (None: not said), by whom."""

    where: str
    text: str
    topic: str | None = None
    speaker: str | None = None


def read_corpus(path: Path, shown: str) -> list[Row]:
    """Read a corpus file.

    ``.txt``: a statement a line; a line ``# topic`` sets the topic of those after it. ``.csv``, ``.tsv``:
    columns ``text`` and, if wanted, ``topic`` and ``speaker``. ``.jsonl``: an object a line with these
    keys, or a plain string. UTF-8, with or without a byte-order mark; blank lines are skipped.

    Parameters
    ----------
    path : Path
        The file.
    shown : str
        How messages name it.

    Raises
    ------
    InputError
        The file is missing, too large, not UTF-8, of another format, or holds no statement.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(shown, f"format {suffix or 'without suffix'!r} is not known; accepted: {', '.join(FORMATS)}")
    content = read_text(path, shown)
    if suffix == ".txt":
        rows = list(_text_rows(content, shown))
    elif suffix == ".jsonl":
        rows = list(_jsonl_rows(content, shown))
    else:
        rows = list(_table_rows(content, shown, delimiter_of(content) if suffix == ".csv" else "\t"))
    if not rows:
        raise InputError(shown, "holds no statement; at least one is needed")
    return rows


def read_affinity(path: Path, shown: str) -> dict[str, dict[str, float]]:
    """Return the square table of a CSV or TSV: the affinity of each persona (row) to each other (column).

    The first column, ``persona``, holds keys; every other column is headed by one. Empty cells and a persona's
    affinity to itself are left out.

    Raises
    ------
    InputError
        The file cannot be read, or a cell is no number from -1 to 1.
    """
    content = read_text(path, shown)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else delimiter_of(content)
    found: dict[str, dict[str, float]] = {}
    for where, cells in table_cells(content, shown, delimiter, ("persona",)):
        row = found.setdefault(cells.pop("persona").strip(), {})
        if row:
            raise InputError(where, "a persona has two rows; one is accepted")
        row |= {key: _affinity_of(cell, f"{where}: {brief(key)}") for key, cell in cells.items() if cell.strip()}
    return {key: {other: value for other, value in row.items() if other != key} for key, row in found.items()}


def _affinity_of(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if not -1 <= value <= 1:
        raise InputError(where, f"found {shorten(cell)}; a number from -1 to 1 is accepted")
    return value


def read_text(path: Path, shown: str, limit: int = MAX_FILE_BYTES) -> str:
    """Read a UTF-8 file of at most ``limit`` bytes; refuse anything else in one line."""
    try:
        if not path.is_file():
            raise InputError(shown, "is a folder, a file is needed" if path.is_dir() else "file not found")
        size = path.stat().st_size
        if size > limit:
            raise InputError(shown, f"{size / 1e6:.1f} MB is too large; up to {limit / 1e6:g} MB is accepted")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(shown, f"cannot be read: {error.strerror}") from None
    return decode(content, shown)


def decode(raw: bytes, shown: str) -> str:
    """Return the text of a file's bytes: UTF-8, with or without a byte-order mark; refuse anything else."""
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        found = f"byte 0x{error.object[error.start]:02x}"
        raise InputError(shown, f"line {line}: {found} is not valid UTF-8; save the file as UTF-8") from None
    if "\0" in content:
        line = content[: content.index("\0")].count("\n") + 1
        raise InputError(shown, f"line {line}: found a NUL byte; plain text is accepted")
    return content


def slug(text: str) -> str:
    """Return an identifier made from a label.

    Examples
    --------
    >>> slug("Carbon pricing (EU)")
    'carbon-pricing-eu'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].strip("-")


def fold(label: str) -> str:
    """Return what two spellings of one label have in common: case, spaces, hyphens and a full stop at the end aside.

    Examples
    --------
    >>> fold("Carbon  pricing") == fold("carbon-pricing")
    True
    >>> fold("C++") == fold("C#")
    False
    """
    plain = unicodedata.normalize("NFKC", label).casefold()
    return re.sub(r"[\s_-]+", "-", plain).strip("-.,") or plain


def identify(labels: Iterable[str], stem: str) -> dict[str, str]:
    """Return the distinct labels by an identifier: their slug, or ``stem`` and a number where there is none.

    Examples
    --------
    >>> identify(["Ice melt", "ice-melt", "气候", "Ice: melt?"], "topic")
    {'ice-melt': 'Ice melt', 'topic-2': '气候', 'ice-melt-3': 'Ice: melt?'}
    """
    distinct: dict[str, str] = {}
    for label in labels:
        distinct.setdefault(fold(label), label)
    found: dict[str, str] = {}
    for number, label in enumerate(distinct.values(), 1):
        key = slug(label)
        if not key or key in found:
            key = f"{key[:50] or stem}-{number}"
        while key in found:
            key += "-"
        found[key] = label
    return found


def clean(text: str, where: str, limit: int = MAX_TEXT) -> str:
    """Return ``text`` with its white space made single; refuse what is empty, too long or not text."""
    text = " ".join(text.split())
    if not text:
        raise InputError(where, "the text is empty; a statement is needed")
    if len(text) > limit:
        raise InputError(where, f"a text of {len(text)} characters is too long; up to {limit} are accepted")
    try:
        return printable(text)
    except ValueError as error:
        raise InputError(where, str(error)) from None


def _text_rows(content: str, shown: str) -> Iterator[Row]:
    topic = None
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{shown}: line {number}"
        if line.startswith("# "):  # "#ClimateAction now" is a statement
            topic = clean(line.removeprefix("#"), where, 200)
        else:
            yield Row(where, clean(line, where), topic)


def _jsonl_rows(content: str, shown: str) -> Iterator[Row]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{shown}: line {number}"
        try:
            item = json.loads(line)
        except RecursionError:
            raise InputError(where, "is nested too deeply; a string or an object with 'text' is accepted") from None
        except ValueError as error:
            raise InputError(where, f"is not JSON ({getattr(error, 'msg', error)})") from None
        if isinstance(item, str):
            item = {"text": item}
        if not isinstance(item, dict):
            raise InputError(where, f"found {shorten(item)}; a string or an object with 'text' is accepted")
        yield _row(item, where)


def delimiter_of(content: str) -> str:
    """Return what separates the columns of a CSV: a semicolon where the header has no comma but has one."""
    header = content.partition("\n")[0]
    return ";" if ";" in header and "," not in header else ","


def table_cells(
    content: str, shown: str, delimiter: str, needed: Sequence[str], known: Sequence[str] | None = None
) -> Iterator[tuple[str, dict[str, str]]]:
    """Read a table with a header line: where each row ends, and its cells in the columns of ``known``.

    Columns are known whatever their case. None: all columns, spelled as they are.

    Raises
    ------
    InputError
        A column of ``needed`` is missing, one of ``known`` appears twice, a row has more or fewer cells than
        the header, or the content is not valid CSV.
    """
    csv.field_size_limit(MAX_FILE_BYTES)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() if known is None else name.strip().lower() for name in next(reader, [])]
        known = header if known is None else known
        for name in needed:
            if name not in header:
                raise InputError(shown, f"line 1: no column {name!r}; found {shorten(', '.join(header))}")
        for name in known:
            if header.count(name) > 1:
                raise InputError(shown, f"line 1: column {name!r} appears twice; columns must be distinct")
        for cells in reader:
            if not cells:
                continue
            where = f"{shown}: line {reader.line_num}"
            if len(cells) != len(header):
                raise InputError(
                    where, f"{len(cells)} cells where the header has {len(header)}; quote texts with commas"
                )
            yield where, {name: cell for name, cell in zip(header, cells, strict=True) if name in known}
    except csv.Error as error:
        raise InputError(f"{shown}: line {reader.line_num}", f"is not valid CSV ({error})") from None


def _table_rows(content: str, shown: str, delimiter: str) -> Iterator[Row]:
    for where, cells in table_cells(content, shown, delimiter, ("text",), _FIELDS):
        yield _row({name: cell for name, cell in cells.items() if cell.strip() or name == "text"}, where)


_FIELDS = ("text", "topic", "speaker")


def _row(item: dict[str, object], where: str) -> Row:
    if "text" not in item:
        raise InputError(where, f"no 'text'; found {shorten(sorted(map(str, item)))}")
    for name, value in item.items():
        if name not in _FIELDS:
            raise InputError(where, f"unknown key {shorten(name)}{nearest(name, _FIELDS)}")
        if not isinstance(value, str) and (value is not None or name == "text"):
            raise InputError(f"{where}: {name}", f"found {shorten(value)}; a string is accepted")
    label = {name: clean(str(item[name]), f"{where}: {name}", 200) for name in ("topic", "speaker") if item.get(name)}
    return Row(where, clean(str(item["text"]), where), label.get("topic"), label.get("speaker"))
