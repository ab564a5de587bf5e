"""Planted anomalies: a few rows whose data are wrong in a known way, for outlier searches to find.

Rows are chosen by a generator of (seed, block) and changed by one of (seed, row), both apart from
those that make the block: planting changes no other row, and a larger share plants the same rows
first. The kinds are equally frequent among those that the row's products allow. Strengths are
uniform over ranges that reach from what a person would overlook to what nobody would: they are
chosen, not measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from latent_core.products import EpochPhotometry, XpCoefficients
from latent_core.surveys.simulated.block import Block
from latent_core.surveys.simulated.spectra import projection
from latent_core.surveys.simulated.summary import arrays
from latent_core.truth import Planted, truth_table

Rng = np.random.Generator
SHARE = 0.001
CATALOG_ROW = "catalog"
_STREAM = 0x616E6F6D  # keeps these generators apart from those that make blocks
_FEWEST_POINTS = 10
_DONORS = 8  # the one that differs most in colour is taken
_LSF_NM = 5.0  # sigma of a narrow line, as in `spectra`
_SPIN_ALIAS_PER_D = 4.0  # Gaia turns once in 6 h: the alias that its sampling makes
_LEAST_DEX = 0.1
_VISIT_D = 0.3  # both fields of view, and the next turn


@dataclass(frozen=True)
class Change:
    """What was done to a source: its strength in `unit`, and what else there is to know."""

    strength: float
    unit: str
    parameters: dict[str, float | str]


def plant(block: Block, seed: int, share: float) -> Block:
    """Return a whole block with anomalies in about `share` of its rows, and its truth table."""
    start = int(block.rows[0])
    lots = np.random.default_rng([seed, start, _STREAM]).random(len(block))
    chosen = np.flatnonzero(lots < share)
    if not len(chosen):
        return block
    changed = block.copy()
    planted = []
    for item in chosen:
        rng = np.random.default_rng([seed, start + int(item), _STREAM, 1])
        names = [name for name, kind in KINDS.items() if kind.fits(block, int(item))]
        if names:
            name = names[int(rng.integers(len(names)))]
            change = KINDS[name].make(block, changed, int(item), rng)
            planted.append(_entry(block, int(item), name, change))
    return replace(changed, truth=truth_table(planted))


def _entry(block: Block, item: int, name: str, change: Change) -> Planted:
    return Planted(
        row=int(block.rows[item]),
        source_id=int(block.frame["source_id"].iloc[item]),
        anomaly=name,
        product=KINDS[name].product,
        strength=change.strength,
        unit=change.unit,
        parameters=change.parameters,
    )


def _points(block: Block, item: int) -> slice:
    end = int(block.counts[: item + 1].sum())
    return slice(end - int(block.counts[item]), end)


def _has_curve(block: Block, item: int) -> bool:
    return bool(block.counts[item] >= _FEWEST_POINTS)


def _has_spectrum(block: Block, item: int) -> bool:
    return bool(block.has_xp[item])


def _has_period(block: Block, item: int) -> bool:
    return _has_curve(block, item) and bool(np.isfinite(block.frame["period_d"].iloc[item]))


def _donor(block: Block, item: int, rng: Rng) -> tuple[int, float, dict[str, float | str]]:
    """Choose another source with a spectrum, the scale to this one's G, and words on it."""
    others = np.flatnonzero(block.has_xp & (np.arange(len(block)) != item))
    some = rng.choice(others, min(_DONORS, len(others)), replace=False)
    colour = block.frame["bp_rp"].to_numpy()
    donor = int(some[np.argmax(np.abs(colour[some] - colour[item]))])
    g = block.frame["phot_g_mean_mag"].to_numpy()
    about: dict[str, float | str] = {
        "donor_source_id": str(block.frame["source_id"].iloc[donor]),
        "bp_rp_difference": float(colour[donor] - colour[item]),
    }
    return donor, float(10.0 ** (-0.4 * (g[item] - g[donor]))), about


def _foreign_spectrum(block: Block, out: Block, item: int, rng: Rng) -> Change:
    """The spectrum of another source, at this one's magnitude: a chimera of two stars."""
    donor, scale, about = _donor(block, item, rng)
    out.values[item] = scale * block.values[donor]
    out.errors[item] = scale * block.errors[donor]
    return Change(abs(float(about["bp_rp_difference"])), "mag", about)


def _blended_spectrum(block: Block, out: Block, item: int, rng: Rng) -> Change:
    """Two sources in one window: a part of another's light is added."""
    donor, scale, about = _donor(block, item, rng)
    part = rng.uniform(0.3, 1.0)
    out.values[item] += part * scale * block.values[donor]
    out.errors[item] = np.hypot(block.errors[item], part * scale * block.errors[donor])
    return Change(part, "G flux of the other / own", about)


