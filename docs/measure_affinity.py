"""Measure weights files against what docs/affinity.md states, and print the table it shows.

python docs/measure_affinity.py --data DIR WEIGHTS [WEIGHTS ...]      one column for each file, and their mean
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ecosystem.jepa import examination, load_jepa
from ecosystem.jepa.affinity import AffinityModel
from ecosystem.jepa.fitting import score
from ecosystem.jepa.stance import StanceTable, read_reserve, read_stance

TESTS = Path(__file__).parents[1] / "tests" / "data"


def measure(model: AffinityModel, table: StanceTable, seed_pairs: list[tuple[str, str]]) -> dict[str, float]:
    """Return every figure of the table, by name."""
    figures: dict[str, float] = {}
    for source, scores in examination.held_out(model, table).items():
        figures |= {f"{source}: pairs AUC": scores["pairs_auc"], f"{source}: motion AUC": scores["motion_auc"]}
        figures |= {f"{source}: pairs AUC of cosine": scores["pairs_auc_cosine"], f"{source}: ECE": scores["ece"]}
    for written in ("alone", "paired"):
        figures |= reserve(model, written)
    for wording, found in examination.wordings(model, TESTS / "seed-agreements.csv", seed_pairs).items():
        figures |= {f"first sketch, {wording}: AUC": found["affinity"]}
        figures |= {f"first sketch, {wording}: AUC of cosine": found["cosine"]}
    found = examination.probes(model, TESTS / "negation-probes.csv")
    figures |= {"negation probes: AUC": found["affinity"], "negation probes: AUC of cosine": found["cosine"]}
    figures["unrelated: median abs. affinity"] = examination.unrelated(model, table, np.random.default_rng(0))
    replies = examination.replies(model, table, np.random.default_rng(0))
    figures |= {f"reply retrieval: {name.replace('_', ' ')}": value for name, value in replies.items()}
    return figures | {name.replace("_", " "): value for name, value in examination.spread(model, table).items()}


def reserve(model: AffinityModel, written: str) -> dict[str, float]:
    """Return how well the model does on the statements written after it was made."""
    table = read_reserve(written)
    rows = np.arange(len(table))
    scores = score(model, examination.hold(model, table, rows), rows)
    return {
        f"reserve, {written}: {title}": scores[name]
        for name, title in (("pairs_auc", "pairs AUC"), ("motion_auc", "motion AUC"), ("ece", "ECE"))
    }


def seed_disagreements(path: Path) -> list[tuple[str, str]]:
    """Return the eight pairs of statements of the sketch's two agents, from its text."""
    between = path.read_text().split("Agent A:")[1].split("Areas of")[0]
    quoted = [line.strip().strip('"') for line in between.splitlines() if line.strip().startswith('"')]
    return list(zip(quoted[:8], quoted[8:], strict=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with the public stance sets; none: the shipped ones only")
    parser.add_argument("--sketch", type=Path, required=True, help="the first sketch's text, with its two agents")
    parser.add_argument("weights", type=Path, nargs="+")
    given = parser.parse_args()
    pairs = seed_disagreements(given.sketch)
    columns = []
    for path in given.weights:
        model = load_jepa(path)
        table = read_stance(given.data, np.random.default_rng(model.card["recipe"]["seed"]))
        columns.append(measure(model, table, pairs))
    print("| | " + " | ".join(path.stem for path in given.weights) + " | mean |")
    print("|---|" + "---|" * (len(columns) + 1))
    for name in columns[0]:
        values = [column[name] for column in columns]
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in [*values, float(np.mean(values))]) + " |")


if __name__ == "__main__":
    main()
