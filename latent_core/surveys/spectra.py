"""XP spectra in the archive's layouts: RAW rows, wide columns, Avro records, rows a wavelength."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.surveys.readings import Reading, Table
from latent_core.surveys.rows import Sieve, is_array_column, matrix, numbers, vector


def is_continuous(names: set[str]) -> bool:
    """Tell whether lower-case column names are those of XP continuous spectra."""
    marks = ("coefficients", "coeff_0")
    wanted = {f"{band}_{mark}" for band in ("bp", "rp") for mark in marks}
    return bool(names & (wanted | {"bpspec.solution.parameters", "rpspec.solution.parameters"}))


def read_continuous(table: Table) -> Reading:
    """Read XP coefficients: `values` (n, C) and `errors` (n, C), a missing band NaN.

    A row is rejected where a band has another number of coefficients or another basis than the
    release's, a value that is not finite, an error that is not positive, or no band at all.
    """
    bands = [_band(table, band, number) for number, band in enumerate(table.release.xp.bands)]
    values = np.concatenate([band[0] for band in bands], axis=1)
    errors = np.concatenate([band[1] for band in bands], axis=1)
    columns = ", ".join(f"{band}_coefficients" for band in table.release.xp.bands)
    table.sieve.reject(
        np.asarray(np.isnan(values).all(axis=1)), "all coefficients are missing", columns
    )
    table.sieve.refuse_if_empty()
    reading = table.by_row(
        "XP continuous",
        {"values": values, "errors": errors.astype(np.float32)},
        origin=_origin(table.frame),
    )
    wide = [str(c) for c in reading.scalars]
    wide = [c for c in wide if "_coeff_" in c or "spec." in c or "crowdinginfo." in c]
    scalars = reading.scalars.drop(columns=wide)
    for number, band in enumerate(table.release.xp.bands):
        first = table.release.xp.part(number).start
        scalars[f"has_{band}"] = np.isfinite(reading.arrays["values"][:, first])
    return Reading(**{**vars(reading), "scalars": scalars})


def _origin(frame: pd.DataFrame) -> str:
    """Return what a file says of its own coefficients, so that derived ones are shown as such."""
    said = [
        f"{what}{text}"
        for column, what in (("coefficients_are", ""), ("errors_are", "errors "))
        if column in frame
        for text in pd.unique(frame[column].dropna().astype(str))[:3]
    ]
    return "; ".join(said) or "archive"


def _band(table: Table, band: str, number: int) -> tuple[NDArray[np.float64], ...]:
    xp, sieve = table.release.xp, table.sieve
    cells, error_cells, basis = _band_cells(table.frame, band)
    values = matrix(cells, xp.coefficients[number], sieve)
    errors = matrix(error_cells, xp.coefficients[number], sieve, stored=np.float32)
    present = np.asarray(np.isfinite(values).all(axis=1))
    sieve.reject(
        np.asarray((errors <= 0).any(axis=1)),
        "an error of a coefficient is not positive",
        f"{band} errors",
    )
    if basis is not None:
        expected = xp.basis_function_ids[number]
        _refuse_basis(basis, expected, present, sieve)
    errors[~present] = np.nan
    return values, errors


def _refuse_basis(
    basis: pd.Series, expected: int, present: NDArray[np.bool_], sieve: Sieve
) -> None:
    given = numbers(basis)
    wrong = present & np.isfinite(given) & (given != expected)
    unread = present & ~np.isfinite(given)
    sieve.reject(unread, "the basis of the coefficients is not a number", str(basis.name))
    for value in np.unique(given[wrong]):
        reason = f"basis {value:g} is unknown, this release has {expected}"
        sieve.reject(wrong & (given == value), reason, str(basis.name))


def _band_cells(frame: pd.DataFrame, band: str) -> tuple[pd.Series, pd.Series, pd.Series | None]:
    """Return array cells of coefficients and errors, and the basis ids where the file has them."""
    solution = f"{band}spec.solution"
    basis = frame.get(f"{band}_basis_function_id")
    if any(str(c).startswith(solution) for c in frame):
        return _column(frame, f"{solution}.parameters"), _avro_errors(frame, solution), basis
    if f"{band}_coeff_0" in frame:
        return _wide(frame, f"{band}_coeff_"), _wide(frame, f"e_{band}_coeff_"), basis
    names = f"{band}_coefficients", f"{band}_coefficient_errors"
    return _column(frame, names[0]), _column(frame, names[1]), basis


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    absent = pd.Series([None] * len(frame), name=name, dtype=object)
    return frame.get(name, absent)


def _wide(frame: pd.DataFrame, prefix: str) -> pd.Series:
    """Join columns PREFIX0, PREFIX1 ... as one column of arrays."""
    names = [f"{prefix}{k}" for k in range(len(frame.columns)) if f"{prefix}{k}" in frame]
    if not names:
        return _column(frame, prefix.rstrip("_"))
    stacked = np.column_stack([numbers(frame[name]) for name in names])
    return pd.Series(list(stacked), name=prefix.rstrip("_"), dtype=object)


def _avro_errors(frame: pd.DataFrame, solution: str) -> pd.Series:
    """Errors from a packed covariance: sqrt of its diagonal, times the standard deviation.

    This is how GaiaXPy's Avro fixture relates to the same sources in the archive's FITS.
    """
    packed = _column(frame, f"{solution}.covariance")
    scale = numbers(_column(frame, f"{solution}.standarddeviation"))
    errors = [_diagonal(cell, factor) for cell, factor in zip(packed, scale, strict=True)]
    return pd.Series(errors, name=f"{solution}.covariance", dtype=object)


def _diagonal(cell: object, factor: float) -> NDArray[np.float64] | None:
    try:
        packed = vector(cell)
    except ValueError:
        return np.empty(1)  # another length: `matrix` rejects the row
    if packed is None:
        return None
    size = int((np.sqrt(8 * packed.size + 1) - 1) / 2)
    diagonal = packed[np.cumsum(np.arange(1, size + 1)) - 1]
    return np.asarray(factor * np.sqrt(np.where(diagonal > 0, diagonal, np.nan)))


def read_sampled(table: Table) -> Reading:
    """Read XP sampled spectra: `flux` and `flux_error` (n, 343), in the release's grid.

    Rows of arrays (RAW) or one row a wavelength (INDIVIDUAL, COMBINED).
    """
    if is_array_column(table.frame["flux"]):
        return _sampled_rows(table)
    return _sampled_points(table)


def _sampled_rows(table: Table) -> Reading:
    frame, sieve = table.frame, table.sieve
    grid = table.release.xp.sampled_wavelength_nm
    if "wavelength" in frame and is_array_column(frame["wavelength"]):
        given = matrix(frame["wavelength"], len(grid), sieve)
        off = np.asarray(np.abs(given - grid).max(axis=1) > 1e-3)
        sieve.reject(off, "the wavelengths are not the release's grid", "wavelength")
    flux = matrix(frame["flux"], len(grid), sieve, stored=np.float32)
    error = matrix(_column(frame, "flux_error"), len(grid), sieve, stored=np.float32)
    sieve.reject(np.asarray(np.isnan(flux).all(axis=1)), "the spectrum is missing", "flux")
    sieve.refuse_if_empty()
    arrays = {"flux": flux.astype(np.float32), "flux_error": error.astype(np.float32)}
    return table.by_row("XP sampled, a row a source", arrays)


def _sampled_points(table: Table) -> Reading:
    frame, sieve, grid = table.frame, table.sieve, table.release.xp.sampled_wavelength_nm
    wavelength = numbers(_column(frame, "wavelength"))
    place = np.clip(np.searchsorted(grid, wavelength - 1e-3), 0, len(grid) - 1)
    sieve.reject(
        ~(np.abs(grid[place] - wavelength) <= 1e-3),
        "the wavelength is not in the release's grid",
        "wavelength",
    )
    flux, error = numbers(frame["flux"]), numbers(_column(frame, "flux_error"))
    largest = float(np.finfo(np.float32).max)
    sieve.reject(~(np.abs(flux) <= largest), "the flux is not finite", "flux")
    sieve.reject(np.abs(error) > largest, "the flux error is not finite", "flux_error")
    _reject_partial(table, place, len(grid))
    sieve.refuse_if_empty()
    reading = table.by_source("XP sampled, a row a wavelength", {"flux": flux, "error": error})
    spectra = np.full((2, len(reading.ids), len(grid)), np.nan, np.float32)
    where = (reading.kept_item, place[sieve.kept])
    spectra[0][where], spectra[1][where] = reading.arrays["flux"], reading.arrays["error"]
    drop = [c for c in ("wavelength", "flux", "flux_error") if c in reading.scalars]
    return Reading(
        **{
            **vars(reading),
            "arrays": {"flux": spectra[0], "flux_error": spectra[1]},
            "scalars": reading.scalars.drop(columns=drop),
        }
    )


def _reject_partial(table: Table, place: NDArray[np.int64], width: int) -> None:
    """Reject all rows of a source whose kept rows do not fill the grid exactly once."""
    sieve = table.sieve
    seen = pd.DataFrame({"id": table.ids, "place": place})[sieve.kept]
    sieve_rows = np.flatnonzero(sieve.kept)
    twice = np.zeros(len(table.ids), bool)
    twice[sieve_rows[seen.duplicated(["id", "place"]).to_numpy()]] = True
    sieve.reject(twice, "the wavelength stands twice for this source", "wavelength")
    counts = pd.Series(table.ids[sieve.kept]).value_counts()
    whole = counts.index[counts == width]
    reason = f"the spectrum has not all {width} wavelengths"
    sieve.reject(~np.isin(table.ids, whole), reason, "wavelength")
