"""From the local archive to a survey: what is asked, kept, listed and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from archive_client import Client

from latent_core.bundle import Folder
from latent_core.errors import FolderError, IncompleteError, InputError
from latent_core.release import load_release
from latent_core.surveys.archive.adql import class_query, cone_query

UNKNOWN = 4295806720


def survey(tmp_path: Path) -> Folder:
    folder = Folder.open(tmp_path / "s.survey", "survey")
    folder.verify()
    return folder


def missing(folder: Folder) -> pd.DataFrame:
    return pd.read_parquet(folder.file("missing.parquet"))


def test_a_list_of_ids_becomes_a_survey(client: Client, tmp_path: Path) -> None:
    report = client.fetch(tmp_path / "s.survey")
    assert report.complete
    folder, known = survey(tmp_path), client.server.catalog
    frame = folder.catalog.frame.set_index("source_id")
    has = known.has_xp | known.has_curve
    np.testing.assert_array_equal(frame.index, np.sort(known.ids[has]))
    truth = known.frame.set_index("source_id").loc[frame.index]
    np.testing.assert_allclose(frame["parallax"], truth["parallax"], rtol=1e-12)
    variable = known.has_curve[[known.row[n] for n in frame.index]]
    assert (frame["best_class_name"] == truth["best_class_name"])[variable].all()
    values = folder.array("observations/xp_coefficients/values.npy")
    rows = [known.row[n] for n in frame.index if known.has_xp[known.row[n]]]
    np.testing.assert_array_equal(values, known.block.values[rows])
    times = folder.array("observations/epoch_photometry/time.npy")
    assert len(times) == known.block.counts[: len(known.ids)].sum()
    assert not (tmp_path / "s.survey.fetch").exists()


def test_every_call_keeps_to_the_limits(client: Client, tmp_path: Path) -> None:
    client.fetch(tmp_path / "s.survey")
    calls = [form for route, form in client.server.asked if route == "data"]
    assert max(form["ID"].count(",") + 1 for form in calls) == client.per_batch
    assert {form["DATA_STRUCTURE"] for form in calls} == {"RAW"}
    assert {form["VALID_DATA"] for form in calls} == {"false"}
    assert {form["RELEASE"] for form in calls} == {"Gaia DR3"}
    assert client.server.count("submit") == 3  # 60 ids in uploads of 25
    assert client.server.count("forget") == 3  # no job is left at the archive


def test_what_the_archive_does_not_hold_is_listed(client: Client, tmp_path: Path) -> None:
    ids = [*client.server.catalog.ids, UNKNOWN]
    report = client.fetch(tmp_path / "s.survey", client.request(ids))
    assert not report.complete
    assert "not in gaiadr3.gaia_source" in report.text
    lacks = missing(survey(tmp_path))
    known = client.server.catalog
    assert lacks[lacks["product"] == "catalog"]["source_id"].tolist() == [UNKNOWN]
    for name, has in (("xp", known.has_xp), ("curves", known.has_curve)):
        listed = lacks[lacks["product"] == name]["source_id"].tolist()
        assert listed == sorted(known.ids[~has].tolist())


def test_short_answers_are_asked_for_again(client: Client, tmp_path: Path) -> None:
    client.server.fail("data", *["short answer"] * 3)
    assert client.fetch(tmp_path / "s.survey").complete
    calls = [form["ID"] for route, form in client.server.asked if route == "data"]
    assert [ids.count(",") + 1 for ids in calls[:4]] == [15, 1, 1, 1]


def test_what_never_comes_is_listed(client: Client, tmp_path: Path) -> None:
    known = client.server.catalog
    client.server.withheld = {int(n) for n in known.ids[known.has_xp & known.has_curve][:3]}
    report = client.fetch(tmp_path / "s.survey")
    assert not report.complete
    assert "missing xp of 3, the archive did not send it, asked 4 times" in report.text
    folder = survey(tmp_path)
    lacks = missing(folder)
    never = lacks[lacks["reason"].str.startswith("the archive did not send")]
    assert set(never["source_id"]) == client.server.withheld
    assert sorted(never["product"]) == ["curves"] * 3 + ["xp"] * 3
    stage = folder.stage("fetch")
    assert stage is not None
    assert stage["complete"] is False
    asked = len(known.ids)
    for name in ("xp", "curves"):
        assert stage["received"][name] + (lacks["product"] == name).sum() == asked


def test_the_manifest_repeats_the_query(client: Client, tmp_path: Path) -> None:
    query = "SELECT source_id, ra * 2 AS twice FROM gaiadr3.gaia_source WHERE dec > 0"
    client.fetch(tmp_path / "s.survey", client.request(query=query))
    folder = survey(tmp_path)
    stage = folder.stage("fetch")
    assert stage is not None
    assert stage["adql"]["sources"] == query
    assert f"sources: {query}\n" in folder.file("fetch.txt").read_text()
    frame = folder.catalog.frame
    np.testing.assert_allclose(frame["twice"], 2 * frame["ra"])
    assert (frame["dec"] > 0).all()


def test_a_class_with_a_limit(client: Client, tmp_path: Path) -> None:
    known = client.server.catalog
    name = known.frame["best_class_name"].mode()[0]
    both = ("xp", "curves")
    query = class_query([name], both, 3, load_release())
    client.fetch(tmp_path / "s.survey", client.request(query=query))
    frame = survey(tmp_path).catalog.frame
    assert frame["best_class_name"].tolist() == [name] * 3
    has = [known.row[n] for n in frame["source_id"]]
    assert (known.has_xp & known.has_curve)[has].all()


def test_a_cone(client: Client, tmp_path: Path) -> None:
    known = client.server.catalog.frame
    at = known.iloc[5]
    query = cone_query((at["ra"], at["dec"]), 20.0, ("curves",), None, client.archive)
    request = client.request(query=query, products=("curves",))
    client.fetch(tmp_path / "s.survey", request)
    found = set(survey(tmp_path).catalog.frame["source_id"])
    vectors = [
        np.array([np.cos(d) * np.cos(r), np.cos(d) * np.sin(r), np.sin(d)])
        for r, d in np.radians(known[["ra", "dec"]].to_numpy())
    ]
    near = np.array([np.degrees(np.arccos(min(1.0, v @ vectors[5]))) for v in vectors]) <= 20
    has = client.server.catalog.has_curve
    assert found == set(known["source_id"][near & has])


def test_an_answer_at_the_row_limit_is_refused(client: Client, tmp_path: Path) -> None:
    client.server.row_limit = 20
    query = "SELECT source_id FROM gaiadr3.gaia_source"
    with pytest.raises(InputError, match="limit of 20 rows"):
        client.fetch(tmp_path / "s.survey", client.request(query=query))
    assert list(tmp_path.iterdir()) == []
    wide = "SELECT TOP 20 source_id FROM gaiadr3.gaia_source"
    with pytest.raises(InputError, match="limit of 20 rows"):
        client.fetch(tmp_path / "s.survey", client.request(query=wide))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT source_id FROM gaiadr3.no_stars", "no such table"),
        ("SELECT ra FROM gaiadr3.gaia_source", "have no source_id"),
        ("SELECT source_id FROM gaiadr3.gaia_source WHERE dec > 90", "selects no source"),
    ],
)
def test_a_wrong_query_is_refused(client: Client, tmp_path: Path, query: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        client.fetch(tmp_path / "s.survey", client.request(query=query))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_survey_is_not_touched(client: Client, tmp_path: Path) -> None:
    client.fetch(tmp_path / "s.survey")
    before = survey(tmp_path).version
    with pytest.raises(FolderError, match="exists already"):
        client.fetch(tmp_path / "s.survey")
    client.fetch(tmp_path / "s.survey", overwrite=True)
    assert survey(tmp_path).version == before


def test_another_request_does_not_mix_with_kept_parts(client: Client, tmp_path: Path) -> None:
    client.server.fail("data", *["500"] * 5 * 3)
    with pytest.raises(IncompleteError, match="kept in"):
        client.fetch(tmp_path / "s.survey")
    with pytest.raises(FolderError, match=r"another request .another list of ids"):
        client.fetch(tmp_path / "s.survey", client.request(client.server.catalog.ids[:9]))
    asked = client.server.count("submit")
    assert client.fetch(tmp_path / "s.survey").complete
    assert client.server.count("submit") == asked  # the catalog was kept


def test_a_changed_part_is_fetched_again(client: Client, tmp_path: Path) -> None:
    client.server.fail("data", *["500"] * 5 * 3)
    with pytest.raises(IncompleteError):
        client.fetch(tmp_path / "s.survey")
    part = tmp_path / "s.survey.fetch" / "catalog-00001.parquet"
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    asked = client.server.count("submit")
    assert client.fetch(tmp_path / "s.survey").complete
    assert client.server.count("submit") == asked + 1


def test_a_kill_just_before_the_end_is_cleared_up(client: Client, tmp_path: Path) -> None:
    client.fetch(tmp_path / "s.survey")
    version = survey(tmp_path).version
    work = tmp_path / "s.survey.fetch"
    for mark in (version, None):  # killed while removing the work folder; killed at its last step
        work.mkdir()
        if mark:
            (work / "placed").write_text(mark)
            (work / "xp-00000.parquet").write_text("left over")
        asked = len(client.server.asked)
        report = client.fetch(tmp_path / "s.survey")
        assert report.complete
        assert len(client.server.asked) == asked
        assert not work.exists()
    assert survey(tmp_path).version == version


def test_an_unfinished_overwrite_is_not_taken_for_done(client: Client, tmp_path: Path) -> None:
    client.fetch(tmp_path / "s.survey")
    client.server.fail("data", *["500"] * 5 * 3)
    with pytest.raises(IncompleteError):
        client.fetch(tmp_path / "s.survey", overwrite=True)
    assert survey(tmp_path).verify()
    asked = client.server.count("data")
    client.fetch(tmp_path / "s.survey", overwrite=True)
    assert client.server.count("data") > asked
