"""Tables a run leaves on its statements: where they lie, and what the pairs of two personas weigh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ecosystem.files import write_atomic
from ecosystem.model import EcosystemModel


def write_statement_tables(folder: Path, model: EcosystemModel) -> None:
    """Write ``statements.parquet`` and ``importance.parquet``.

    ``statements``: statement, topic, text, holders (whose corpus has it), said (how often), support (mean
    affinity with the other personas' statements on the topic; null if there are none), latent. ``importance``: for the
    two personas least aligned at the end, each pair of their statements, the first on each topic:
    affinity, attribution (integrated gradients) and legacy (mean ``|W z|``).
    """
    table = model.statements
    keys = [persona.key for persona in model.personas]
    held = model.state.corpus
    others = (table.topic_of[:, None] == table.topic_of[None, :]) & ~((held.T.astype(int) @ held) > 0)
    support = np.where(others.any(1), (table.affinity * others).sum(1) / others.sum(1).clip(1), np.nan)
    topics = [topic.id for topic in model.scenario.topics]
    dim = table.latents.shape[1]
    statements = pa.table(
        {
            "statement": pa.array(range(len(table)), pa.int32()),
            "topic": pa.array([topics[t] for t in table.topic_of]),
            "text": pa.array(table.texts),
            "holders": pa.array(
                [[keys[a] for a in np.flatnonzero(column)] for column in held.T], pa.list_(pa.string())
            ),
            "said": pa.array(_times_said(folder, len(table)), pa.int32()),
            "support": pa.array(support.astype(np.float32), pa.float32(), from_pandas=True),
            "latent": pa.FixedSizeListArray.from_arrays(pa.array(table.latents.reshape(-1)), dim),
        }
    )
    _write(folder / "statements.parquet", statements)
    _write(folder / "importance.parquet", _importance(model))


def _times_said(folder: Path, n_statements: int) -> NDArray[np.int64]:
    utterances = pq.read_table(folder / "utterances.parquet", columns=["statement"])
    return np.bincount(utterances["statement"].to_numpy(), minlength=n_statements)


def _importance(model: EcosystemModel) -> pa.Table:
    from ecosystem.jepa.attribution import importance, legacy_importance

    pairs = np.triu_indices(len(model.personas), 1)
    least = int(model.state.alignment[pairs].argmin())
    chosen = [model.personas[pairs[0][least]], model.personas[pairs[1][least]]]
    table = model.statements
    rows = []
    for persona in chosen:
        corpus = np.array(persona.corpus, np.int64)
        rows.append(corpus[np.sort(np.unique(table.topic_of[corpus], return_index=True)[1])])
    texts = [[table.texts[row] for row in side] for side in rows]
    one, other = (grid.ravel() for grid in np.meshgrid(*rows, indexing="ij"))
    weighed = [(of(model.jepa, *texts).ravel() if len(one) else np.zeros(0)) for of in (importance, legacy_importance)]
    return pa.table(
        {
            "persona_a": [chosen[0].key] * len(one),
            "persona_b": [chosen[1].key] * len(one),
            "statement_a": pa.array(one, pa.int32()),
            "statement_b": pa.array(other, pa.int32()),
            "affinity": pa.array(table.affinity[one, other]),
            "attribution": pa.array(weighed[0], pa.float32()),
            "legacy": pa.array(weighed[1], pa.float32()),
        }
    )


def _write(path: Path, table: pa.Table) -> None:
    with write_atomic(path) as file:
        pq.write_table(table, file, compression="zstd")
