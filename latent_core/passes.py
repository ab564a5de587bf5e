"""Passes over a bundle: what a worker does with one chunk, and how its parts are put together.

A worker opens the bundle by its path, reads its chunk, and writes its results as part files into
the private folder of the stage; only small numbers travel back. Parts are joined in catalog order,
so that the arrays are the same whoever made them, and memory is that of one chunk a worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from latent_core.array_streams import ArrayStream
from latent_core.bundle import StageWriter
from latent_core.chunks import Chunk, FolderRef, opened
from latent_core.encoding import encode, noise_scatter, read_network
from latent_core.executors import Workers
from latent_core.inputs import InputMaker, observations_in
from latent_core.modalities import Constants, Observations, load_modality
from latent_core.trust import chi_of, training_distance

if TYPE_CHECKING:
    from latent_core.models.vae import VAE

Report = Callable[[str, int, int, str], None]
PARTS = ".parts"
MEANS, SIGMAS, NOISE = "latents", "sigmas", "noise_sigmas"
CHI, DISTANCE = "trust.chi", "trust.distance"  # a dot stands for a folder


@dataclass(frozen=True)
class Work:
    """A chunk for a worker, and the folder that its parts go to."""

    parts: str
    chunk: Chunk

    def save(self, arrays: Mapping[str, NDArray]) -> None:
        """Write the chunk's results."""
        for name, array in arrays.items():
            np.save(part_file(Path(self.parts), self.chunk.number, name), array)


@dataclass(frozen=True)
class Encode(Work):
    """Encode a model's input; with `draws`, find what its noise does to the latents."""

    folder: FolderRef
    model: str
    draws: int
    seed: int


@dataclass(frozen=True)
class Prepare(Work):
    """Make a modality's input; keep its arrays where `stored`, `encode` it at once where told."""

    folder: FolderRef
    modality: str
    constants: Constants
    stored: bool
    encode: Encode | None = None


@dataclass(frozen=True)
class Distance(Work):
    """Measure how far latents lie from those of training sources; the chunk is of their items."""

    latents: str
    training: str


@dataclass(frozen=True)
class Done:
    """What comes back of a chunk: how many sources it gave, and those that cannot be used."""

    sources: int
    rejected: tuple[tuple[int, str], ...] = ()


def prepare_chunk(work: Prepare) -> Done:
    """Turn a chunk's raw product into model input: `rows`, `scales`, and `array_*` if stored."""
    maker = InputMaker(opened(work.folder), load_modality(work.modality), work.constants)
    given = maker.of_chunk(work.chunk)
    kept = {f"array_{n}": a for n, a in given.arrays.items()} if work.stored else {}
    work.save({"rows": given.rows, "scales": given.scales, **kept})
    if work.encode is not None:
        _encode(work.encode, given)
    return Done(len(given), given.rejected)


def encode_chunk(work: Encode) -> Done:
    """Encode a chunk and measure how well the model reproduces it."""
    given = observations_in(opened(work.folder), work.model, work.chunk)
    _encode(work, given)
    return Done(len(given))


def _encode(work: Encode, given: Observations) -> None:
    import torch

    torch.set_num_threads(1)  # the stage puts this process's own number back
    network = _network(work.folder, work.model)
    means, sigmas = encode(network, given.arrays)
    found = {MEANS: means, SIGMAS: sigmas, CHI: chi_of(network, given.arrays, means)}
    if work.draws:
        seed = (work.seed, work.chunk.number)
        found[NOISE] = noise_scatter(network, given.arrays, work.draws, seed)
    work.save(found)


def distance_chunk(work: Distance) -> Done:
    """Measure a chunk of latents against the training sources."""
    latents = np.load(work.latents, mmap_mode="r", allow_pickle=False)
    training = np.load(work.training, allow_pickle=False)
    part = np.asarray(latents[work.chunk.start : work.chunk.stop])
    work.save({DISTANCE: training_distance(part, training)})
    return Done(len(part))


@lru_cache(maxsize=2)
def _network(ref: FolderRef, name: str) -> VAE:
    folder = opened(ref)
    about = folder.json(f"models/{name}/model.json")
    return read_network(folder.file(f"models/{name}/model.safetensors"), about)[0]


def part_file(parts: Path, number: int, name: str) -> Path:
    """Return the path of one chunk's part of an array."""
    return parts / f"{number:06d}-{name}.npy"


class Joiner:
    """Arrays of a stage that grow chunk by chunk in `base`, a folder of the bundle."""

    def __init__(self, writer: StageWriter, base: str) -> None:
        self.parts = writer.root / PARTS
        self.parts.mkdir(exist_ok=True)
        self._writer, self._base = writer, base
        self._files: dict[str, ArrayStream] = {}

    def append(self, number: int) -> None:
        """Take up a chunk's parts, and remove them."""
        for file in sorted(self.parts.glob(f"{number:06d}-*.npy")):
            part = file.stem.partition("-")[2]
            array = np.load(file, mmap_mode="r", allow_pickle=False)
            if part not in self._files:
                path = self._writer.path(self._name(part))
                self._files[part] = ArrayStream(path, array.dtype, array.shape[1:])
            self._files[part].append(array)
            file.unlink()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def path(self, part: str) -> Path:
        """Return the file of an array."""
        return self._files[part].path

    def record(self) -> None:
        """Name the closed files in the stage."""
        for part, file in self._files.items():
            self._writer.add(self._name(part), np.load(file.path, mmap_mode="r"))

    def _name(self, part: str) -> str:
        return f"{self._base}/{part.replace('.', '/')}.npy"


Kind = TypeVar("Kind", bound=Work)


@contextmanager
def joiner(writer: StageWriter, base: str) -> Iterator[Joiner]:
    """Join parts into arrays that the stage names when the block ends without an error."""
    grown = Joiner(writer, base)
    try:
        yield grown
        grown.close()
        grown.record()
    finally:
        grown.close()


def run_pass(
    function: Callable[[Kind], Done],
    tasks: Sequence[Kind],
    grown: Sequence[Joiner],
    *,
    workers: Workers,
    report: Report,
    stage: str,
) -> list[Done]:
    """Work through chunks in order; `report` is told rows, rate and the time that remains.

    Each of `grown` takes up what the chunk's worker left in its folder of parts.
    """
    begun, total = time.monotonic(), tasks[-1].chunk.stop if tasks else 0
    results = []
    for task, done in zip(tasks, workers.map(function, tasks), strict=True):
        for one in grown:
            one.append(task.chunk.number)
        results.append(done)
        rate = task.chunk.stop / max(time.monotonic() - begun, 1e-9)
        left = (total - task.chunk.stop) / rate
        text = f"{rate:,.0f} sources/s, {left:,.0f} s left" if len(tasks) > 1 else ""
        report(stage, task.chunk.stop, total, text)
    return results
