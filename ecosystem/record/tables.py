"""The tables of a run: their columns, and the rows that a step adds to each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agents.persona import Persona
from ecosystem.dynamics.state import Step
from ecosystem.measures import CATALOGUE
from ecosystem.scenario import Shock

Columns = dict[str, Any]

_STRINGS = pa.list_(pa.string())


@dataclass(frozen=True)
class Naming:
    """What turns indices into the names that tables use.

    Attributes
    ----------
    agents : (n_agents,) array of str
        Persona keys.
    topics : (n_topics,) array of str
        Topic ids.
    texts : (n_statements,) array of str
        Statements.
    """

    agents: NDArray[np.object_]
    topics: NDArray[np.object_]
    texts: NDArray[np.object_]

    @classmethod
    def of(cls, personas: Sequence[Persona], topics: Sequence[str], texts: Sequence[str]) -> Naming:
        """Build from a model's personas, topic ids and statements."""
        return cls(
            np.array([persona.key for persona in personas], object),
            np.array(topics, object),
            np.array(texts, object),
        )


def utterance_id(step: int, speaker: int, n_agents: int) -> int:
    """Return the number by which tables refer to an utterance."""
    return (step - 1) * n_agents + speaker


def schemas(latent_dim: int) -> dict[str, pa.Schema]:
    """Return the schema of every table of a run."""
    text, step, number = pa.string(), pa.int32(), pa.float64()
    columns: dict[str, list[tuple[str, pa.DataType]]] = {
        "metrics": [
            ("step", step),
            ("topic", text),
            *((name, number) for name in CATALOGUE),
            ("settled", pa.bool_()),
            ("cycle", pa.int32()),
            ("nash_stable", pa.bool_()),
            ("individually_stable", pa.bool_()),
            ("contractually_stable", pa.bool_()),
        ],
        "utterances": [
            ("step", step),
            ("utterance", pa.int64()),
            ("speaker", text),
            ("topic", text),
            ("text", text),
            ("statement", pa.int32()),
            ("weighed_by", _STRINGS),
            ("accepted_by", _STRINGS),
        ],
        "affinity": [
            ("step", step),
            ("speaker", text),
            ("listener", text),
            ("topic", text),
            ("forecast", pa.float32()),
            ("observed", pa.float32()),
            ("cosine", pa.float32()),
        ],
        "alignment": [("step", step), ("source", text), ("target", text), ("weight", pa.float32())],
        "memberships": [("step", step), ("agent", text), ("coalition", pa.int64()), ("present", pa.bool_())],
        "opinions": [("step", step), ("agent", text), ("topic", text), ("opinion", pa.float32())],
        "defections": [
            ("step", step),
            ("agent", text),
            ("coalition", pa.int64()),
            ("target", pa.int64()),
            ("gain", number),
            ("entry", text),
        ],
        "interventions": [
            ("step", step),
            ("intervention", text),
            ("topic", text),
            ("text", text),
            ("changes", text),
            ("agents", _STRINGS),
            ("accepted_by", _STRINGS),
        ],
        "events": [
            ("step", step),
            ("event", text),
            ("coalition", pa.int64()),
            ("other", pa.int64()),
            ("agents", _STRINGS),
            ("partners", _STRINGS),
            ("gain", number),
            ("alignment_before", number),
            ("alignment_after", number),
            ("utterances", pa.list_(pa.int64())),
            ("listeners", _STRINGS),
        ],
        "latents": [("step", step), ("agent", text), ("latent", pa.list_(pa.float32(), latent_dim))],
    }
    return {name: pa.schema(fields) for name, fields in columns.items()}


def step_rows(step: Step, naming: Naming, tables: Sequence[str] | None = None) -> dict[str, Columns]:
    """Return the columns that a step adds to each table, or to some."""
    return {name: _BUILDERS[name](step, naming) for name in (_BUILDERS if tables is None else tables)}


def to_table(rows: Sequence[Columns], schema: pa.Schema) -> pa.Table:
    """Return the rows of several steps as one Arrow table."""
    if not rows:
        return schema.empty_table()
    return pa.table([_column([columns[field.name] for columns in rows], field.type) for field in schema], schema)


