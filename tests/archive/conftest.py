"""A local archive for every test, and clients that do not wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from local_archive import LocalArchive, local_archive

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

    def services(self, **patience: Any) -> Services:
        patience = {"sleep": self.pauses.append, "tries": 5, **patience}
        connection = Connection(Patience(**patience), timeouts=(0.5, 0.5))
        return Services(self.archive, connection)

    def request(self, ids: Any = None, query: str | None = None, **more: Any) -> Request:
        if ids is None and query is None:
            ids = self.server.catalog.ids
        ids = None if ids is None else np.unique(np.asarray(ids, np.int64))
        options = {"products": ("xp", "curves"), **more}
        return Request("gaia_dr3", self.archive, query=query, ids=ids, **options)

    def fetch(self, out: Path, request: Request | None = None, **more: Any) -> FetchReport:
        return fetch(request or self.request(), out, self.services(), **more)


@pytest.fixture
def client() -> Iterator[Client]:
    with local_archive() as server:
        yield Client(server)
