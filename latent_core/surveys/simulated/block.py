"""Blocks of a thousand simulated sources: each a function of the seed and its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import Column
from latent_core.products import G_BAND, EpochPhotometry, XpCoefficients
from latent_core.surveys.simulated.cadence import measure, transit_times
from latent_core.surveys.simulated.classes import KINDS
from latent_core.surveys.simulated.light_curves import vary
from latent_core.surveys.simulated.luminosity import settle
from latent_core.surveys.simulated.missing import Xp, kept_transits, with_spectrum
from latent_core.surveys.simulated.population import Stars, draw_stars
from latent_core.surveys.simulated.sky import invented_ids, positions
from latent_core.surveys.simulated.spectra import Light, observe, shine, warmed
from latent_core.truth import truth_table

Floats = NDArray[np.float64]
BLOCK_ROWS = 1000
ORIGIN = "simulated: gaia-latent simulate, from summary figures of real Gaia DR3 sources"
COLUMNS = (
    Column("source_id", "", "source_id", "identifier", "invented: no source of the archive"),
    Column("simulated", "", "simulated", "flag", "True: this row was never observed"),
    Column("kind", "", "kind", "category", "what the simulator made; finer than the class"),
    Column("phot_g_mean_mag", "mag", "G", "number", "mean G magnitude, Vega", inverted=True),
    Column("period_d", "d", "period", "number", "true period; orbital for binaries"),
    Column("frequency", "1/d", "frequency", "number",
           "best frequency of the light curve: twice the orbital one of eclipsing and ellipsoidal "
           "binaries; of no meaning for sources without a period"),
    Column("amplitude", "mag", "amplitude", "number", "semi-amplitude of the first harmonic"),
    Column("a0", "mag", "A0", "number", "true extinction at 547 nm"),
    Column("redshift", "", "redshift", "number", "true redshift"),
    Column("parallax_error", "mas", "parallax error"),
    Column("has_xp_continuous", "", "XP spectrum", "flag", "this survey holds its coefficients"),
    Column("has_epoch_photometry", "", "light curve", "flag", "this survey holds its transits"),
)  # fmt: skip


@lru_cache
def _nothing_planted() -> pd.DataFrame:
    return truth_table([])


@dataclass(frozen=True)
class Block:
    """N sources: catalog rows, coefficients, and their transits, one source after another.

    `rows` (N,) says which rows of the survey they are; `values`, `errors` (N, 110) stand for
    every source, `has_xp` (N,) says of which the survey has them; `counts` (N,) transits each.
    `truth` lists the planted anomalies by survey row.
    """

    rows: NDArray[np.int64]
    frame: pd.DataFrame
    values: Floats
    errors: NDArray[np.float32]
    has_xp: NDArray[np.bool_]
    counts: NDArray[np.int64]
    time: Floats
    mag: Floats
    mag_error: Floats
    band: NDArray[np.uint8]
    rejected: NDArray[np.bool_]
    truth: pd.DataFrame = field(default_factory=_nothing_planted)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: NDArray[np.int64]) -> Block:
        """Return some sources, in the order of `places` (K,)."""
        ends = np.cumsum(self.counts)
        wanted = [np.arange(ends[i] - self.counts[i], ends[i]) for i in places]
        points = np.concatenate([np.empty(0, np.int64), *wanted])
        return Block(
            rows=self.rows[places],
            truth=self.truth[self.truth["row"].isin(self.rows[places])].reset_index(drop=True),
            frame=self.frame.iloc[places].reset_index(drop=True),
            **{name: getattr(self, name)[places] for name in _OF_SOURCES},
            **{name: getattr(self, name)[points] for name in _OF_POINTS},
        )

    def first(self, rows: int) -> Block:
        """Return the first sources."""
        return self if rows >= len(self) else self.take(np.arange(rows))

    def copy(self) -> Block:
        """Return a block whose arrays and catalog rows can be changed alone."""
        arrays = {name: getattr(self, name).copy() for name in (*_OF_SOURCES, *_OF_POINTS)}
        return replace(self, frame=self.frame.copy(), **arrays)

    def planted(self, start: int = 0) -> pd.DataFrame:
        """Return the truth table with rows of a catalog whose row `start` is the first source."""
        place = {int(row): start + i for i, row in enumerate(self.rows)}
        table = self.truth.assign(row=[place[row] for row in self.truth["row"]])
        return table.astype({"row": np.int64}).sort_values("row", ignore_index=True)

    def coefficients(self, start: int = 0) -> XpCoefficients:
        """Return the spectra that there are; the first source is row `start` of the product."""
        return XpCoefficients(
            rows=start + np.flatnonzero(self.has_xp).astype(np.int64),
            values=self.values[self.has_xp],
            errors=self.errors[self.has_xp],
            origin=ORIGIN,
        )

    def photometry(self, start: int = 0) -> EpochPhotometry:
        """Return the light curves that there are; the first source is row `start`."""
        rows = np.flatnonzero(self.counts).astype(np.int64)
        return EpochPhotometry(
            rows=start + rows,
            offsets=np.concatenate([[0], np.cumsum(self.counts[rows])]).astype(np.int64),
            **{name: getattr(self, name) for name in _OF_POINTS},
            origin=ORIGIN,
        )


_OF_SOURCES = ("values", "errors", "has_xp", "counts")
_OF_POINTS = ("time", "mag", "mag_error", "band", "rejected")


def joined(blocks: Sequence[Block]) -> Block:
    """Put blocks one after another."""
    return Block(
        rows=np.concatenate([block.rows for block in blocks]),
        truth=pd.concat([block.truth for block in blocks], ignore_index=True),
        frame=pd.concat([block.frame for block in blocks], ignore_index=True),
        **{
            name: np.concatenate([getattr(block, name) for block in blocks])
            for name in (*_OF_SOURCES, *_OF_POINTS)
        },
    )


def make_block(seed: int, number: int, xp: Xp = Xp.DR3) -> Block:
    """Make the rows of one block, whatever the size of the survey."""
    rng = np.random.default_rng([seed, number])
    stars = warmed(draw_stars(BLOCK_ROWS, rng))
    light = shine(stars, rng)
    stars, true_parallax = settle(stars, light, rng)
    ra, dec = positions(stars.part, 1000.0 / np.maximum(true_parallax, 1e-6), rng)
    values, errors = observe(light, stars.g, rng)
    time, real = transit_times(ra, dec, rng)
    change, amplitude = vary(time, real, stars, rng)
    kept = kept_transits(real, rng)
    mag, mag_error, rejected = measure(stars.g[:, None] + change, rng)
    rows = np.arange(number * BLOCK_ROWS, (number + 1) * BLOCK_ROWS)
    frame = _frame(stars, light, amplitude, ra, dec, rows)
    error = 0.02 + 0.07 * 10.0 ** (0.25 * (np.maximum(stars.g, 13.0) - 17.0))
    frame["parallax"] = true_parallax + error * rng.standard_normal(BLOCK_ROWS)
    frame["parallax_error"] = error
    counts = kept.sum(axis=1)
    has_xp = with_spectrum(stars, real.sum(axis=1), xp, rng)
    frame["has_xp_continuous"], frame["has_epoch_photometry"] = has_xp, counts > 0
    return Block(
        rows=rows,
        frame=frame,
        values=values,
        errors=errors,
        has_xp=has_xp,
        counts=counts,
        time=time[kept],
        mag=mag[kept],
        mag_error=mag_error[kept],
        band=np.full(int(counts.sum()), G_BAND, np.uint8),
        rejected=rejected[kept],
    )


def _frame(
    stars: Stars, light: Light, amplitude: Floats, ra: Floats, dec: Floats, rows: NDArray[np.int64]
) -> pd.DataFrame:
    cycles = np.array([kind.cycles for kind in KINDS])[stars.kind]
    period = 10.0**stars.log_period
    return pd.DataFrame({
        "source_id": invented_ids(ra, dec, rows),
        "simulated": np.ones(len(stars), bool),
        "best_class_name": np.array([kind.class_name for kind in KINDS])[stars.kind],
        "kind": np.array([kind.name for kind in KINDS])[stars.kind],
        "ra": ra,
        "dec": dec,
        "phot_g_mean_mag": stars.g,
        "bp_rp": light.bp_rp,
        "period_d": np.where(cycles > 0, period, np.nan),
        "frequency": np.maximum(cycles, 1) / period,
        "amplitude": amplitude,
        "teff": stars.teff,
        "logg": stars.logg,
        "fe_h": stars.fe_h,
        "alpha_m": stars.alpha_m,
        "a0": light.a0,
        "redshift": stars.redshift,
    })  # fmt: skip
