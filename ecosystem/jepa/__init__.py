"""The affinity model: a joint-embedding predictive architecture on a sentence encoder.

Importing this package loads no torch; `load_jepa` does.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecosystem.errors import InputError

if TYPE_CHECKING:
    from ecosystem.jepa.affinity import AffinityModel

PRETRAINED = Path(__file__).parent / "pretrained" / "jepa.safetensors"
"""The weights that ship with the package; their card is beside them."""


def load_jepa(path: str | Path | None = None, *, cache: str | Path | None = None) -> AffinityModel:
    """Load an affinity model.

    Parameters
    ----------
    path : str or Path, optional
        A file written by ``ecosystem train``; the shipped weights by default.
    cache : str or Path, optional
        Folder for encoded texts; ``$ECOSYSTEM_CACHE`` or the user's cache folder by default.

    Returns
    -------
    AffinityModel
        With ``affinity(texts_a, texts_b)`` and ``affinity_matrix(texts_a, texts_b)``.

    Raises
    ------
    InputError
        The file is missing or not a weights file of this format.
    """
    from ecosystem.files import cache_folder
    from ecosystem.jepa.affinity import FORMAT, AffinityModel, Calibration
    from ecosystem.jepa.coding import StatementCoder
    from ecosystem.jepa.encoder import CachedEncoder, SentenceEncoder
    from ecosystem.tensors import read_tensors

    path = Path(path) if path is not None else PRETRAINED
    tensors, metadata = read_tensors(path, FORMAT, "weights file")
    try:
        coder = StatementCoder.from_tensors(metadata["model"], tensors)
        calibration = Calibration(**json.loads(metadata["calibration"]))
        calibration = replace(calibration, temperatures=tuple(calibration.temperatures))
        if len(calibration.temperatures) != len(coder.networks):
            raise ValueError(f"{len(calibration.temperatures)} temperatures for {len(coder.networks)} networks")
        card = json.loads(metadata["card"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(str(path), f"is not a complete weights file ({error})") from None
    folder = (Path(cache) if cache is not None else cache_folder()) / "features"
    sentences = SentenceEncoder(coder.layers)
    return AffinityModel(CachedEncoder(coder, folder), CachedEncoder(sentences, folder), coder, calibration, card)
