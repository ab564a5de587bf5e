"""What a space knows of its sources' neighbors: the most similar ones, and what lies outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import Folder
from latent_core.cells import Cells
from latent_core.errors import InputError
from latent_core.projection import by_missing
from latent_core.similarity import Hits, Scaling, SearchPlan, SimilarityIndex, block_weights

if TYPE_CHECKING:
    from latent_core.opened import Bundle

ASKED, OUTSIDE_PERCENTILE = 2000, 99
MEMBERS = 1000  # so many of a selection are asked for their neighbors, drawn at random


class Neighborhood:
    """Similarity of a space's sources; mixed into LatentSpace, which has what is named here."""

    bundle: Bundle
    folder: Folder
    name: str
    latents: NDArray[np.float32]
    blocks: Mapping[str, slice]
    scaling: Scaling

    def _stored(self, part: str) -> str | None:
        file = f"spaces/{self.name}/{part}"
        return file if file in self.folder else None

    @cached_property
    def present(self) -> NDArray[np.int64]:
        """Catalog rows that have all blocks of this space, ascending, (M,)."""
        file = self._stored("present.npy")
        if file is not None:
            return np.asarray(self.folder.array(file))
        return np.flatnonzero(np.isfinite(self.latents).all(axis=1))

    def scaled(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """z-scored latents of catalog rows, (L,) -> (L, K); NaN where a block is missing."""
        return self.scaling.apply(self.latents[rows]).astype(np.float32)

    @cached_property
    def z(self) -> NDArray[np.float32]:
        """z-scored latents of all rows in `present`, (M, K): a copy; `scaled` gives a few."""
        return self.scaled(self.present)

    @cached_property
    def index(self) -> SimilarityIndex:
        """The similarity index; a bundle from before there were cells gets them in memory."""
        file = self._stored("similarity.json")
        if file is None:
            return SimilarityIndex(
                Cells.build(self.scaled(self.present), self.present), self.blocks
            )
        cells = Cells.read(self.folder, f"spaces/{self.name}/similarity", len(self.latents))
        plan = self.folder.json(file)
        plan["seen"] = tuple(plan["seen"])
        return SimilarityIndex(cells, self.blocks, SearchPlan(**plan))

    def similar(
        self,
        source_id: int,
        k: int = 10,
        *,
        weights: Mapping[str, float] | None = None,
        where: NDArray[np.bool_] | None = None,
        exact: bool = False,
    ) -> pd.DataFrame:
        """Return the k sources most like one source, itself left out.

        Columns: source_id, row (of the catalog), distance, distance_<block> for each block;
        `attrs["exact"]` says whether they are proven to be the nearest, as they are but for plain
        searches that the space's plan cuts short (`index.plan`), unless `exact` is asked for.
        `where` (N,) allows catalog rows. Raises UnknownSourceError for an id that the bundle
        lacks, InputError for a source without latents in this space or a k that is not positive.
        """
        if k < 1:
            raise InputError(f"k is {k}; ask for at least one neighbor")
        row = self.bundle.row(source_id)
        self.refuse_without_latents(row)
        return self._similar(self.latents[row], k, where, weights, skip=row, exact=exact)

    def similar_to(
        self,
        latents: NDArray[np.floating],
        k: int = 10,
        *,
        where: NDArray[np.bool_] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """Return the k sources nearest to a point (K,) of the space, as `similar` does, exactly.

        A block with a NaN does not count, and its distances are NaN.
        """
        return self._similar(latents, k, where, weights)

    def _similar(
        self,
        latents: NDArray[np.floating],
        k: int,
        where: NDArray[np.bool_] | None,
        weights: Mapping[str, float] | None,
        **how: Any,
    ) -> pd.DataFrame:
        z = self.scaling.apply(latents)
        missing = [n for n, part in self.blocks.items() if not np.isfinite(z[part]).all()]
        counted = {**(weights or {}), **dict.fromkeys(missing, 0.0)}
        hits = self.index.search(np.nan_to_num(z), k, where=where, weights=counted, **how)
        unknown = {name: np.full(len(hits.items), np.nan) for name in missing}
        return self.table(replace(hits, by_block={**hits.by_block, **unknown}))

    def nearest(
        self, latents: NDArray[np.floating], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the catalog rows of the k sources nearest to each point, (L, K) -> (L, k).

        With their distances, exactly. Latents that are NaN do not count; a point of NaN alone has
        no neighbors: rows -1 and distances inf, as where there are fewer than k sources.
        """
        # float32 as the sources' own, so that a source is at no distance from itself
        z = self.scaling.apply(latents).astype(np.float32)
        rows = np.full((len(z), k), -1, np.int64)
        distance = np.full((len(z), k), np.inf)
        for used, same in by_missing(z):
            if used.any():
                found = self.index.cells.nearest(
                    np.nan_to_num(z[same]), k, weights=used.astype(np.float64)
                )
                rows[same], distance[same] = found.rows, found.distance
        return rows, distance

    def like_these(
        self,
        rows: NDArray[np.integer],
        k: int = 100,
        *,
        each: int = 10,
        weights: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """Return up to k sources that stand beside a selection of catalog rows but not in it.

        Each member (of many, MEMBERS of them) names its `each` nearest neighbors, as far as the
        plan goes; those named most come first, then those nearest to a member. Columns:
        source_id, row, named (by how many), distance (to the nearest of them).
        Raises InputError where no row has latents in this space, or for a k that is not positive.
        """
        if k < 1:
            raise InputError(f"k is {k}; ask for at least one source")
        inside = np.zeros(len(self.latents), bool)
        inside[rows] = True
        members = self.present[inside[self.present]]
        if not len(members):
            raise InputError(
                f"none of these sources has all latents of space {self.name!r}",
                remedy="select others or choose another space",
            )
        drawn = np.random.default_rng(0).permutation(len(members))[:MEMBERS]
        asked = members[np.sort(drawn)]
        found = self.index.cells.nearest(
            self.scaled(asked),
            each,
            weights=block_weights(self.blocks, weights, self.latents.shape[1]),
            skip=asked,
            budget=self.index.plan.budget,
        )
        named = pd.DataFrame({"row": found.rows.ravel(), "distance": found.distance.ravel()})
        named = named[(named["row"] >= 0) & ~inside[named["row"]]]
        table = named.groupby("row")["distance"].agg(named="size", distance="min").reset_index()
        table = table.sort_values(["named", "distance", "row"], ascending=[False, True, True])
        table = table.head(k).reset_index(drop=True)
        table.insert(0, "source_id", self.bundle.folder.catalog.source_id[table["row"]])
        return table

    def refuse_without_latents(self, row: int) -> None:
        """Raise InputError where a catalog row has no block of this space."""
        if not self.known_blocks(self.latents[row]):
            source_id = self.bundle.folder.catalog.source_id[row]
            raise InputError(
                f"source {source_id} has no latents in space {self.name!r}",
                remedy="it lacks every modality of this space, choose another space",
            )

    def known_blocks(self, latents: NDArray[np.floating]) -> tuple[str, ...]:
        """Names of the blocks that a point (K,) has; one with a NaN is missing."""
        return tuple(n for n, part in self.blocks.items() if np.isfinite(latents[part]).all())

    def table(self, hits: Hits) -> pd.DataFrame:
        """Turn hits into a table of catalog rows and exact ids."""
        columns: dict[str, Any] = {
            "source_id": self.bundle.folder.catalog.source_id[hits.items],
            "row": hits.items,
            "distance": hits.distance,
        }
        columns |= {f"distance_{name}": d for name, d in hits.by_block.items()}
        table = pd.DataFrame(columns)
        table.attrs["exact"] = hits.exact
        return table

    def outside(self, latents: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which points (L, K) lie farther from every source than sources do, (L,).

        The limit is the 99th percentile of the distance to the nearest other source, over random
        sources. NaN latents are left out of both; a point of NaN alone is outside.
        """
        _, distance = self.nearest(latents, 1)
        found = np.ones(len(distance), bool)
        for used, rows in by_missing(np.asarray(latents)):
            if used.any():
                found[rows] = distance[rows, 0] > self._farthest(used)
        return found

    @cached_property
    def _limits(self) -> dict[bytes, float]:
        return {}

    def _farthest(self, used: NDArray[np.bool_]) -> float:
        """Return the limit of `outside` for some of the latents, measured once."""
        key = used.tobytes()
        if key not in self._limits:
            count = min(ASKED, len(self.present))
            drawn = np.random.default_rng(0).choice(len(self.present), count, replace=False)
            asked = self.present[drawn]
            found = self.index.cells.nearest(
                self.scaled(asked), 1, weights=used.astype(np.float64), skip=asked
            )
            self._limits[key] = float(np.percentile(found.distance, OUTSIDE_PERCENTILE))
        return self._limits[key]
