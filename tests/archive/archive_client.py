"""A client of the local archive that asks in small batches and does not wait."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from local_archive import LocalArchive

from latent_core.release import Archive, load_release
from latent_core.surveys.archive.asking import Request
from latent_core.surveys.archive.connection import Connection, Patience
from latent_core.surveys.archive.fetching import fetch
from latent_core.surveys.archive.report import FetchReport
from latent_core.surveys.archive.services import Services


@dataclass
class Client:
    """Fetches from the local archive in small batches; `pauses` are the waits not waited."""

    server: LocalArchive
    per_batch: int = 15
    per_upload: int = 25
    read_s: float = 60.0
    tries: int = 5
    pauses: list[float] = field(default_factory=list)

    @property
    def archive(self) -> Archive:
        return replace(
            load_release().archive,
            url=self.server.url,
            ids_per_batch=self.per_batch,
            ids_per_upload=self.per_upload,
            row_limit=self.server.row_limit,
        )

    def services(self) -> Services:
        patience = Patience(tries=self.tries, sleep=self.pauses.append)
        return Services(self.archive, Connection(patience, timeouts=(20.0, self.read_s)))

    def request(self, ids: Any = None, query: str | None = None, **more: Any) -> Request:
        if ids is None and query is None:
            ids = self.server.catalog.ids
        ids = None if ids is None else np.unique(np.asarray(ids, np.int64))
        options = {"products": ("xp", "curves"), **more}
        return Request("gaia_dr3", self.archive, query=query, ids=ids, **options)

    def fetch(self, out: Path, request: Request | None = None, **more: Any) -> FetchReport:
        return fetch(request or self.request(), out, self.services(), **more)


def fetch_in_child(url: str, row_limit: int, out: str) -> None:
    """Fetch in a process of its own, which the test kills."""
    server = LocalArchive.__new__(LocalArchive)
    server.url, server.row_limit = url, row_limit
    client = Client(server, per_batch=4, per_upload=7)
    query = "SELECT source_id, 0.5 AS frequency FROM gaiadr3.gaia_source"
    client.fetch(Path(out), client.request(query=query))
