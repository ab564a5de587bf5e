"""The archive's two services: TAP for columns, DataLink for spectra and light curves."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import SOURCE_ID
from latent_core.errors import IncompleteError, InputError
from latent_core.release import Archive
from latent_core.surveys.archive.adql import UPLOADED, checked_id
from latent_core.surveys.archive.connection import Connection, PassingError, plain_words
from latent_core.surveys.archive.replies import OverflowedError, one_row_a_source, rows_of

FINISHED = frozenset({"COMPLETED", "ERROR", "ABORTED"})
LONGEST_JOB_S = 3 * 3600.0
_LONGEST_POLL_S = 30.0


@dataclass(frozen=True)
class Services:
    """The services of one archive, reached through one connection."""

    archive: Archive
    connection: Connection
    aliases: tuple[str, ...] = (SOURCE_ID,)

    def _url(self, path: str) -> str:
        return f"{self.archive.url.rstrip('/')}/{path}"

    def log_in(self, name: str, password: str) -> None:
        """Log in to both services."""
        for path in self.archive.logins:
            self.connection.log_in(self._url(path), name, password)

    def query(self, adql: str, ids: Sequence[int] | None = None) -> pd.DataFrame:
        """Return the rows of an asynchronous query, sorted by source_id.

        `ids` are uploaded as the table `tap_upload.ids`. Raises InputError where the archive
        refuses the query or its rows have no source_id, and where the rows reach the row limit
        (they would be a part of the answer only); IncompleteError where it does not answer.
        """
        limit = self.archive.row_limit
        job, url = self.connection.patience.insist(
            lambda: self._finished_job(adql, ids), "the archive's query"
        )
        try:
            rows = self.connection.take("GET", url, lambda content: rows_of(content, self.aliases))
        except OverflowedError:
            rows = None
        self.connection.forget(job)
        if rows is None or len(rows) >= limit:
            raise InputError(
                f"the answer reaches the archive's limit of {limit:,} rows, so it is only a part",
                remedy="narrow the query or give --limit",
            )
        return rows

    def _finished_job(self, adql: str, ids: Sequence[int] | None) -> tuple[str, str]:
        """Run a job to its end; returns its address and that of its result."""
        from pyvo.dal import DALQueryError, DALServiceError
        from pyvo.dal.tap import AsyncTAPJob

        uploads = None if ids is None else {UPLOADED: _id_table(ids)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pyvo, on small print of UWS documents
            try:
                job = AsyncTAPJob.create(
                    self._url(self.archive.tap),
                    adql,
                    maxrec=self.archive.row_limit,
                    uploads=uploads,
                    session=self.connection,
                )
                self._wait(job.run())
                job.raise_if_error()
            except (DALQueryError, DALServiceError) as error:
                raise InputError(f"the archive refuses: {plain_words(str(error))}") from error
            except ValueError as error:  # of the XML parser: a new job is cheap
                raise PassingError("a job description came that cannot be read") from error
            if job.result_uri is None:
                raise IncompleteError("the archive's job ended without a result; try again later")
            return str(job.url), str(job.result_uri)

    def _wait(self, job: object) -> None:
        pause, waited = 1.0, 0.0
        while job.phase not in FINISHED:  # type: ignore[attr-defined]
            if waited > LONGEST_JOB_S:
                raise IncompleteError(
                    "the archive's query is still running after 3 hours; try again later"
                )
            self.connection.patience.sleep(pause)
            waited += pause
            pause = min(pause * 1.3, _LONGEST_POLL_S)

    def product(self, name: str, ids: NDArray[np.int64]) -> pd.DataFrame:
        """Return the rows that DataLink gives of one product, one a source, only of those asked.

        Both flags of a rejected point are wanted, hence VALID_DATA=false.
        """
        data = {
            "RETRIEVAL_TYPE": self.archive.products[name].retrieval_type,
            "DATA_STRUCTURE": "RAW",
            "FORMAT": "votable",
            "RELEASE": self.archive.data_release,
            "VALID_DATA": "false",
            "USE_ZIP_ALWAYS": "true",
            "ID": ",".join(str(checked_id(value)) for value in ids.tolist()),
        }
        rows = self.connection.take("POST", self._url(self.archive.data), rows_of, data)
        return one_row_a_source(rows[rows[SOURCE_ID].isin(ids)])


def _id_table(ids: Sequence[int]) -> object:
    from astropy.table import Table

    return Table({SOURCE_ID: np.array([checked_id(value) for value in ids], np.int64)})
