"""How well affinity tells agreement from opposition on labelled pairs, beside two baselines."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecosystem.corpora import MAX_FILE_BYTES, clean, decode, delimiter_of, read_text, table_cells
from ecosystem.errors import InputError, shorten
from ecosystem.progress import Progress, silent

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

Measure = Callable[[NDArray[np.bool_], NDArray[Any]], float]
"""Of whether pairs agree, and of how probable that was said to be."""

FORMATS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")

LABELS = {
    **dict.fromkeys(("1", "1.0", "agree", "support", "true"), True),
    **dict.fromkeys(("0", "0.0", "oppose", "disagree", "false"), False),
}
"""How a label may be spelled, in upper or lower case."""

_COLUMNS = ("text_a", "text_b", "label", "topic")
_CHUNK = 8192


@dataclass(frozen=True)
class Pairs:
    """Labelled pairs of texts. n pairs.

    Attributes
    ----------
    texts_a, texts_b : tuple of str
        The texts.
    agree : (n,) bool
        Whether the two texts agree; else they oppose each other.
    topics : (n,) int
        The topic of each pair, by number from 0; all 0 where none are given.
    """

    texts_a: tuple[str, ...]
    texts_b: tuple[str, ...]
    agree: NDArray[np.bool_]
    topics: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts_a)


def evaluate(
    pairs: str | Path, *, weights: str | Path | None = None, seed: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """Score labelled pairs of texts and measure how well the scores tell agreement from opposition.

    Three methods give each pair a probability of agreement, and AUC, accuracy and ECE are all taken of it:

    - ``affinity``: P(agree) by the affinity model's ensemble, the P in ``affinity = relevance * (2 P - 1)``. A
      labelled pair agrees or opposes, hence its relevance is given: P answers the question asked and is what was
      calibrated, while relevance only draws affinity towards 0 where the texts may be about different things.
      Accuracy is the same for both, as they lie on the same side of one half and of 0.
    - ``cosine``: ``(1 + cosine) / 2`` of the frozen encoder's sentence embeddings. It is not calibrated, and a better
      threshold than one half could be had from labels alone: of the cosine, AUC is the fair number.
    - ``seed``: ``(1 + score) / 2`` by the method this project started from (`ecosystem.jepa.sketch`), trained on the
      pairs without their labels.

    Parameters
    ----------
    pairs : str or Path
        A table as `read_pairs` accepts it.
    weights : str or Path, optional
        Weights of the affinity model; the shipped ones by default.
    seed : int
        Of the bootstrap and of the sketch's training.
    progress : callable, optional
        Told how far things are.

    Returns
    -------
    dict
        ``n`` and ``topics``, how many there are; then for each method ``auc``, ``accuracy``, ``ece`` and, with
        ``_interval`` appended, ``[low, high]``: 95 % by a bootstrap over topics, or over pairs where there is one
        topic. None where a number is undefined: AUC where all labels are alike, intervals of a single pair.

    Raises
    ------
    InputError
        The table or the weights cannot be used.
    """
    from ecosystem.jepa import load_jepa

    table = read_pairs(Path(pairs))
    jepa = load_jepa(weights)
    sketch_rng, bootstrap_rng = np.random.default_rng(seed).spawn(2)
    draws = int(bootstrap_rng.integers(2**63))
    tell = progress or silent
    probabilities = _probabilities(jepa, table, sketch_rng, tell)
    measured = {}
    for done, (method, probability) in enumerate(probabilities.items(), 1):
        measured[method] = measure(table, probability, np.random.default_rng(draws))  # every method on the same draws
        tell("measure", done, len(probabilities))
    return {"n": len(table), "topics": int(table.topics.max()) + 1, **measured}


def read_pairs(path: Path) -> Pairs:
    """Read labelled pairs: CSV or TSV, as it is or compressed by gzip.

    A header names the columns, in any order: ``text_a``, ``text_b``, ``label`` and, if wanted, ``topic``; others are
    ignored. A label is one of `LABELS`. Topics are given for all pairs or for none. UTF-8, with or without a
    byte-order mark.

    Raises
    ------
    InputError
        The file, a column or a cell is not like this; the message names it.
    """
    shown = str(path)
    suffix = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(shown, f"format {suffix or 'without suffix'!r} is not known; accepted: {', '.join(FORMATS)}")
    content = _decompressed(path, shown) if suffix.endswith(".gz") else read_text(path, shown)
    delimiter = delimiter_of(content) if suffix.startswith(".csv") else "\t"
    texts_a, texts_b, agree, labels, places = [], [], [], [], []
    for where, cells in table_cells(content, shown, delimiter, _COLUMNS[:3], _COLUMNS):
        texts_a.append(clean(cells["text_a"], f"{where}: text_a"))
        texts_b.append(clean(cells["text_b"], f"{where}: text_b"))
        agree.append(_agrees(cells["label"], f"{where}: label"))
        labels.append(" ".join(cells.get("topic", "").split()))
        places.append(where)
    if not agree:
        raise InputError(shown, "holds no pair; at least one is needed")
    if any(labels) and not all(labels):
        where = places[labels.index("")]
        raise InputError(f"{where}: topic", "found nothing; a topic for every pair, or for none, is accepted")
    number: dict[str, int] = {}
    topics = [number.setdefault(label, len(number)) for label in labels]
    return Pairs(tuple(texts_a), tuple(texts_b), np.array(agree, bool), np.array(topics, np.int64))


def measure(pairs: Pairs, probability: NDArray[Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return AUC, accuracy and ECE of probabilities of agreement ``(n,)``, with 95 % intervals.

    ``rng`` draws the bootstrap. None stands for what is undefined.
    """
    from ecosystem.jepa.scoring import accuracy, auc, bootstrap, calibration_error

    measures: dict[str, Measure] = {
        "auc": auc,
        "accuracy": accuracy,
        "ece": lambda agree, chance: calibration_error(chance, agree),
    }
    found: dict[str, Any] = {}
    for name, function in measures.items():

        def drawn(rows: NDArray[np.int64], function: Measure = function) -> float:
            return function(pairs.agree[rows], probability[rows])

        value, interval = function(pairs.agree, probability), bootstrap(drawn, pairs.topics, rng)
        defined = len(pairs) > 1 and np.isfinite([value, *interval]).all()
        found[name] = _number(value)
        found[f"{name}_interval"] = [_number(end) for end in interval] if defined else None
    return found


