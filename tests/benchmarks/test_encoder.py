"""What encoding costs beside the bare sentence encoder, and what bfloat16 buys in training. Prints ratios.

pytest tests/benchmarks/test_encoder.py -s -m benchmark
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ecosystem.jepa.encoder import LayerEncoder
from ecosystem.jepa.stance import SHIPPED

pytestmark = pytest.mark.benchmark


def seconds(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def test_rate_beside_the_bare_encoder(jepa: Any) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    from ecosystem.jepa.encoder import _local_folder

    texts = pd.read_csv(SHIPPED)["text"].tolist()[:600]
    frozen, tuned = LayerEncoder(), LayerEncoder(tuned=jepa.encoder.encoder.tuned)
    bare = SentenceTransformer(str(_local_folder(frozen.model)), device="cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for encoder in (frozen, tuned, bare):
            encoder.encode(texts[:8])
        reference = seconds(lambda: bare.encode(texts, batch_size=32))
        for name, encoder in (("frozen", frozen), ("tuned", tuned)):
            print(f"\n{name} layers: {reference / seconds(lambda e=encoder: e.encode(texts)):.2f} of the bare rate")
    finally:
        torch.set_num_threads(threads)


def test_bfloat16() -> None:
    import torch

    spent = {}
    for kind in (torch.float32, torch.bfloat16):
        a, b = torch.ones(3200, 384, dtype=kind), torch.ones(384, 1536, dtype=kind)
        a @ b
        spent[kind] = seconds(lambda a=a, b=b: [a @ b for _ in range(20)])
    print(f"\nbfloat16: {spent[torch.float32] / spent[torch.bfloat16]:.1f} times the rate of float32")
