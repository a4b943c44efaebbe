"""The cache of encoded texts, and the encoder it stands in front of."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecosystem.jepa import load_jepa
from ecosystem.jepa.encoder import CachedEncoder, Features, text_key

WIDTH = 6


class Digest:
    """An encoder whose features are a digest of the text; remembers what it was asked."""

    def __init__(self, identity: str = "digest@1", width: int = WIDTH) -> None:
        self.identity, self.width = identity, width
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Features:
        self.asked += texts
        if progress is not None:
            progress(len(texts))
        return features_of(texts, self.width)


def features_of(texts: Sequence[str], width: int = WIDTH) -> Features:
    digests = [hashlib.shake_128(text.encode()).digest(width) for text in texts]
    return np.array([list(digest) for digest in digests], np.float32)


def segments(encoder: CachedEncoder) -> list[Path]:
    return sorted(encoder.folder.glob("*.npy"))


def test_each_text_is_encoded_once_and_order_is_kept(tmp_path: Path) -> None:
    encoder = Digest()
    cached = CachedEncoder(encoder, tmp_path)
    for texts in (["b", "a", "b"], ["a", "c"], ["c", "a", "b", "a"], ["ä", "日本", ""]):
        found = cached.encode(texts)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, features_of(texts))
    assert encoder.asked == ["b", "a", "c", "ä", "日本", ""]
    assert cached.encode([]).shape[0] == 0


def test_a_cache_that_cannot_be_written_only_warns(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    encoder = Digest()
    cached = CachedEncoder(encoder, tmp_path / "file")
    with pytest.warns(RuntimeWarning, match="cannot be written.*ECOSYSTEM_CACHE"):
        np.testing.assert_array_equal(cached.encode(["a", "b"]), features_of(["a", "b"]))
    np.testing.assert_array_equal(cached.encode(["b"]), features_of(["b"]))
    assert encoder.asked == ["a", "b"]


def test_another_instance_encodes_nothing_again(tmp_path: Path) -> None:
    CachedEncoder(Digest(), tmp_path).encode(["a", "b"])
    encoder = Digest()
    cached = CachedEncoder(encoder, tmp_path)
    assert cached.missing(["b", "x", "a", "x", "y"]) == ["x", "y"]
    np.testing.assert_array_equal(cached.encode(["b", "x", "a"]), features_of(["b", "x", "a"]))
    assert encoder.asked == ["x"]


def test_an_instance_sees_what_another_adds_later(tmp_path: Path) -> None:
    encoder = Digest()
    first, second = CachedEncoder(encoder, tmp_path), CachedEncoder(Digest(), tmp_path)
    first.encode(["a"])
    second.encode(["b", "a"])
    first.encode(["a", "b"])
    assert encoder.asked == ["a"]


def test_encoders_of_another_identity_share_nothing(tmp_path: Path) -> None:
    CachedEncoder(Digest("digest@1"), tmp_path).encode(["a"])
    other = Digest("digest@2")
    CachedEncoder(other, tmp_path).encode(["a"])
    assert other.asked == ["a"]


def test_progress_counts_what_is_encoded(tmp_path: Path) -> None:
    cached, told = CachedEncoder(Digest(), tmp_path), []
    cached.encode(["a", "b"], told.append)
    cached.encode(["a", "b", "c"], told.append)
    cached.encode(["a", "b", "c"], told.append)
    assert told == [2, 1]


def damage(raw: bytes) -> dict[str, bytes]:
    """Return damaged forms of a segment file."""
    header = raw.index(b"{")
    wrong_keys = np.zeros(2, [("key", "V4"), ("features", "<f4", (WIDTH,))])
    return {
        "empty": b"",
        "cut in the data": raw[:-7],
        "cut in the header": raw[:40],
        "cut in the magic": raw[:3],
        "not numpy": b"hello, this is text\n" * 20,
        "zip magic": b"PK\x03\x04" + raw[4:],
        "zeros": bytes(len(raw)),
        "header not closed": raw[:header] + raw[header:].replace(b"}", b" ", 1),
        "header not a literal": raw[:header] + b"(" + raw[header + 1 :],
        "another array": raw.replace(b"'key'", b"'kez'"),
        "keys too short": raw[:header] + raw[header:].replace(b"V16", b"V 6", 1),
        "other fields": _npy(wrong_keys),
        "plain array": _npy(np.zeros((3, 4))),
        "pickle": _npy(np.array([{"a": 1}], object)),
    }


def _npy(array: Any) -> bytes:
    from io import BytesIO

    file = BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


DAMAGES = list(damage(b"\x93NUMPY\x01\x00v\x00{}" + b" " * 100))


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_segment_is_encoded_again(tmp_path: Path, kind: str) -> None:
    CachedEncoder(Digest(), tmp_path).encode(["a", "b"])
    whole = CachedEncoder(Digest(), tmp_path)
    whole.encode(["c"])
    (path,) = (p for p in segments(whole) if np.load(p)["key"].tolist()[0] == text_key("a"))
    path.write_bytes(damage(path.read_bytes())[kind])
    encoder = Digest()
    cached = CachedEncoder(encoder, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # numpy's, on headers of Python 2
        np.testing.assert_array_equal(cached.encode(["c", "b", "a"]), features_of(["c", "b", "a"]))
    assert encoder.asked == ["b", "a"]
    fresh = Digest()
    np.testing.assert_array_equal(CachedEncoder(fresh, tmp_path).encode(["a", "b"]), features_of(["a", "b"]))
    assert fresh.asked == []


def test_trouble_with_the_machine_does_not_cost_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CachedEncoder(Digest(), tmp_path).encode(["a", "b"])
    encoder = Digest()
    cached = CachedEncoder(encoder, tmp_path)

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(np.lib.format, "open_memmap", fail)
        assert cached.missing(["a"]) == ["a"]
    np.testing.assert_array_equal(cached.encode(["a", "b"]), features_of(["a", "b"]))
    assert encoder.asked == []


def test_killed_writer_leaves_nothing_readable(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    class Dying(Digest):
        def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Features:
            raise Killed

    with pytest.raises(Killed):
        CachedEncoder(Dying(), tmp_path).encode(["a"])
    cached = CachedEncoder(Digest(), tmp_path)
    cached.encode(["b"])
    assert len(segments(cached)) == 1
    (cached.folder / ".left-by-a-kill.npy.123.tmp").write_bytes(b"half")
    np.testing.assert_array_equal(CachedEncoder(Digest(), tmp_path).encode(["b"]), features_of(["b"]))


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files through /proc")
def test_many_small_segments_hold_no_files_open(tmp_path: Path) -> None:
    cached = CachedEncoder(Digest(), tmp_path)
    before = open_files()
    for number in range(80):
        cached.encode([f"text {number}"])
    assert len(segments(cached)) == 80
    assert open_files() <= before + 2


def test_large_segments_are_read_where_they_lie(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(400)]
    CachedEncoder(Digest(width=2000), tmp_path).encode(texts)
    encoder = Digest(width=2000)
    cached = CachedEncoder(encoder, tmp_path)
    assert segments(CachedEncoder(encoder, tmp_path))[0].stat().st_size > 1_000_000
    np.testing.assert_array_equal(cached.encode(texts[::-7]), features_of(texts[::-7], 2000))
    assert encoder.asked == []


def fill(folder: Path, texts: list[str], barrier: Any, answers: Any) -> None:
    """Encode in small portions, in step with another process; report whether all vectors were right."""
    cached, right = CachedEncoder(Digest(), folder), True
    for start in range(0, len(texts), 10):
        barrier.wait(60)
        portion = texts[start : start + 10]
        right &= bool((cached.encode(portion) == features_of(portion)).all())
    answers.put(right)


def test_two_processes_at_once_leave_a_readable_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    texts = [f"text {number}" for number in range(150)]
    portions = (texts[:100], texts[50:])  # in step, they meet with the same and with different texts
    processes = [context.Process(target=fill, args=(tmp_path, part, barrier, answers)) for part in portions]
    for process in processes:
        process.start()
    assert [answers.get(timeout=60) for _ in processes] == [True, True]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    encoder = Digest()
    cached = CachedEncoder(encoder, tmp_path)
    np.testing.assert_array_equal(cached.encode(texts), features_of(texts))
    assert encoder.asked == []
    assert not list(tmp_path.rglob("*.tmp"))


SENTENCES = [
    "Coal must go.",
    "Wind farms spoil the view.",
    "We need a carbon tax now, and a fair one.",
    "Yes.",
    "Nuclear power is safe, but it is slow to build and dear to insure.",
    "Gas is a bridge to renewable energy.",
    "Who pays for the damage?",
    "Farmers cannot carry this alone.",
    "The models have been right for forty years.",
    "Adaptation is cheaper than mitigation.",
    "Growth and clean air go together.",
    "Solar panels are cheap.",
    "Solar panels are cheap!",
    "Ban short flights.",
    "Leave it to the market, which finds the cheapest way.",
    "The seas are rising.",
    "My country emits one percent.",
    "History matters: the rich world owes a debt.",
    "Jobs first.",
    "Trees are not enough.",
]

WARM = """
import json, sys
from ecosystem.jepa import load_jepa
latents = load_jepa(cache=sys.argv[1]).latents(json.loads(sys.argv[2]))
heavy = {"sentence_transformers", "transformers", "tokenizers"} & set(sys.modules)
print(json.dumps({"heavy": sorted(heavy), "latents": latents.tolist()}))
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def shipped(cache: Path) -> Any:
    return load_jepa(cache=cache)


def test_features_do_not_depend_on_the_company(shipped: Any) -> None:
    encoder = shipped.coder
    together = encoder.encode(SENTENCES)
    assert len(np.unique(together, axis=0)) == len(SENTENCES)
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(len(SENTENCES))
        np.testing.assert_array_equal(encoder.encode([SENTENCES[k] for k in order]), together[order])
    for k in (0, 4, 11):
        np.testing.assert_array_equal(encoder.encode([SENTENCES[k]])[0], together[k])


def test_warm_latents_need_no_sentence_encoder(shipped: Any, cache: Path) -> None:
    latents = shipped.latents(SENTENCES[:5])
    done = subprocess.run(
        [sys.executable, "-c", WARM, str(cache), json.dumps(SENTENCES[:5])],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["heavy"] == []
    np.testing.assert_array_equal(np.array(told["latents"], np.float32), latents)
