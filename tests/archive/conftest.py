"""A local archive for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from archive_client import Client
from local_archive import local_archive


@pytest.fixture
def client() -> Iterator[Client]:
    with local_archive() as server:
        yield Client(server)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