def _colour_mismatch(block: Block, out: Block, item: int, rng: Rng) -> Change:
    """BP and RP that no star joins: BP is too bright or too faint, the catalog's colour stays."""
    step = rng.uniform(0.3, 1.0) * rng.choice([-1.0, 1.0])
    half = block.values.shape[1] // 2
    out.values[item, :half] *= 10.0 ** (-0.4 * step)
    out.errors[item, :half] *= np.float32(10.0 ** (-0.4 * step))
    return Change(abs(step), "mag", {"bp_step_mag": step})


def _emission_line(block: Block, out: Block, item: int, rng: Rng) -> Change:
    """A narrow line where no element has to have one."""
    wave = arrays()["wavelength_nm"]
    _, gain, matrix = projection()
    centre, width = rng.uniform(450.0, 900.0), rng.uniform(5.0, 30.0)
    shape = np.exp(-0.5 * ((wave - centre) / _LSF_NM) ** 2) / (_LSF_NM * np.sqrt(2.0 * np.pi))
    continuum = max(float(np.interp(centre, wave, matrix @ block.values[item])), 0.0)
    out.values[item] += gain @ (continuum * width * shape)
    return Change(width, "nm equivalent width", {"wavelength_nm": centre})


def _gain_step(block: Block, out: Block, item: int, rng: Rng) -> Change:
    """From one day on, all magnitudes are off by the same amount."""
    part = _points(block, item)
    time = block.time[part]
    start = float(np.quantile(time, rng.uniform(0.25, 0.75)))
    step = rng.uniform(0.05, 0.6) * rng.choice([-1.0, 1.0])
    out.mag[part] += np.where(time > start, step, 0.0)
    return Change(abs(step), "mag", {"from_d": start, "step_mag": step})


def _extra_dips(block: Block, out: Block, item: int, rng: Rng) -> Change:
    """Two to four visits at which the source is far too faint."""
    part = _points(block, item)
    time = block.time[part]
    moments = rng.choice(time, int(rng.integers(2, 5)), replace=False)
    depth = rng.uniform(0.3, 1.5)
    dipped = (np.abs(time[:, None] - moments) < _VISIT_D).any(axis=1)
    out.mag[part] += np.where(dipped, depth, 0.0)
    return Change(depth, "mag", {"points": float(dipped.sum())})


def _flare(block: Block, out: Block, item: int, rng: Rng) -> Change:
    """One sudden brightening that fades within hours."""
    part = _points(block, item)
    time = block.time[part]
    peak, height, decay = float(rng.choice(time)), rng.uniform(0.5, 3.0), rng.uniform(0.05, 0.3)
    since = time - peak
    out.mag[part] -= np.where(since >= 0, height * np.exp(-np.maximum(since, 0.0) / decay), 0.0)
    return Change(height, "mag", {"peak_d": peak, "decay_d": decay})


def _wrong_frequency(block: Block, out: Block, item: int, rng: Rng) -> Change:
    """The catalog's frequency is a spin alias of the true one."""
    true = float(block.frame["frequency"].iloc[item])
    below = abs(true - _SPIN_ALIAS_PER_D)
    # the alias below may be the true frequency itself, which 2 per day is
    nearly_true = abs(np.log10(below / true)) < _LEAST_DEX if below > 0 else True
    wrong = true + _SPIN_ALIAS_PER_D if nearly_true or rng.random() < 0.5 else below
    out.frame.loc[item, "frequency"] = wrong
    return Change(abs(float(np.log10(wrong / true))), "dex", {"true_frequency_per_d": true})


@dataclass(frozen=True)
class Kind:
    """One kind of anomaly: what it changes, of which sources, and how."""

    product: str
    fits: Callable[[Block, int], bool]
    make: Callable[[Block, Block, int, Rng], Change]


KINDS = {
    "foreign_spectrum": Kind(XpCoefficients.name, _has_spectrum, _foreign_spectrum),
    "blended_spectrum": Kind(XpCoefficients.name, _has_spectrum, _blended_spectrum),
    "colour_mismatch": Kind(XpCoefficients.name, _has_spectrum, _colour_mismatch),
    "emission_line": Kind(XpCoefficients.name, _has_spectrum, _emission_line),
    "gain_step": Kind(EpochPhotometry.name, _has_curve, _gain_step),
    "extra_dips": Kind(EpochPhotometry.name, _has_curve, _extra_dips),
    "flare": Kind(EpochPhotometry.name, _has_curve, _flare),
    "wrong_frequency": Kind(CATALOG_ROW, _has_period, _wrong_frequency),
}
