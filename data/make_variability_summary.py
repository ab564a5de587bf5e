"""Measure, on real Gaia rows, what the simulated survey's light curves are drawn from.

    python data/make_variability_summary.py ../shared/data

writes `variability_summary.json`: populations, shapes, gaps of the cadence, noise. Only quantiles,
means and covariances of at least 20 stars leave the tables: no row of them enters the project.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from variability_populations import eclipses, populations

from latent_core.surveys.simulated.scanning_law import (
    REVOLUTION_D,
    START_D,
    STOP_D,
    ecliptic,
    scan,
)
from latent_core.surveys.simulated.sky import healpix_centre

HERE = Path(__file__).parent
_KEY_D = 10_000.0  # longer than the mission: (source, time) as one rising number
_SAME_TRANSIT_D = 60.0 / 86400.0


def real_transits(shared: Path) -> pd.DataFrame:
    """G points of real DR3 light curves, with `owner`, the number of the source."""
    rows = pd.read_parquet(shared / "epoch_photometry_real.parquet")
    rows = rows[(rows.band == "G") & (rows.data_release == "DR3")]
    rows = rows.sort_values(["source_id", "time"], ignore_index=True)
    return rows.assign(owner=np.unique(rows.source_id, return_inverse=True)[1])


def predicted_transits(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transits of the same sources by the scanning law: owner, time, whether really there.

    A source's position is the centre of the HEALPix pixel in its `source_id`, an arcminute wide.
    """
    pixels = np.unique(rows.source_id.to_numpy()) >> 35
    owner, time, _ = scan(ecliptic(*healpix_centre(pixels)))
    order = np.lexsort((time, owner))
    owner, time = owner[order], time[order]
    there = _nearest(owner * _KEY_D + time, rows.owner.to_numpy() * _KEY_D + rows.time.to_numpy())
    return owner, time, there < _SAME_TRANSIT_D


def _nearest(values: np.ndarray, rising: np.ndarray) -> np.ndarray:
    place = np.searchsorted(rising, values)
    left, right = np.clip(place - 1, 0, None), np.clip(place, None, len(rising) - 1)
    return np.minimum(np.abs(values - rising[left]), np.abs(values - rising[right]))


def cadence(rows: pd.DataFrame) -> dict[str, Any]:
    """Stretches of time in which most transits were lost, and the share kept otherwise."""
    _, time, there = predicted_transits(rows)
    edges = np.arange(START_D, STOP_D, REVOLUTION_D)
    expected, _ = np.histogram(time, edges)
    seen, _ = np.histogram(time[there], edges)
    lost = (expected >= 8) & (seen < 0.6 * expected)
    begins = np.flatnonzero(np.diff(np.r_[False, lost].astype(int)) == 1)
    ends = np.flatnonzero(np.diff(np.r_[lost, False].astype(int)) == -1) + 1
    gaps = [
        (edges[a], edges[b], seen[a:b].sum() / expected[a:b].sum())
        for a, b in zip(begins, ends, strict=True)
    ]
    return {
        "n": len(time),
        "kept": round(float(seen[~lost].sum() / expected[~lost].sum()), 4),
        "gap_begin": [round(float(a), 2) for a, _, _ in gaps],
        "gap_end": [round(float(b), 2) for _, b, _ in gaps],
        "gap_kept": [round(float(share), 2) for _, _, share in gaps],
    }


def transit_errors(shared: Path) -> dict[str, Any]:
    """Quantiles of log10 G transit error [mag] in bins of G, and how alike a source's are.

    `alike` is the share of the variance that is between sources. Failed transits (see `noise`)
    are left out.
    """
    rows = pd.read_parquet(shared / "epoch_photometry_real.parquet")
    rows = rows[(rows.band == "G") & (rows.mag_error > 0)]
    rows = rows[(rows.data_release == "DR3") | (rows.mag > 18.25)]
    rows = rows.assign(log_error=np.log10(rows.mag_error))
    usual = rows.groupby("source_id").log_error.transform("median")
    rows = rows[rows.log_error < usual + 1.0]
    edges = [7.5, 8.5, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 15.5, 16.5, 17.5, 18.25, 19, 20, 21]
    probabilities = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.998]
    bins = pd.cut(rows.mag, edges)
    groups = [group for _, group in rows.groupby(bins, observed=True) if len(group) >= 200]
    return {
        "g": [round(float(group.mag.median()), 3) for group in groups],
        "p": probabilities,
        "log_error": [np.quantile(g.log_error, probabilities).round(4).tolist() for g in groups],
        "alike": [_alike(group) for group in groups],
        "n": [len(group) for group in groups],
    }


