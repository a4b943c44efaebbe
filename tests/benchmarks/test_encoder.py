"""What encoding costs beside the bare sentence encoder, and what bfloat16 buys in training. Prints ratios.

pytest tests/benchmarks/test_encoder.py -s -m benchmark
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from ecosystem.jepa.encoder import _local_folder, on_one_thread
from ecosystem.jepa.stance import read_shipped

pytestmark = pytest.mark.benchmark


def seconds(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def test_rate_beside_the_bare_encoder(jepa: Any) -> None:
    """Issue: encoding, networks included, runs at 90 % of the bare encoder's rate or more."""
    from sentence_transformers import SentenceTransformer

    texts = read_shipped()["text"].tolist()[:1000]
    bare = SentenceTransformer(str(_local_folder(jepa.coder.layers.model)), device="cpu")
    ratios = []
    with on_one_thread():
        for encoder in (jepa.coder, bare):
            encoder.encode(texts[:8])
        for _ in range(3):
            reference = seconds(lambda: bare.encode(texts, batch_size=32))
            ratios.append(reference / seconds(lambda: jepa.coder.encode(texts)))
    print(f"\ntexts to codes: {sorted(ratios)[1]:.2f} of the bare encoder's rate (median of three)")


def test_affinity_of_cached_statements(jepa: Any) -> None:
    """Issue: 1,000 x 1,000 cached statements in less than 50 ms of CPU time."""
    texts = read_shipped()["text"].tolist()[:2000]
    jepa.affinity_matrix(texts[:1000], texts[1000:])
    spent = [seconds(lambda: jepa.affinity_matrix(texts[:1000], texts[1000:])) for _ in range(5)]
    print(f"\naffinity of 1,000 x 1,000 cached statements: {1000 * min(spent):.0f} ms of CPU time (least of five)")


def test_bfloat16() -> None:
    import torch

    spent = {}
    for kind in (torch.float32, torch.bfloat16):
        a, b = torch.ones(3200, 384, dtype=kind), torch.ones(384, 1536, dtype=kind)
        a @ b
        spent[kind] = seconds(lambda a=a, b=b: [a @ b for _ in range(20)])
    print(f"\nbfloat16: {spent[torch.float32] / spent[torch.bfloat16]:.1f} times the rate of float32")
