"""What a section is made of, and what sections read: spaces, blocks, splits and samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import Folder
from latent_core.catalog import Catalog
from latent_core.config import SplitSettings
from latent_core.opened import space_names
from latent_core.training import SPLIT_NAMES, split_of

SEED = 0
DEAD_SPREAD = 0.1
# G magnitude, under the names that surveys and the released table give it
MAGNITUDES = ("phot_g_mean_mag", "magnitude_mean")


@dataclass(frozen=True)
class Table:
    """A table as a person reads it; every cell is text, and none of it is markup."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Plot:
    """A drawing with what it shows; `image` is an SVG file's text."""

    title: str
    image: str
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """One part of the report.

    `reading` is the one sentence that a reader takes away, `basis` says on which data, how many
    sources and which split it rests, `figures` is what `report.json` carries of it.
    """

    key: str
    title: str
    reading: str
    basis: str
    figures: Mapping[str, Any]
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    texts: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Features:
    """Numbers of some catalog rows that a probe reads: a space, one of its blocks, or a map.

    `rows` (M,) catalog rows, `x` (M, K) raw, dead latents included. `of_model` tells posterior
    means under a unit prior from latents of any scale.
    """

    name: str
    kind: str
    rows: NDArray[np.int64]
    x: NDArray[np.float32]
    of_model: bool = False

    @property
    def live(self) -> NDArray[np.bool_]:
        """Latents that carry anything, (K,): a dead one hardly varies from source to source.

        The encoder of a VAE answers N(0, 1) along an axis that it does not use, so its mean is
        constant there (scatter-vae-2024.md, 4.4); the limit is that of Burda et al. 2016, a
        variance of 0.01. Latents of any scale are dead only where they are constant.
        """
        spread = self.x.std(axis=0, dtype=np.float64)
        return np.asarray(spread > (DEAD_SPREAD if self.of_model else 0.0), bool)


@dataclass(frozen=True)
class Context:
    """What every section is given beside the folder."""

    folder: Folder
    split: SplitSettings
    say: Callable[[str], None] = field(default=lambda _: None)

    @cached_property
    def catalog(self) -> Catalog:
        """The bundle's catalog, read once."""
        return self.folder.catalog

    @cached_property
    def side(self) -> NDArray[np.uint8]:
        """Each source's side of the split, (N,)."""
        return split_of(self.catalog.source_id, self.split)

    @property
    def data(self) -> str:
        """The data in words, with the mark that no figure may lose."""
        mark = "simulated" if self.folder.manifest.simulated else "real"
        return f"{self.folder.name} ({mark} sources)"

    @cached_property
    def label_sight(self) -> str:
        """Say whether the latents have seen labels: what a probe finds in them depends on it."""
        models = {name.split("/")[1] for name in self.folder.names("models/")}
        told = sorted(n for n in models if f"predict/{n}" in self.folder.manifest.stages)
        if told:
            return f"The latents of {', '.join(told)} have learned labels in training."
        if models:
            return "Latents were trained without labels."
        return "Imported latents: whether they have seen labels is not known here."

    @cached_property
    def spaces(self) -> tuple[Features, ...]:
        """All spaces, in order."""
        return tuple(self._space(name) for name in space_names(self.folder))

    @cached_property
    def latents(self) -> tuple[Features, ...]:
        """All spaces and, where a space has several, their blocks; the same numbers once."""
        found: dict[bytes, Features] = {}
        for features in (*self.spaces, *self._blocks()):
            found.setdefault(features.x.tobytes(), features)
        return tuple(found.values())

    @cached_property
    def maps(self) -> tuple[tuple[Features, Features], ...]:
        """All maps, each with the space that it draws."""
        return tuple(self._maps())

    def _space(self, name: str) -> Features:
        latents = self.folder.array(f"spaces/{name}/latents.npy")
        rows = np.flatnonzero(np.isfinite(latents).all(axis=1))
        return Features(
            name, "space", rows, np.asarray(latents[rows], np.float32), self._has_sigmas(name)
        )

    def _has_sigmas(self, space: str) -> bool:
        return f"spaces/{space}/sigmas.npy" in self.folder

    def _blocks(self) -> Iterator[Features]:
        for name in space_names(self.folder):
            blocks = self.folder.json(f"spaces/{name}/space.json")["blocks"]
            if len(blocks) < 2:
                continue
            latents = self.folder.array(f"spaces/{name}/latents.npy")
            for block, ends in sorted(blocks.items(), key=lambda item: item[1]):
                part = np.asarray(latents[:, slice(*ends)], np.float32)
                rows = np.flatnonzero(np.isfinite(part).all(axis=1))
                title = f"{name} / {block}"
                yield Features(title, "block", rows, part[rows], self._has_sigmas(name))

    def _maps(self) -> Iterator[tuple[Features, Features]]:
        for space in self.spaces:
            base = f"spaces/{space.name}/projections/"
            for name in sorted({n.split("/")[3] for n in self.folder.names(base)}):
                xy = np.asarray(self.folder.array(f"{base}{name}/coordinates.npy")[space.rows])
                placed = np.isfinite(xy).all(axis=1)
                title = f"{space.name} / map {name}"
                shown = Features(title, "map", space.rows[placed], xy[placed])
                yield Features(space.name, "space", shown.rows, space.x[placed]), shown

    def magnitude(self) -> NDArray[np.float64] | None:
        """G of every source, (N,) mag; None where the catalog has none."""
        for name in MAGNITUDES:
            if name in self.catalog.frame:
                return self.values(name)
        return None

    def values(self, name: str) -> NDArray[np.float64]:
        """One numeric column of the catalog, (N,), NaN where missing."""
        return np.asarray(self.catalog.frame[name].to_numpy(np.float64, na_value=np.nan))


def sample(count: int, largest: int) -> NDArray[np.int64]:
    """Return all positions below `count`, or above `largest` a seeded sample of them."""
    if count <= largest:
        return np.arange(count)
    return np.sort(np.random.default_rng(SEED).choice(count, largest, replace=False))


def side_names() -> Sequence[tuple[int, str]]:
    """Return code and name of the sides of a split."""
    return tuple(enumerate(SPLIT_NAMES))