def _column(parts: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return a column from what steps add to it: arrays or lists."""
    values: Any = np.concatenate(parts) if isinstance(parts[0], np.ndarray) else [one for part in parts for one in part]
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1), pa.float32()), kind.list_size)
    return pa.array(values, kind)


def _metrics(step: Step, naming: Naming) -> Columns:
    metrics = {name: [value] for name, value in step.metrics.items()}
    return {
        "step": [step.step],
        "topic": [naming.topics[step.topic]],
        **metrics,
        "settled": [step.settled],
        "cycle": [step.cycle],
        "nash_stable": [step.stability.nash],
        "individually_stable": [step.stability.individual],
        "contractually_stable": [step.stability.contractual],
    }


def _utterances(step: Step, naming: Naming) -> Columns:
    speakers = np.flatnonzero(step.utterances >= 0)
    weighed = [np.flatnonzero(step.heard.speaker == speaker) for speaker in speakers]
    accepted = [listeners[step.heard.accepted[listeners]] for listeners in weighed]
    statements = step.utterances[speakers]
    return {
        "step": np.full(len(speakers), step.step),
        "utterance": [utterance_id(step.step, int(i), len(naming.agents)) for i in speakers],
        "speaker": naming.agents[speakers],
        "topic": np.full(len(speakers), naming.topics[step.topic], object),
        "text": naming.texts[statements],
        "statement": statements,
        "weighed_by": [naming.agents[who].tolist() for who in weighed],
        "accepted_by": [naming.agents[who].tolist() for who in accepted],
    }


def _affinity(step: Step, naming: Naming) -> Columns:
    speaker, listener = np.nonzero(~(np.isnan(step.forecast) & np.isnan(step.heard.affinity)))
    return {
        "step": np.full(len(speaker), step.step),
        "speaker": naming.agents[speaker],
        "listener": naming.agents[listener],
        "topic": np.full(len(speaker), naming.topics[step.topic], object),
        **{
            name: matrix[speaker, listener].astype(np.float32)
            for name, matrix in (
                ("forecast", step.forecast),
                ("observed", step.heard.affinity),
                ("cosine", step.cosine),
            )
        },
    }


def _alignment(step: Step, naming: Naming) -> Columns:
    source, target = np.triu_indices(len(naming.agents), 1)
    return {
        "step": np.full(len(source), step.step),
        "source": naming.agents[source],
        "target": naming.agents[target],
        "weight": step.alignment[source, target].astype(np.float32),
    }


def _memberships(step: Step, naming: Naming) -> Columns:
    return {
        "step": np.full(len(naming.agents), step.step),
        "agent": naming.agents,
        "coalition": step.partition,
        "present": step.present,
    }


def _opinions(step: Step, naming: Naming) -> Columns:
    agent, topic = np.nonzero(np.broadcast_to(step.present[:, None], step.opinions.shape))
    return {
        "step": np.full(len(agent), step.step),
        "agent": naming.agents[agent],
        "topic": naming.topics[topic],
        "opinion": step.opinions[agent, topic].astype(np.float32),
    }


def _defections(step: Step, naming: Naming) -> Columns:
    found = step.stability.defections
    return {
        "step": [step.step] * len(found),
        "agent": [naming.agents[one.agent] for one in found],
        "coalition": [one.origin for one in found],
        "target": [one.target for one in found],
        "gain": [one.gain for one in found],
        "entry": [one.rule for one in found],
    }


def _interventions(step: Step, naming: Naming) -> Columns:
    events = [applied.intervention for applied in step.interventions]
    return {
        "step": [step.step] * len(events),
        "intervention": [event.kind for event in events],
        "topic": [getattr(event, "topic", None) for event in events],
        "text": [getattr(event, "text", None) for event in events],
        "changes": [_changes(event) if isinstance(event, Shock) else None for event in events],
        "agents": [naming.agents[list(applied.agents)].tolist() for applied in step.interventions],
        "accepted_by": [naming.agents[list(applied.accepted)].tolist() for applied in step.interventions],
    }


def _changes(shock: Shock) -> str:
    """Return what a shock changes as ``homophily=5, max_coalitions=null``."""
    changes = shock.changes | ({} if shock.stubbornness is None else {"stubbornness": shock.stubbornness})
    shown = (
        "null" if value is None else f"{value:g}" if isinstance(value, float) else value for value in changes.values()
    )
    return ", ".join(f"{key}={value}" for key, value in zip(changes, shown, strict=True))


def _events(step: Step, naming: Naming) -> Columns:
    n = len(naming.agents)
    entries = step.events
    return {
        "step": [step.step] * len(entries),
        "event": [entry.event.kind for entry in entries],
        "coalition": [entry.event.coalition for entry in entries],
        "other": [entry.event.other for entry in entries],
        "agents": [naming.agents[list(entry.event.agents)].tolist() for entry in entries],
        "partners": [naming.agents[list(entry.event.partners)].tolist() for entry in entries],
        "gain": [entry.gain for entry in entries],
        "alignment_before": [entry.cause.before for entry in entries],
        "alignment_after": [entry.cause.after for entry in entries],
        "utterances": [[utterance_id(step.step, i, n) for i in entry.cause.speakers] for entry in entries],
        "listeners": [naming.agents[list(entry.cause.listeners)].tolist() for entry in entries],
    }


def _latents(step: Step, naming: Naming) -> Columns:
    return {
        "step": np.full(len(naming.agents), step.step),
        "agent": naming.agents,
        "latent": step.latents,
    }


_BUILDERS: dict[str, Callable[[Step, Naming], Columns]] = {
    "metrics": _metrics,
    "utterances": _utterances,
    "affinity": _affinity,
    "alignment": _alignment,
    "memberships": _memberships,
    "opinions": _opinions,
    "defections": _defections,
    "interventions": _interventions,
    "events": _events,
    "latents": _latents,
}
