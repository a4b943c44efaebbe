"""A run's folder while it is being written: parts and checkpoints, then one rename.

A run is written into ``<name>.partial``. Every few steps the rows of the steps since the last checkpoint
go into ``parts/<table>/<step>.parquet``, then the state into ``checkpoints/<step>.safetensors``, each
atomically. A killed run loses the steps after its last checkpoint and nothing else. When all steps are
done the parts are joined into the tables, a row group a part, and the folder gets its final name.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ecosystem.dynamics.state import Step
from ecosystem.errors import InputError
from ecosystem.files import write_atomic
from ecosystem.model import EcosystemModel
from ecosystem.record.checkpoint import checkpoint_path, load_checkpoint, save_checkpoint, stem
from ecosystem.record.lock import LOCK
from ecosystem.record.tables import Columns, Naming, schemas, step_rows, to_table

PARTIAL = ".partial"


class RunWriter:
    """Collects what steps leave behind and writes it at checkpoints.

    Parameters
    ----------
    folder : Path
        The partial folder, which exists.
    model : EcosystemModel
        Whose steps are recorded: pass each `Step` to `add`.
    """

    def __init__(self, folder: Path, model: EcosystemModel) -> None:
        self.folder, self.model = folder, model
        self._naming = _naming(model)
        self._schemas = schemas(model.statements.latents.shape[1])
        self._rows: dict[str, list[Columns]] = {name: [] for name in self._schemas}

    def add(self, step: Step) -> None:
        """Keep a step's rows; write a checkpoint when one is due."""
        for name, columns in step_rows(step, self._naming).items():
            self._rows[name].append(columns)
        if step.step % self.model.parameters.checkpoint_every == 0:
            self.checkpoint()

    def table(self, name: str) -> pa.Table:
        """Return a table of the steps so far, those since the last checkpoint among them."""
        parts = [_read_part(part) for part in sorted((self.folder / "parts" / name).glob("*.parquet"))]
        return pa.concat_tables([*parts, to_table(self._rows[name], self._schemas[name])])

    def table_at(self, name: str, step: int) -> pa.Table:
        """Return the rows of one step in a table."""
        import pyarrow.compute as pc

        every = self.model.parameters.checkpoint_every
        part = self.folder / "parts" / name / f"{stem(-(-step // every) * every)}.parquet"
        rows = _read_part(part) if part.exists() else to_table(self._rows[name], self._schemas[name])
        return rows.filter(pc.equal(rows["step"], step))

    def follow(self, model: EcosystemModel) -> None:
        """Go on with another model of the same debate, which may know more statements."""
        self.model = model
        self._naming = _naming(model)

    def copied_to(self, folder: Path) -> RunWriter:
        """Return a writer that goes on from here in another folder, which exists; this one goes on unhindered."""
        for kind in ("parts", "checkpoints"):
            if (self.folder / kind).is_dir():
                shutil.copytree(self.folder / kind, folder / kind, dirs_exist_ok=True)
        other = RunWriter(folder, self.model)
        other._rows = {name: list(rows) for name, rows in self._rows.items()}
        return other

    def checkpoint(self) -> None:
        """Write the rows since the last checkpoint, then the state."""
        tick = self.model.state.tick
        for name, rows in self._rows.items():
            _write_table(self.folder / "parts" / name / f"{stem(tick)}.parquet", to_table(rows, self._schemas[name]))
            rows.clear()
        save_checkpoint(checkpoint_path(self.folder, tick), self.model.state, self.model.draws)

    def restore(self) -> None:
        """Bring the model to the last checkpoint and drop parts written after it."""
        checkpoints = sorted((self.folder / "checkpoints").glob("*.safetensors"))
        last = checkpoints[-1].stem if checkpoints else ""
        for part in (self.folder / "parts").glob("*/*.parquet"):
            if part.stem > last:
                part.unlink()
        if checkpoints:
            self.model.restore(*load_checkpoint(checkpoints[-1]))

    def join(self) -> None:
        """Write a last checkpoint where one is due; join the parts into the tables of the run's folder."""
        if not checkpoint_path(self.folder, self.model.state.tick).exists():
            self.checkpoint()
        for name, schema in self._schemas.items():
            with (
                write_atomic(self.folder / f"{name}.parquet") as file,
                pq.ParquetWriter(file, schema, compression="zstd") as writer,
            ):
                for part in sorted((self.folder / "parts" / name).glob("*.parquet")):
                    writer.write_table(_read_part(part))


def new_folder(root: Path, scenario: str, seed: int, config_hash: str) -> Path:
    """Create and return ``root/scenario/<UTC time>-s<seed>-<hash>.partial``."""
    parent = root / scenario
    parent.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for attempt in range(1000):
        suffix = f".{attempt}" if attempt else ""
        final = parent / f"{stamp}{suffix}-s{seed}-{config_hash}"
        partial = final.with_name(final.name + PARTIAL)
        if final.exists():
            continue
        try:
            partial.mkdir()
        except FileExistsError:
            continue
        return partial
    raise InputError(str(parent), "a thousand runs started in this second")


def find_folders(root: Path, scenario: str, seed: int, config_hash: str) -> tuple[Path | None, Path | None]:
    """Return the newest unfinished and the newest finished run of a configuration and seed."""
    ending = f"-s{seed}-{config_hash}"
    parent = root / scenario
    runs = sorted(path for path in parent.glob(f"*{ending}*") if path.is_dir()) if parent.is_dir() else []
    partial = [path for path in runs if path.name.endswith(ending + PARTIAL)]
    complete = [path for path in runs if path.name.endswith(ending)]
    return (partial[-1] if partial else None), (complete[-1] if complete else None)


def publish(folder: Path) -> Path:
    """Remove what only the writing needed and give a partial folder its final name; return it."""
    shutil.rmtree(folder / "parts", ignore_errors=True)
    (folder / LOCK).unlink(missing_ok=True)
    final = folder.with_name(folder.name.removesuffix(PARTIAL))
    folder.rename(final)
    return final


def _naming(model: EcosystemModel) -> Naming:
    return Naming.of(model.personas, [topic.id for topic in model.scenario.topics], model.statements.texts)


def _read_part(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise InputError(str(path), f"is not a readable part of a table ({error})") from None


def _write_table(path: Path, table: pa.Table) -> None:
    with write_atomic(path) as file:
        pq.write_table(table, file, compression="zstd")
