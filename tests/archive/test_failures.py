"""Every failure of gaia-archive.md, table 2.3: asked for again, or said in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from archive_client import Client

from latent_core.bundle import Folder
from latent_core.errors import IncompleteError, InputError
from latent_core.surveys.archive.connection import retry_after

PASSING = ["500", "502", "429 7", "web page", "cut connection", "time-out", "damaged"]
OF_CONTENT = ["cut gzip", "cut encoding"]


@pytest.mark.parametrize(
    ("route", "fault"),
    [
        *((route, fault) for route in ("submit", "job", "result", "data") for fault in PASSING),
        *((route, fault) for route in ("result", "data") for fault in OF_CONTENT),
    ],
)
def test_a_passing_failure_leaves_no_trace(
    client: Client, tmp_path: Path, route: str, fault: str
) -> None:
    ids = client.server.catalog.ids[:12]
    request = client.request(ids, products=("xp",))
    client.fetch(tmp_path / "calm.survey", request)
    calm = Folder.open(tmp_path / "calm.survey").manifest
    client.pauses.clear()
    client.server.fail(route, fault, fault)
    if fault == "time-out":  # short, and patient with a slow machine
        client.read_s, client.tries = 0.5, 50
    assert client.fetch(tmp_path / "stormy.survey", request).complete
    assert not client.server.faults[route]
    stormy = Folder.open(tmp_path / "stormy.survey").manifest
    same = {name: record for name, record in calm.files.items() if name != "fetch.txt"}
    assert {n: r for n, r in stormy.files.items() if n != "fetch.txt"} == same
    assert stormy.stages["fetch"] == calm.stages["fetch"]
    waited = [pause for pause in client.pauses if pause != 1.0]  # the polls of a job
    # a job that cannot be read is submitted anew, which meets the second fault in another way
    assert len(waited) >= (1 if fault == "damaged" else 2)
    if fault.startswith("429"):
        assert waited[:2] == [7.0, 7.0]
    else:
        assert 0.75 <= waited[0] <= 1.25
        assert all(1.5 <= pause <= 2.5 for pause in waited[1:2])


def test_an_archive_that_is_down_keeps_what_came(client: Client, tmp_path: Path) -> None:
    client.server.fail("data", "short answer", *["502"] * 1000)
    with pytest.raises(IncompleteError, match=r"HTTP 502, 5 times.*kept in") as raised:
        client.fetch(tmp_path / "s.survey")
    assert raised.value.exit_code == 3
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "s.survey").exists()
    assert client.server.count("data") == 1 + 3 * 5  # three batches, then no more
    client.server.faults["data"].clear()
    assert client.fetch(tmp_path / "s.survey").complete


def test_a_failed_batch_is_asked_for_by_the_same_command(client: Client, tmp_path: Path) -> None:
    client.server.fail("data", *["500"] * 5)
    with pytest.raises(IncompleteError, match=r"1 batches did not come .xp-00000: "):
        client.fetch(tmp_path / "s.survey")
    before = client.server.count("data")
    assert client.fetch(tmp_path / "s.survey").complete
    assert client.server.count("data") == before + 1


def test_a_survey_without_the_failed_batches(client: Client, tmp_path: Path) -> None:
    client.server.fail("data", *["500"] * 5)
    report = client.fetch(tmp_path / "s.survey", incomplete=True)
    assert not report.complete
    assert "missing xp of 15, the archive did not answer" in report.text
    assert not (tmp_path / "s.survey.fetch").exists()


def test_down_for_the_rest_of_an_incomplete_survey(client: Client, tmp_path: Path) -> None:
    client.server.fail("data", "short answer", "short answer", *["500"] * 1000)
    client.server.withheld = {int(client.server.catalog.ids[0])}
    with pytest.raises(IncompleteError, match="no product of the 60 sources came"):
        client.fetch(tmp_path / "s.survey", incomplete=True)
    assert client.server.count("data") < 30


def test_no_answer_at_all(client: Client, tmp_path: Path) -> None:
    client.server.url = "http://127.0.0.1:9"
    with pytest.raises(IncompleteError, match="the connection failed"):
        client.fetch(tmp_path / "s.survey")


def test_a_long_pause_is_not_waited_for(client: Client, tmp_path: Path) -> None:
    client.server.fail("submit", "503 86400")
    with pytest.raises(IncompleteError, match="asks to wait 86400 s"):
        client.fetch(tmp_path / "s.survey")
    assert client.pauses == []


def test_a_refusal_is_not_repeated(client: Client, tmp_path: Path) -> None:
    client.server.fail("submit", "403")
    with pytest.raises(InputError, match="HTTP 403"):
        client.fetch(tmp_path / "s.survey")
    assert client.server.count("submit") == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("12", 12.0), ("", None), (None, None), ("soon", None), ("-3", None)],
)
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_retry_after_as_a_date() -> None:
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert (retry_after("Wed, 21 Oct 2099 07:28:00 GMT") or 0) > 1e9
