"""Two ways in which a debate may go on from a step, under the same random numbers, again and again.

Whatever is drawn for a purpose at a step is the same in both branches (`dynamics.draws`), so that what differs between
them is what the change made, and not chance. Replicates draw other numbers after the fork, both branches the same:
matched pairs, whose differences vary less than those of runs apart (Law 2015, *Simulation Modeling and Analysis*,
section 11.2, common random numbers).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ecosystem.dynamics.draws import Draws
from ecosystem.dynamics.state import State, Step
from ecosystem.files import write_atomic
from ecosystem.measures.partitions import adjusted_rand
from ecosystem.model import EcosystemModel
from ecosystem.opening import Reading
from ecosystem.progress import Progress
from ecosystem.record.tables import Columns, Naming, schemas, step_rows, to_table
from ecosystem.scenario import Scenario

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

BRANCHES = ("as it was", "changed")
"""What tables call the branches."""

TABLES = {"branches": "metrics", "memberships": "memberships", "events": "events"}
"""Files with a row a branch and replicate, and the tables of a run that they are made of."""

DIVERGENCE = pa.schema(
    [
        ("replicate", pa.int32()),
        ("step", pa.int32()),
        ("said", pa.float64()),
        ("company", pa.float64()),
        ("agreement", pa.float64()),
        ("alignment", pa.float64()),
    ]
)
"""How far apart the branches are: of those present, the shares who say something else and who are in other company;
the adjusted Rand index of the partitions; the mean absolute difference of alignment over pairs (NaN without pairs)."""

_PREFIX = [pa.field("branch", pa.string()), pa.field("replicate", pa.int32())]


@dataclass(frozen=True)
class Origin:
    """Where a debate forks.

    Attributes
    ----------
    scenarios : tuple of two Scenario
        As it was and changed; the same up to the step of the fork.
    jepa : AffinityModel
        The affinity model.
    reading : Reading
        What it makes of the statements, which both share.
    state : State
        At the end of the step of the fork.
    draws : Draws
        Of the run.
    """

    scenarios: tuple[Scenario, Scenario]
    jepa: AffinityModel
    reading: Reading
    state: State
    draws: Draws

    @property
    def steps(self) -> int:
        """Steps from the fork to the end."""
        return self.scenarios[0].parameters.steps - self.state.tick

    def draws_of(self, replicate: int) -> Draws:
        """Return the random draws of a replicate after the fork: those of the run for 0, else others, always the same.

        Which they are depends on the run's seed and the replicate alone.
        """
        if replicate == 0:
            return self.draws
        return Draws(np.random.SeedSequence(self.draws.entropy, spawn_key=(replicate,)).generate_state(8).tolist())

    def branches(self, replicate: int) -> Iterator[tuple[Step, Step]]:
        """Let a replicate go on in both branches, side by side; yield what each step leaves behind."""
        models = [
            EcosystemModel(scenario, jepa=self.jepa, reading=self.reading, rng=scenario.parameters.seed)
            for scenario in self.scenarios
        ]
        for model in models:
            model.restore(deepcopy(self.state), self.draws_of(replicate))
        for _ in range(self.steps):
            last = []
            for model in models:
                model.step()
                assert model.last is not None
                last.append(model.last)
            yield last[0], last[1]

    def naming(self) -> Naming:
        """Return the names of agents, topics and statements."""
        model = EcosystemModel(self.scenarios[0], jepa=self.jepa, reading=self.reading, rng=0)
        return Naming.of(model.personas, [topic.id for topic in model.scenario.topics], model.statements.texts)


def write_branches(folder: Path, origin: Origin, replicates: int, tell: Progress) -> None:
    """Simulate both branches in each replicate and write ``branches``, ``memberships``, ``events``, ``divergence``.

    All begin with the step after the fork; a row group is a branch of a replicate, in memory one at a time.
    """
    naming, of_run = origin.naming(), schemas(origin.reading.statements.latents.shape[1])
    wanted = {name: pa.schema([*_PREFIX, *of_run[table]]) for name, table in TABLES.items()}
    kept = list(TABLES.values())
    done, total = 0, replicates * origin.steps
    tell("branches", done, total)
    with ExitStack() as stack:
        writers = {}
        for name, schema in {**wanted, "divergence": DIVERGENCE}.items():
            file = stack.enter_context(write_atomic(folder / f"{name}.parquet"))
            writers[name] = stack.enter_context(pq.ParquetWriter(file, schema, compression="zstd"))
        for replicate in range(replicates):
            rows: dict[str, dict[str, list[Columns]]] = {one: {name: [] for name in kept} for one in BRANCHES}
            apart = []
            for steps in origin.branches(replicate):
                for branch, step in zip(BRANCHES, steps, strict=True):
                    for table, columns in step_rows(step, naming, kept).items():
                        rows[branch][table].append(columns)
                apart.append({"replicate": replicate, "step": steps[0].step, **divergence(*steps)})
                done += 1
                tell("branches", done, total)
            for name, table in TABLES.items():
                for branch in BRANCHES:
                    made = to_table(rows[branch][table], of_run[table])
                    writers[name].write_table(_labelled(made, branch, replicate, wanted[name]))
            writers["divergence"].write_table(pa.Table.from_pylist(apart, DIVERGENCE))


def divergence(one: Step, other: Step) -> dict[str, float]:
    """Return how far apart two branches are at the end of a step (`DIVERGENCE`)."""
    here = np.flatnonzero(one.present)
    blocks = one.partition[here], other.partition[here]
    together = [partition[:, None] == partition[None, :] for partition in blocks]
    pairs = np.tri(len(here), k=-1, dtype=bool)
    gap = np.abs(one.alignment - other.alignment)[np.ix_(here, here)][pairs]
    return {
        "said": float((one.utterances != other.utterances)[here].mean()),
        "company": float((together[0] != together[1]).any(1).mean()),
        "agreement": adjusted_rand(*blocks),
        "alignment": float(gap.mean()) if len(gap) else float("nan"),
    }


def _labelled(table: pa.Table, branch: str, replicate: int, schema: pa.Schema) -> pa.Table:
    n = len(table)
    labels = [pa.array([branch] * n, pa.string()), pa.array(np.full(n, replicate, np.int32))]
    return pa.table([*labels, *table.columns], schema)
