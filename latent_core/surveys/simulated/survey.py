"""Blocks of simulated sources, put together into a survey folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import Manifest, new_folder, refuse_existing
from latent_core.catalog import KNOWN_COLUMNS, Catalog, Column
from latent_core.products import EpochPhotometry, XpCoefficients, save_product
from latent_core.surveys.simulated.cadence import measure, transit_times
from latent_core.surveys.simulated.classes import KINDS
from latent_core.surveys.simulated.light_curves import vary
from latent_core.surveys.simulated.luminosity import settle
from latent_core.surveys.simulated.population import Stars, draw_stars
from latent_core.surveys.simulated.sky import invented_ids, positions
from latent_core.surveys.simulated.spectra import Light, observe, shine, warmed
from latent_core.version import __version__

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
BLOCK_ROWS = 1000
NO_XP, NO_CURVE, SHORT_CURVE = 0.03, 0.03, 0.02
FEWEST_TRANSITS = 5
_ORIGIN = "simulated: gaia-latent simulate, from summary figures of real Gaia DR3 sources"
_COLUMNS = (
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
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A thousand sources: catalog rows, coefficients, and their transits, one after another."""

    frame: pd.DataFrame
    values: Floats
    errors: NDArray[np.float32]
    has_xp: NDArray[np.bool_]
    counts: NDArray[np.int64]
    time: Floats
    mag: Floats
    mag_error: Floats
    rejected: NDArray[np.bool_]


def simulate(
    sources: int,
    seed: int,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a survey folder of `sources` simulated variable sources; returns its path.

    The same seed gives the same rows: block b of 1,000 rows has its own generator of (seed, b),
    so a larger survey of a seed begins with the rows of a smaller one. `progress` is called with
    (stage, done, total). Raises FolderError where `out` exists and may not be overwritten.
    """
    out = Path(out)
    refuse_existing(out, overwrite=overwrite)
    blocks = []
    for first in range(0, sources, BLOCK_ROWS):
        block = _cut(make_block(seed, first // BLOCK_ROWS), sources - first)
        blocks.append(block)
        if progress:
            progress("simulate", min(first + BLOCK_ROWS, sources), sources)
    _write(blocks, seed, out, overwrite=overwrite)
    return out


def make_block(seed: int, number: int) -> Block:
    """Make the rows of one block, whatever the size of the survey."""
    rng = np.random.default_rng([seed, number])
    stars = warmed(draw_stars(BLOCK_ROWS, rng))
    light = shine(stars, rng)
    stars, true_parallax = settle(stars, light, rng)
    ra, dec = positions(stars.part, 1000.0 / np.maximum(true_parallax, 1e-6), rng)
    values, errors = observe(light, stars.g, rng)
    time, real = transit_times(ra, dec, rng)
    change, amplitude = vary(time, real, stars, rng)
    kept = _kept(real, rng)
    mag, mag_error, rejected = measure(stars.g[:, None] + change, rng)
    frame = _frame(stars, light, amplitude, ra, dec, number * BLOCK_ROWS)
    error = 0.02 + 0.07 * 10.0 ** (0.25 * (np.maximum(stars.g, 13.0) - 17.0))
    frame["parallax"] = true_parallax + error * rng.standard_normal(BLOCK_ROWS)
    frame["parallax_error"] = error
    return Block(
        frame=frame,
        values=values,
        errors=errors,
        has_xp=rng.random(BLOCK_ROWS) >= NO_XP,
        counts=kept.sum(axis=1),
        time=time[kept],
        mag=mag[kept],
        mag_error=mag_error[kept],
        rejected=rejected[kept],
    )


def _kept(real: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which transits each source keeps: a few have no light curve, a few a very short one."""
    u = rng.random(len(real))
    short = (u >= NO_CURVE) & (u < NO_CURVE + SHORT_CURVE)
    limit = np.where(short, rng.integers(1, FEWEST_TRANSITS, len(real)), real.shape[1])
    limit = np.where(u < NO_CURVE, 0, limit)
    return real & (np.cumsum(real, axis=1) <= limit[:, None])


def _frame(
    stars: Stars, light: Light, amplitude: Floats, ra: Floats, dec: Floats, first: int
) -> pd.DataFrame:
    cycles = np.array([kind.cycles for kind in KINDS])[stars.kind]
    period = 10.0**stars.log_period
    rows = np.arange(first, first + len(stars))
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


def _cut(block: Block, rows: int) -> Block:
    """Return the first rows of a block: every block is made whole, so rows never depend on it."""
    if rows >= BLOCK_ROWS:
        return block
    points = int(block.counts[:rows].sum())
    return Block(
        block.frame.iloc[:rows],
        block.values[:rows],
        block.errors[:rows],
        block.has_xp[:rows],
        block.counts[:rows],
        block.time[:points],
        block.mag[:points],
        block.mag_error[:points],
        block.rejected[:points],
    )


def _write(blocks: list[Block], seed: int, out: Path, *, overwrite: bool) -> None:
    frame = pd.concat([block.frame for block in blocks], ignore_index=True)
    known = [KNOWN_COLUMNS[str(n)] for n in frame if n in KNOWN_COLUMNS]
    own = {column.name for column in _COLUMNS}
    columns = _COLUMNS + tuple(c for c in known if c.name not in own)
    manifest = Manifest(
        kind="survey",
        name=f"simulated-{len(frame)}-seed-{seed}",
        release="gaia_dr3",
        simulated=True,
        code_version=__version__,
        description=f"SIMULATED variable sources (seed {seed}): no row was ever observed; drawn "
        "from summary figures of real Gaia DR3 sources",
    )
    with new_folder(out, manifest, overwrite=overwrite) as writer:
        writer.save_catalog(Catalog(frame, columns, simulated=True))
        save_product(writer, _coefficients(blocks))
        save_product(writer, _photometry(blocks))


def _coefficients(blocks: list[Block]) -> XpCoefficients:
    has = np.concatenate([block.has_xp for block in blocks])
    return XpCoefficients(
        rows=np.flatnonzero(has).astype(np.int64),
        values=np.concatenate([b.values[b.has_xp] for b in blocks]),
        errors=np.concatenate([b.errors[b.has_xp] for b in blocks]),
        origin=_ORIGIN,
    )


def _photometry(blocks: list[Block]) -> EpochPhotometry:
    counts = np.concatenate([block.counts for block in blocks])
    rows = np.flatnonzero(counts)
    points = int(counts.sum())
    return EpochPhotometry(
        rows=rows.astype(np.int64),
        offsets=np.concatenate([[0], np.cumsum(counts[rows])]).astype(np.int64),
        time=np.concatenate([block.time for block in blocks]),
        mag=np.concatenate([block.mag for block in blocks]),
        mag_error=np.concatenate([block.mag_error for block in blocks]),
        band=np.zeros(points, np.uint8),
        rejected=np.concatenate([block.rejected for block in blocks]),
        origin=_ORIGIN,
    )
