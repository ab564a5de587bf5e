"""The tables behind the local archive: a little ADQL over SQLite, and RAW rows of DataLink."""

from __future__ import annotations

import io
import math
import re
import sqlite3
from typing import Any

import numpy as np
import pandas as pd
from astropy.io.votable import from_table, parse_single_table
from astropy.io.votable.tree import Info
from astropy.table import Table

from latent_core.release import load_release
from latent_core.surveys.simulated.block import make_block

TOP = re.compile(r"\bSELECT\s+TOP\s+(\d+)", re.IGNORECASE)
SCHEMA = load_release().archive.schema
E_PER_S_AT_ZERO = 25.6873668671


class Refused(Exception):  # noqa: N818
    """The query is wrong; the message is the archive's."""


class LocalCatalog:
    """Simulated stars as the archive would keep them."""

    def __init__(self, sources: int, seed: int) -> None:
        block = make_block(seed, 0)
        starts = np.concatenate([[0], np.cumsum(block.counts)])
        self.frame = block.frame.iloc[:sources].reset_index(drop=True)
        self.ids = self.frame["source_id"].to_numpy(np.int64)
        self.row = {int(value): row for row, value in enumerate(self.ids)}
        self.has_xp = block.has_xp[:sources]
        self.has_curve = block.counts[:sources] > 0
        self.block, self.starts = block, starts
        self.base = sqlite3.connect(":memory:", check_same_thread=False)
        for name in (SCHEMA, "tap_upload"):
            self.base.execute(f"ATTACH ':memory:' AS {name}")
        self.base.create_function("POINT", 3, lambda _, ra, dec: f"{ra!r} {dec!r}")
        self.base.create_function("CIRCLE", 4, lambda _, ra, dec, r: f"{ra!r} {dec!r} {r!r}")
        self.base.create_function("CONTAINS", 2, _contains)
        self._fill("gaia_source", self._sources())
        variable = self.frame[["source_id", "best_class_name"]].assign(best_class_score=0.9)
        self._fill("vari_classifier_result", variable[self.has_curve])

    def _sources(self) -> pd.DataFrame:
        rng = np.random.default_rng(3)
        frame = self.frame[["source_id", "ra", "dec", "parallax", "parallax_error"]].copy()
        frame["phot_g_mean_mag"] = self.frame["phot_g_mean_mag"].round(6)
        frame["bp_rp"] = self.frame["bp_rp"]
        frame["random_index"] = rng.permutation(len(frame))
        frame["has_xp_continuous"] = np.where(self.has_xp, "t", "f")
        frame["has_epoch_photometry"] = np.where(self.has_curve, "t", "f")
        frame["phot_variable_flag"] = np.where(self.has_curve, "VARIABLE", "NOT_AVAILABLE")
        for name in load_release().archive.columns["gaia_source"]:
            if name not in frame:
                frame[name] = np.round(rng.normal(size=len(frame)), 6)
        return frame

    def _fill(self, table: str, frame: pd.DataFrame) -> None:
        frame.to_sql("staging", self.base, index=False, if_exists="replace")
        self.base.execute(f"CREATE TABLE {SCHEMA}.{table} AS SELECT * FROM staging")
        self.base.execute("DROP TABLE staging")

    def query(self, adql: str, ids: list[int] | None, limit: int) -> tuple[Table, bool]:
        """Run ADQL; returns at most `limit` rows, and whether these are all."""
        self.base.execute("DROP TABLE IF EXISTS tap_upload.ids")
        if ids is not None:
            self.base.execute("CREATE TABLE tap_upload.ids (source_id INTEGER)")
            self.base.executemany(
                "INSERT INTO tap_upload.ids VALUES (?)", [(number,) for number in ids]
            )
        top = TOP.search(adql)
        sql = TOP.sub("SELECT", adql) + (f" LIMIT {top.group(1)}" if top else "")
        try:
            frame = pd.read_sql_query(sql, self.base)
        except (sqlite3.Error, pd.errors.DatabaseError) as error:
            raise Refused(str(error).rsplit(": ", 1)[-1]) from error
        columns = {
            name: (frame[name] == "t").to_numpy()
            if name.startswith("has_")
            else _plain(frame[name])
            for name in frame
        }
        return Table(columns)[:limit], len(frame) <= limit

    def product(self, retrieval_type: str, ids: list[int]) -> Table | None:
        """Return the RAW rows of a product, None where none of the ids has it."""
        rows = [self.row[number] for number in ids if number in self.row]
        if retrieval_type == "XP_CONTINUOUS":
            rows = [row for row in rows if self.has_xp[row]]
            return self._xp(rows) if rows else None
        rows = [row for row in rows if self.has_curve[row]]
        return self._curves(rows) if rows else None

    def _xp(self, rows: list[int]) -> Table:
        xp, table = load_release().xp, {"source_id": self.ids[rows]}
        width = xp.coefficients_per_band
        for number, band in enumerate(xp.bands):
            part = slice(number * width, (number + 1) * width)
            table[f"{band}_basis_function_id"] = np.full(
                len(rows), xp.basis_function_ids[number], np.int16
            )
            table[f"{band}_coefficients"] = self.block.values[rows, part]
            table[f"{band}_coefficient_errors"] = self.block.errors[rows, part]
        return Table(table)

    def _curves(self, rows: list[int]) -> Table:
        parts = [slice(self.starts[row], self.starts[row + 1]) for row in rows]
        lists: dict[str, list[Any]] = {
            "g_transit_time": [self.block.time[part] for part in parts],
            "g_transit_mag": [self.block.mag[part] for part in parts],
            "g_transit_flux": [
                10.0 ** (0.4 * (E_PER_S_AT_ZERO - self.block.mag[part])) for part in parts
            ],
            "g_transit_flux_over_error": [
                2.5 / np.log(10) / self.block.mag_error[part] for part in parts
            ],
            "variability_flag_g_reject": [self.block.rejected[part] for part in parts],
        }
        counts = np.array([part.stop - part.start for part in parts], np.int16)
        table = Table({"source_id": self.ids[rows], "n_transits": counts})
        for name, cells in lists.items():
            column = np.empty(len(cells), object)
            column[:] = [np.ma.array(c, mask=np.zeros(len(c), bool)) for c in cells]
            table[name] = column
        return table


def _plain(values: pd.Series) -> np.ndarray:
    if values.dtype.kind in "if":
        return values.to_numpy()
    return values.fillna("").astype(str).to_numpy(str)


def _contains(point: str, circle: str) -> int:
    ra, dec = map(math.radians, map(float, point.split()))
    ra0, dec0, radius = map(math.radians, map(float, circle.split()))
    cosine = math.sin(dec) * math.sin(dec0) + math.cos(dec) * math.cos(dec0) * math.cos(ra - ra0)
    return int(math.acos(min(1.0, max(-1.0, cosine))) <= radius)


def votable(table: Table, status: str) -> bytes:
    """Write a table as the archive does: VOTable, BINARY2, with its status."""
    document = from_table(table)
    document.resources[0].infos.append(Info(name="QUERY_STATUS", value=status))
    content = io.BytesIO()
    document.to_xml(content, tabledata_format="binary2")
    return content.getvalue()


def ids_of_upload(content: bytes) -> list[int]:
    """Read the uploaded table of ids."""
    return parse_single_table(io.BytesIO(content)).to_table()["source_id"].tolist()
