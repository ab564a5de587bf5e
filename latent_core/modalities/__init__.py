"""One file a modality: raw product -> model input -> back to curves; numpy only.

A modality never sees a network. It turns a raw product into `Observations` (arrays a model can
eat, with the per-source scales and fitted constants needed to return), and turns decoded model
output into `Curve`s and `Grid`s with units, which any viewer can draw without knowing the
modality. To add one: write its file and add its line to `_REGISTRY`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from latent_core.catalog import Catalog
from latent_core.errors import LatentError
from latent_core.products import Product

Constants = Mapping[str, NDArray[np.float64]]
Floats = NDArray[np.float32]
# The two variants of Huijse et al. 2025: the released code's, which is the default and needs no
# constants, and the paper's.
RELEASE, PAPER = "release", "paper"


@dataclass(frozen=True)
class Curve:
    """Something to draw against an axis: y(x) with its one-sigma error, units and a name."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    y_error: NDArray[np.float64] | None = None
    x_label: str = ""
    x_unit: str = ""
    y_label: str = ""
    y_unit: str = ""
    y_inverted: bool = False


@dataclass(frozen=True)
class Grid:
    """A two-dimensional histogram: z (X, Y) over cell edges (X + 1,) and (Y + 1,)."""

    name: str
    x_edges: NDArray[np.float64]
    y_edges: NDArray[np.float64]
    z: NDArray[np.float64]
    x_label: str = ""
    x_unit: str = ""
    y_label: str = ""
    y_unit: str = ""
    z_label: str = ""


@dataclass(frozen=True)
class Observations:
    """Model-ready numbers of one modality for M of the catalog's N sources.

    `rows` (M,) catalog rows, ascending. `arrays` are what the model eats, each (M, ...) float32
    or bool: always `x` (values), `error` (one sigma in the same units) and `mask` (True where
    valid); a modality may add others (`phase`). `scales` (M, S) float64 are the per-source
    numbers that undo the scaling, named by the modality's `scale_names`. `rejected` lists catalog
    rows that carry the product but cannot be used, with the reason.
    """

    rows: NDArray[np.int64]
    arrays: Mapping[str, NDArray]
    scales: NDArray[np.float64]
    rejected: tuple[tuple[int, str], ...] = field(default=())

    def __len__(self) -> int:
        return len(self.rows)


class Modality(ABC):
    """What every modality offers; all methods are pure."""

    name: ClassVar[str]
    title: ClassVar[str]
    product: ClassVar[str]
    scale_names: ClassVar[tuple[str, ...]]
    # What `preprocess` and `fit` read of the catalog: a worker reads these columns and no others
    catalog_columns: ClassVar[tuple[str, ...]] = ()
    # What a person calls the latents of a modality that is its own latent space
    latent_names: ClassVar[tuple[str, ...]] = ()
    # How a published recipe prepares it, by name; the numbers go into the model's constants
    preparations: ClassVar[Mapping[str, Constants]] = MappingProxyType({RELEASE: {}})

    def preparation(self, name: str) -> Constants:
        """Return the constants of a named preparation; LatentError for an unknown one."""
        if name not in self.preparations:
            raise LatentError(
                f"{self.name} has no preparation {name!r}; "
                f"choose one of {', '.join(self.preparations)}"
            )
        return self.preparations[name]

    def fit(self, product: Product, catalog: Catalog, train: NDArray[np.bool_]) -> Constants:
        """Fit constants (means, scales) on the catalog rows where `train`; {} where none."""
        return {}

    @abstractmethod
    def preprocess(self, product: Product, catalog: Catalog, constants: Constants) -> Observations:
        """Turn a raw product into model input."""

    @abstractmethod
    def decoded(
        self, mean: Floats, sigma: Floats, scales: NDArray[np.float64] | None, constants: Constants
    ) -> tuple[Curve | Grid, ...]:
        """Turn one decoded row, mean and scatter (P,), into physical curves.

        `scales` (S,) are the source's own; None asks for a stated reference source.
        """

    @abstractmethod
    def observed(
        self,
        product: Product,
        item: int,
        arrays: Mapping[str, NDArray],
        scales: NDArray[np.float64],
        constants: Constants,
    ) -> tuple[Curve | Grid, ...]:
        """Curves of what was measured, for item `item` of the product, in `decoded`'s units."""

    def decode_points(self) -> NDArray[np.float32] | None:
        """Where the model must be decoded (phases in [0, 1)), None where the grid is its own."""
        return None


_REGISTRY = {
    "xp_coefficients": "latent_core.modalities.xp_coefficients:XpCoefficientsModality",
    "xp_samples": "latent_core.modalities.xp_samples:XpSamplesModality",
    "folded": "latent_core.modalities.folded:FoldedModality",
    "dmdt": "latent_core.modalities.dmdt:DmdtModality",
    "cycle": "latent_core.modalities.cycle:CycleModality",
    "star_table": "latent_core.modalities.star_table:StarTableModality",
}


def modality_names() -> tuple[str, ...]:
    """Names of all modalities that the program knows."""
    return tuple(_REGISTRY)


def load_modality(name: str) -> Modality:
    """Return a modality by name; raises LatentError for an unknown one."""
    if name not in _REGISTRY:
        raise LatentError(f"modality {name!r} is unknown; choose one of {', '.join(_REGISTRY)}")
    module, _, cls = _REGISTRY[name].partition(":")
    modality: Modality = getattr(import_module(module), cls)()
    return modality
