"""Blocks to a survey folder, with checkpoints from which an interrupted survey goes on.

Arrays grow in their files. Parquet cannot grow after a kill, so catalog rows wait in part files
beside the arrays until the survey is whole. What results is the same bytes with and without an
interruption, and whatever the number of checkpoints.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latent_core.bundle import CATALOG, StageWriter
from latent_core.catalog import KNOWN_COLUMNS, catalog_stream
from latent_core.products import EpochPhotometry, ProductStream, StreamState, XpCoefficients
from latent_core.surveys.simulated.block import COLUMNS, ORIGIN, Block
from latent_core.surveys.simulated.making import Options
from latent_core.truth import save_truth
from latent_core.version import __version__

CHECKPOINT = "checkpoint.json"
PARTS = "parts"
CHECKPOINT_ROWS = 64_000  # about a minute of work
Recipe = Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """How far a survey has come: rows and part files of the catalog, and its products."""

    recipe: Recipe
    rows: int
    parts: int
    spectra: StreamState
    curves: StreamState


def recipe_of(sources: int, seed: int, options: Options) -> Recipe:
    """Return what a survey's bytes depend on."""
    return {
        "sources": sources,
        "seed": seed,
        "xp": str(options.xp),
        "anomalies": options.anomalies,
        "code": __version__,
        "numpy": np.__version__,
    }


def forget_other(partial: Path, recipe: Recipe) -> None:
    """Remove the checkpoint of an interrupted survey that was another one, or is damaged."""
    if _read(partial, recipe) is None:
        (partial / CHECKPOINT).unlink(missing_ok=True)


def _read(partial: Path, recipe: Recipe) -> Checkpoint | None:
    file = partial / CHECKPOINT
    if not file.is_file():
        return None
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        spectra, curves = (StreamState(**raw.pop(name)) for name in ("spectra", "curves"))
        found = Checkpoint(**raw, spectra=spectra, curves=curves)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return found if found.recipe == recipe else None


class SurveyStream:
    """A survey folder that grows block by block: catalog, spectra, light curves, truth."""

    def __init__(self, writer: StageWriter, recipe: Recipe) -> None:
        none = Checkpoint(recipe, 0, 0, StreamState(), StreamState())
        found = _read(writer.root, recipe) or none
        self.rows = found.rows
        self._writer, self._recipe, self._parts = writer, recipe, found.parts
        self._spectra = ProductStream(writer, XpCoefficients, ORIGIN, found.spectra)
        self._curves = ProductStream(writer, EpochPhotometry, ORIGIN, found.curves)
        self._frames: list[pd.DataFrame] = []
        self._planted: list[pd.DataFrame] = []

    def append(self, block: Block) -> None:
        """Write the next sources."""
        self._frames.append(block.frame)
        self._planted.append(block.planted(self.rows))
        self._spectra.append(block.coefficients(self.rows))
        self._curves.append(block.photometry(self.rows))
        self.rows += len(block)

    @property
    def is_due(self) -> bool:
        """Whether there is enough new for a checkpoint."""
        return sum(map(len, self._frames)) >= CHECKPOINT_ROWS

    def save_checkpoint(self) -> None:
        """Bring everything to the disk, and say so; more sources have to follow."""
        for name, tables in (("catalog", self._frames), ("truth", self._planted)):
            file = self._part(name, self._parts)
            file.parent.mkdir(exist_ok=True)
            pd.concat(tables, ignore_index=True).to_parquet(file, write_page_checksum=True)
            tables.clear()
        self._parts += 1
        found = Checkpoint(
            self._recipe, self.rows, self._parts, self._spectra.flush(), self._curves.flush()
        )
        temporary = self._writer.root / f"{CHECKPOINT}.new"
        temporary.write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")
        temporary.replace(self._writer.root / CHECKPOINT)

    def _part(self, name: str, number: int) -> Path:
        return self._writer.root / PARTS / f"{name}-{number:05d}.parquet"

    def _tables(self, name: str, waiting: list[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for number in range(self._parts):
            yield pd.read_parquet(self._part(name, number), page_checksum_verification=True)
        yield from waiting

    def close(self) -> None:
        """Close the files as they are."""
        self._spectra.close()
        self._curves.close()

    def finish(self) -> None:
        """Join the parts of the catalog, and name all files."""
        self._spectra.finish()
        self._curves.finish()
        own = {column.name for column in COLUMNS}
        columns = COLUMNS + tuple(c for c in KNOWN_COLUMNS.values() if c.name not in own)
        with catalog_stream(self._writer.path(CATALOG), columns, simulated=True) as catalog:
            for frame in self._tables("catalog", self._frames):
                catalog.append(frame)
        self._writer.add(CATALOG)
        planted = list(self._tables("truth", self._planted))
        save_truth(self._writer, pd.concat(planted, ignore_index=True))
        (self._writer.root / CHECKPOINT).unlink(missing_ok=True)  # it needs the parts
        shutil.rmtree(self._writer.root / PARTS, ignore_errors=True)


@contextmanager
def survey_stream(writer: StageWriter, recipe: Recipe) -> Iterator[SurveyStream]:
    """Write a survey block by block, from the writer's last checkpoint of the same recipe on."""
    stream = SurveyStream(writer, recipe)
    try:
        yield stream
        stream.finish()
    finally:
        stream.close()
