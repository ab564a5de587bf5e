"""New sources in a known space: encoded by its models, placed on its map, judged by its sources.

Nothing of the bundle changes. A source that lacks a modality keeps NaN in those latents, is placed
by the ones it has, and the table says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import REJECTED, Folder, disk_errors
from latent_core.catalog import SOURCE_ID
from latent_core.encoding import encode
from latent_core.errors import InputError
from latent_core.latent_space import LatentSpace
from latent_core.modalities import Observations
from latent_core.products import PRODUCTS, load_product
from latent_core.provenance import refuse_mixing, release_of
from latent_core.surveys.gaia_files import IngestReport, Progress, ingest
from latent_core.trust import judge_new

WRITERS = {
    ".parquet": lambda frame, file: frame.to_parquet(file, index=False),
    ".csv": lambda frame, file: frame.to_csv(file, index=False),
}
OUTSIDE = "farther from every source of the space than its sources are from each other"


@dataclass(frozen=True)
class Placed:
    """Sources in a space: latents (L, K), NaN where a block is missing; places (L, 2) on its map.

    `reason` says for each what is missing or unusual, "" where nothing is.
    """

    source_id: NDArray[np.int64]
    latent_names: tuple[str, ...]
    latents: NDArray[np.float32]
    coordinates: NDArray[np.float32]
    inside: NDArray[np.bool_]
    reason: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """Columns: source_id, one a latent, x, y, inside_training_data, reason."""
        columns: dict[str, object] = {SOURCE_ID: self.source_id}
        columns |= dict(zip(self.latent_names, self.latents.T, strict=True))
        columns |= {"x": self.coordinates[:, 0], "y": self.coordinates[:, 1]}
        columns |= {"inside_training_data": self.inside, "reason": list(self.reason)}
        return pd.DataFrame(columns)

    def text(self) -> str:
        """Say how many were placed, and how."""
        placed = int(np.isfinite(self.coordinates).all(axis=1).sum())
        whole = int(np.isfinite(self.latents).all(axis=1).sum())
        return (
            f"{placed:,} of {len(self.source_id):,} sources placed, {whole:,} of them by all "
            f"latents; {int(self.inside.sum()):,} inside the training data"
        )


def place_files(
    space: LatentSpace,
    files: Sequence[Path],
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[Placed, IngestReport]:
    """Read archive files of new sources, place them, and write the table (parquet or CSV).

    Rows that could not be read are listed beside it (`rejected_file`).

    Raises InputError for files that cannot be used, an `out` of another kind, or a space without
    models; nothing is written then.
    """
    if out.suffix not in WRITERS:
        raise InputError(
            f"{out.name} is not a kind of table that is written",
            remedy=f"choose {' or '.join(WRITERS)}",
        )
    if out.exists() and not overwrite:
        raise InputError("exists already", file=out, remedy="choose another --out or --overwrite")
    with tempfile.TemporaryDirectory(prefix="gaia-latent-") as scratch:
        release = release_of(space.bundle.folder)
        out_of_files = Path(scratch) / "new.survey"
        report = ingest(files, out_of_files, release=release, progress=progress)
        survey = Folder.open(report.path, "survey")
        placed = place(space, survey)
        rejected = pd.read_parquet(survey.file(REJECTED)) if REJECTED in survey else None
    _write(placed.frame(), out)
    if rejected is not None:
        _write(rejected, rejected_file(out))
    return placed, report


def rejected_file(out: Path) -> Path:
    """Return where the rows that could not be read are listed, with reasons."""
    return out.with_name(f"{out.stem}.rejected{out.suffix}")


def _write(frame: pd.DataFrame, file: Path) -> None:
    partial = file.with_name(file.name + ".partial")
    with disk_errors(file):
        WRITERS[file.suffix](frame, partial)
        partial.replace(file)


def place(space: LatentSpace, survey: Folder, projection: str | None = None) -> Placed:
    """Encode a survey's sources with the models of a space.

    Raises InputError where the space has no model, or the survey is of another data release.
    """
    if not space.models:
        raise InputError(
            f"space {space.name!r} of {space.bundle.name} has no model to encode with",
            remedy="import the published weights, or build a bundle",
        )
    refuse_mixing(space.bundle.folder, survey)
    catalog = survey.catalog
    latents = np.full((len(catalog), space.latents.shape[1]), np.nan, np.float32)
    reasons: list[list[str]] = [[] for _ in range(len(catalog))]
    outside = np.zeros(len(catalog), bool)
    for block, part in space.blocks.items():
        found = _encoded(space, block, survey)
        latents[:, part] = found.means
        for row, why in found.refused.items():
            reasons[row].append(f"no {block} latents: {why}")
        for row, why in found.outside.items():
            reasons[row].append(f"{block}: {why}")
            outside[row] = True
    beyond = space.outside(latents)
    nothing = ~np.isfinite(latents).any(axis=1)
    for row in np.flatnonzero(beyond & ~nothing).tolist():
        reasons[row].append(OUTSIDE)
    return Placed(
        catalog.source_id,
        space.latent_names,
        latents,
        space.project(latents, projection).astype(np.float32),
        ~(outside | beyond),
        tuple("; ".join(found) for found in reasons),
    )


@dataclass(frozen=True)
class _Block:
    """A block's latents of all rows (N, k), why rows have none, and why rows are outside."""

    means: NDArray[np.float32]
    refused: Mapping[int, str]
    outside: Mapping[int, str]


def _encoded(space: LatentSpace, block: str, survey: Folder) -> _Block:
    size = space.blocks[block].stop - space.blocks[block].start
    means = np.full((len(survey.catalog), size), np.nan, np.float32)
    if block not in space.models:
        return _Block(
            means, dict.fromkeys(range(len(means)), "the bundle has no model for it"), {}
        )
    model = space.bundle.model(space.models[block])
    product = load_product(survey, PRODUCTS[model.modality.product])
    if product is None:
        why = f"the files hold no {model.modality.product}"
        return _Block(means, dict.fromkeys(range(len(means)), why), {})
    refused = dict.fromkeys(range(len(means)), f"it has no {model.modality.product}")
    given = model.modality.preprocess(product, survey.catalog, model.constants)
    refused |= dict(given.rejected)
    outside: dict[int, str] = {}
    if len(given):
        means[given.rows] = encode(model.network, given.arrays)[0]
        outside = _judged(space, space.models[block], given, means[given.rows])
    lacking = {row: why for row, why in refused.items() if np.isnan(means[row]).any()}
    return _Block(means, lacking, outside)


def _judged(
    space: LatentSpace, name: str, given: Observations, latents: NDArray[np.float32]
) -> dict[int, str]:
    """Say why rows are outside a model's training data; {} where its limits are not known."""
    trust = space.bundle.trust(name)
    if trust is None:
        return {}
    outside, reasons = judge_new(trust, space.bundle.model(name), given, latents)
    said = zip(given.rows.tolist(), outside, reasons, strict=True)
    return {row: why for row, is_outside, why in said if is_outside}