def _alike(group: pd.DataFrame) -> float:
    """Share of the robust variance of the log error that lies between sources."""
    own = group.groupby("source_id").log_error.transform("median")
    inner = np.median(np.abs(group.log_error - own))
    outer = np.median(np.abs(group.log_error - group.log_error.median()))
    return round(float(np.clip(1.0 - (inner / outer) ** 2, 0.0, 0.9)), 3)


def noise(rows: pd.DataFrame) -> dict[str, Any]:
    """How far transits of one night differ, compared with their formal errors.

    Long-period variables do not change within the half day that their neighbouring transits span.
    `floor` and `factor` give the scatter as hypot(floor, factor x error); of `failed` transits
    (more than ten times the usual error) one knows size of shift and error, log10 mag.
    """
    rows = rows[(rows.best_class_name == "LPV") & (rows.mag_error > 0)]
    usual = rows.groupby("owner").mag_error.transform("median")
    night = ((rows.groupby("owner").time.diff() > 0.4) | (rows.owner.diff() != 0)).cumsum()
    several = night.groupby(night).transform("size")
    off = rows.mag - rows.groupby(night).mag.transform("median")
    # the median of n points keeps a share of each: a scatter of sqrt(1 - 1/n) remains, about
    off, usual, error = (
        x[several >= 3] for x in (off / np.sqrt(1 - 1 / several), usual, rows.mag_error)
    )
    fine, failed = error < 4 * usual, error > 10 * usual
    bins = pd.qcut(error[fine], 12)
    scatter = 1.4826 * off[fine].abs().groupby(bins, observed=True).median()
    formal = error[fine].groupby(bins, observed=True).median()
    design = np.column_stack([np.ones(len(formal)), formal.to_numpy() ** 2])
    floor, factor = np.linalg.lstsq(
        design / scatter.to_numpy()[:, None] ** 2, np.ones(len(formal)), rcond=None
    )[0]
    shift = np.log10(off[failed].abs().clip(lower=0.01))
    return {
        "n": len(off),
        "floor": round(float(np.sqrt(max(floor, 0.0))), 5),
        "factor": round(float(np.sqrt(factor)), 3),
        "n_failed": int(failed.sum()),
        "failed": round(float(failed.mean()), 4),
        "failed_log_shift": round(float(shift.median()), 3),
        "failed_log_shift_sd": round(float(1.4826 * (shift - shift.median()).abs().median()), 3),
        "failed_faint": round(float((off[failed] > 0).mean()), 3),
        "failed_log_error": round(float((np.log10(error[failed]) - shift).median()), 3),
    }


def main(shared: Path) -> None:
    """Measure everything and write the file beside this script."""
    rows = real_transits(shared)
    summary = {
        "provenance_variability": {
            "what": "summary figures of real Gaia DR3/DR2 rows (ESA/Gaia/DPAC); no rows",
            "cadence": "G transits of 1,979 sources against the scanning law at their positions",
            "transit_errors": "epoch photometry, DR3 below G 18.25, DR2 above",
            "noise": "G transits of 403 long-period variables",
            "populations": "literature classes: labels, frequencies, amplitudes, scatter, G of "
            "the released table of Huijse et al. 2025 (A&A 701, A150); RR, DCEP, DSCT, LPV, ECL: "
            "archive rows with G < 17.65 (vari_rrlyrae, vari_cepheid, vari_summary and others); "
            "colours of T2CEP and GDOR: vari_classifier_result",
            "eclipses": "vari_eclipsing_binary models of 2,106 sources",
            "made_by": "data/make_variability_summary.py",
        },
        "cadence": cadence(rows),
        "transit_errors": transit_errors(shared),
        "noise": noise(rows),
        "populations": populations(shared),
        "eclipses": eclipses(shared),
    }
    text = json.dumps(summary, indent=None, separators=(",", ":"), allow_nan=False)
    (HERE / "variability_summary.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