def _probabilities(
    jepa: AffinityModel, pairs: Pairs, rng: np.random.Generator, tell: Progress
) -> dict[str, NDArray[np.float64]]:
    """Return each method's probabilities of agreement, ``(n,)``."""
    from ecosystem.jepa.sketch import sketch_scores

    _encode(jepa, list(dict.fromkeys(pairs.texts_a + pairs.texts_b)), tell)
    agree, first, second = [], [], []
    for start in range(0, len(pairs), _CHUNK):
        texts_a, texts_b = pairs.texts_a[start : start + _CHUNK], pairs.texts_b[start : start + _CHUNK]
        agree.append(_agreement(jepa, texts_a, texts_b))
        first.append(jepa.sentences.encode(texts_a))
        second.append(jepa.sentences.encode(texts_b))
    one, other = np.concatenate(first), np.concatenate(second)
    cosine = (one * other).sum(1).clip(-1, 1)
    scores = {"cosine": cosine, "seed": sketch_scores(one, other, rng)}
    return {"affinity": np.concatenate(agree)} | {
        method: (1 + score.astype(float)) / 2 for method, score in scores.items()
    }


def _agreement(jepa: AffinityModel, texts_a: Sequence[str], texts_b: Sequence[str]) -> NDArray[np.float64]:
    """Return the ensemble's P(agree) of pairs of texts; a text agrees with itself, as it does in affinity."""
    logit = jepa.member_logits(jepa.codes(texts_a), jepa.codes(texts_b)).mean(0, dtype=float)
    same = np.array([a == b for a, b in zip(texts_a, texts_b, strict=True)], bool)
    probability: NDArray[np.float64] = np.where(same, 1.0, (1 + np.tanh(logit / 2)) / 2)
    return probability


def _encode(jepa: AffinityModel, texts: list[str], tell: Progress) -> None:
    """Encode what is not cached yet, telling how far it is, in chunks that bound the memory this takes."""
    from ecosystem.jepa.encoder import CachedEncoder

    work = [(e, e.missing(texts)) for e in (jepa.encoder, jepa.sentences) if isinstance(e, CachedEncoder)]
    total = sum(len(missing) for _, missing in work)
    done = 0

    def step(n: int) -> None:
        nonlocal done
        done += n
        tell("encode", done, total)

    for encoder, missing in work:
        for start in range(0, len(missing), _CHUNK):
            encoder.encode(missing[start : start + _CHUNK], step)


def _agrees(label: str, where: str) -> bool:
    found = LABELS.get(label.strip().lower())
    if found is None:
        accepted = "1, agree, support or true, and 0, oppose, disagree or false, are accepted"
        raise InputError(where, f"found {shorten(label)}; {accepted}")
    return found


def _decompressed(path: Path, shown: str) -> str:
    """Return the text of a gzip file, of at most `MAX_FILE_BYTES`."""
    if not path.is_file():
        raise InputError(shown, "is a folder, a file is needed" if path.is_dir() else "file not found")
    try:
        with gzip.open(path) as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(shown, f"is not a readable gzip file ({error})") from None
    if len(raw) > MAX_FILE_BYTES:
        raise InputError(shown, f"is too large; up to {MAX_FILE_BYTES / 1e6:g} MB of text are accepted")
    return decode(raw, shown)


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
