"""One scenario under several opinion kernels and entry rules: the runs, and the page that compares them."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ecosystem.errors import InputError, shorten
from ecosystem.execute import run
from ecosystem.files import RUNS, write_atomic
from ecosystem.progress import Progress, silent
from ecosystem.reading import load_scenario
from ecosystem.scenario import Entry, Kernel, Scenario

if TYPE_CHECKING:
    import pandas as pd

    from ecosystem.report.variants_arrays import Variant

KIND = "variants"

_ENDING = "-compared"
_COUNTED = ("simulate", "report")


@dataclass(frozen=True)
class Variants:
    """Runs of one scenario that differ in kernel and entry rule, and the folder that compares them.

    Attributes
    ----------
    path : Path
        The folder with ``variants.parquet``, ``figures/`` and ``report.html``.
    variants : tuple of Variant
        Kernel, entry rule and finished run of each, by kernel, then by entry rule.
    """

    path: Path
    variants: tuple[Variant, ...]

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a variant and step: kernel, entry rule, the run's folder relative to this one, all measures."""
        return _table(self.variants)

    def summary(self) -> dict[str, Any]:
        """Return what ``ecosystem run --kernels ... --json`` prints: where the page is, and each run's own summary."""
        runs = [{"kernel": v.kernel, "entry": v.entry, **v.run.summary()} for v in self.variants]
        shared = {key: runs[0][key] for key in ("scenario", "seed", "steps")}
        return {"comparison": str(self.path), "report": str(self.path / "report.html"), **shared, "variants": runs}


def run_variants(
    scenario: str | Path | Scenario,
    *,
    kernels: Sequence[str] = (),
    entries: Sequence[str] = (),
    out: str | Path = RUNS,
    resume: bool = False,
    weights: str | Path | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> Variants:
    """Run a scenario under every pair of some kernels and entry rules, and compare the runs on one page.

    Corpora, seed and all other parameters are the same. Each run is one that `ecosystem.run` makes, with its own
    folder; beside them, ``<UTC time>-s<seed>-<hash>-compared`` holds the comparison.

    Parameters
    ----------
    scenario : str, Path or Scenario
        What `ecosystem.load_scenario` accepts.
    kernels, entries : sequence of str
        Values of the parameters ``kernel`` and ``entry``; the scenario's own where none is given.
    out : str or Path
        Folder for runs.
    resume : bool
        Take over runs of these configurations and seed that are finished, finish those that are not, and
        return an earlier comparison of the same runs.
    weights : str or Path, optional
        Weights of the affinity model; the shipped ones by default.
    progress : callable, optional
        Told a stage (``variants``, ``encode``, ``simulate``, ``report``, ``contrast``), how much of it is done, and
        how much there is.
    **parameters
        Any of `ecosystem.Parameters`.

    Raises
    ------
    InputError
        A kernel, an entry rule, the scenario, a parameter, the weights or the output folder cannot be used.
    """
    from ecosystem.report.variants_arrays import Variant

    chosen = {"kernel": _chosen("kernels", kernels, Kernel), "entry": _chosen("entries", entries, Entry)}
    for name, values in chosen.items():
        if values and name in parameters:
            raise InputError(name, f"is given twice, as {shorten(parameters[name])} and as {', '.join(values)}")
    checked = load_scenario(scenario, **parameters)
    own = checked.parameters
    pairs = list(product(chosen["kernel"] or (own.kernel,), chosen["entry"] or (own.entry,)))
    tell = progress or silent
    variants = []
    for number, (kernel, entry) in enumerate(pairs):
        tell("variants", number, len(pairs))
        done = run(
            checked, out=out, resume=resume, weights=weights, progress=_within(tell, number, len(pairs)),
            kernel=kernel, entry=entry,
        )  # fmt: skip
        variants.append(Variant(kernel, entry, done))
    tell("variants", len(pairs), len(pairs))
    return Variants(_compare(tuple(variants), Path(out), resume, tell), tuple(variants))


def _chosen(field: str, given: Sequence[str], accepted: Any) -> tuple[str, ...]:
    """Return what was chosen from the values a parameter accepts, each once."""
    known = get_args(accepted)
    for place, value in enumerate(given):
        if value not in known:
            raise InputError(field, f"found {shorten(value)}; accepted: {', '.join(known)}")
        if value in given[:place]:
            raise InputError(field, f"found {value!r} twice; each of {', '.join(known)} is accepted once")
    return tuple(given)


def _within(tell: Progress, number: int, total: int) -> Progress:
    """Return what a run tells as part of all runs."""

    def part(stage: str, done: int, of: int) -> None:
        if stage in _COUNTED:
            tell(stage, number * of + done, total * of)
        else:
            tell(stage, done, of)

    return part


def _compare(variants: tuple[Variant, ...], root: Path, resume: bool, tell: Progress) -> Path:
    """Write the comparison of finished runs, or find it; return its folder."""
    from ecosystem.record.folder import find_folders, new_folder, publish
    from ecosystem.record.lock import locked
    from ecosystem.record.manifest import read_manifest

    first = variants[0].run
    name, seed = first.manifest["scenario"], first.manifest["seed"]
    hashes = [str(variant.run.manifest["config_hash"]) for variant in variants]
    digest = hashlib.sha256("".join(hashes).encode()).hexdigest()[:8] + _ENDING
    partial = None
    if resume:
        partial, complete = find_folders(root, name, seed, digest)
        if complete is not None and read_manifest(complete).get("runs") == _folders(variants):
            return complete
    folder = partial or new_folder(root, name, seed, digest)
    with locked(folder):
        try:
            _write(folder, variants, tell)
            return publish(folder)
        except (InputError, OSError):
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _write(folder: Path, variants: tuple[Variant, ...], tell: Progress) -> None:
    """Write table, figures and page, last of all that the comparison is complete."""
    from ecosystem.record.manifest import COMPLETE, write_manifest
    from ecosystem.report.variants import render, write_figures
    from ecosystem.report.variants_arrays import Contrast

    began = time.process_time()
    manifest = _manifest(variants)
    write_manifest(folder, manifest)
    contrast = Contrast(variants)
    tell("contrast", 0, 3)
    with write_atomic(folder / "variants.parquet") as file:
        _table(variants).to_parquet(file, index=False, compression="zstd")
    tell("contrast", 1, 3)
    pictures = write_figures(folder, contrast)
    tell("contrast", 2, 3)
    with write_atomic(folder / "report.html") as file:
        file.write(render(contrast, manifest, pictures, _links(variants)).encode("utf-8", "replace"))
    manifest |= {"status": COMPLETE, "timings": {"comparison_cpu_s": round(time.process_time() - began, 3)}}
    write_manifest(folder, manifest)
    tell("contrast", 3, 3)


def _manifest(variants: tuple[Variant, ...]) -> dict[str, Any]:
    from ecosystem.record.manifest import command_line, provenance

    first = variants[0].run.manifest
    same = ("scenario", "title", "seed", "corpora_sha256", "weights_sha256", "encoder", "agents", "topics")
    return {
        "kind": KIND,
        "status": "running",
        **{key: first[key] for key in same},
        "runs": _folders(variants),
        "variants": [{"kernel": variant.kernel, "entry": variant.entry} for variant in variants],
        "started_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": command_line(),
        **provenance(),
    }


def _table(variants: tuple[Variant, ...]) -> pd.DataFrame:
    import pandas as pd

    tables = []
    for variant, folder in zip(variants, _folders(variants), strict=True):
        named = {"kernel": variant.kernel, "entry": variant.entry, "run": folder}
        metrics = variant.run.metrics
        tables.append(metrics.assign(**named)[[*named, *metrics.columns]])
    return pd.concat(tables, ignore_index=True)


def _folders(variants: tuple[Variant, ...]) -> list[str]:
    """Return the folders of the runs relative to the comparison's, which lies beside them."""
    return [f"../{variant.run.path.name}" for variant in variants]


def _links(variants: tuple[Variant, ...]) -> list[str]:
    from urllib.parse import quote

    return [f"{quote(folder)}/report.html" for folder in _folders(variants)]
