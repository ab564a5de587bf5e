"""`gaia-latent fetch` as a user gives it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from archive_client import Client
from local_archive import PASSWORD

from latent_core.bundle import Folder
from latent_core.cli import main

UNKNOWN = 4295806720


def call(*arguments: object, code: int = 0) -> None:
    """Run the command line in this process and check its exit code."""
    stopped = 0
    try:
        main(["fetch", *map(str, arguments)])
    except SystemExit as exit_:
        stopped = exit_.code or 0
    assert stopped == code


@pytest.fixture(autouse=True)
def _anonymous(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GAIA_USER", "GAIA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def options(client: Client, tmp_path: Path) -> tuple[object, ...]:
    return ("--archive", client.server.url, "--out", tmp_path / "s.survey")


def sources(tmp_path: Path) -> set[int]:
    return set(Folder.open(tmp_path / "s.survey", "survey").catalog.frame["source_id"])


@pytest.mark.parametrize("kind", ["ids.txt", "ids.csv", "ids.parquet", "ids.vot", "ids.ecsv"])
def test_ids_from_any_file(
    client: Client, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    known = client.server.catalog
    ids = known.ids[known.has_xp][:4]
    file = tmp_path / kind
    if kind == "ids.txt":
        file.write_text(f"# four stars\nGaia DR3 {ids[0]}\n\n" + "\n".join(map(str, ids[:4])))
    elif kind == "ids.csv":
        pd.DataFrame({"name": list("abcd"), "GAIAEDR3_SOURCE_ID": ids}).to_csv(file, index=False)
    elif kind == "ids.parquet":
        pd.DataFrame({"dr3_source_id": ids}).to_parquet(file)
    else:
        from astropy.table import Table

        form = "votable" if kind == "ids.vot" else "ascii.ecsv"
        Table({"source_id": ids}).write(file, format=form)
    call("--ids", file, "--products", "xp", *options(client, tmp_path))
    assert sources(tmp_path) == set(ids.tolist())
    assert "asked " in capsys.readouterr().out


def test_a_class_by_name(client: Client, tmp_path: Path) -> None:
    name = client.server.catalog.frame["best_class_name"].mode()[0]
    call("--class", name, "--limit", 2, *options(client, tmp_path))
    assert len(sources(tmp_path)) == 2


def test_a_query_and_a_cone(client: Client, tmp_path: Path) -> None:
    out = options(client, tmp_path)
    query = "SELECT TOP 2 source_id FROM gaiadr3.gaia_source WHERE has_xp_continuous = 't'"
    call("--adql", query, "--products", "xp", *out)
    assert len(sources(tmp_path)) == 2
    at = client.server.catalog.frame.iloc[7]
    call("--cone", f"{at['ra']},{at['dec']},0.01", *out, "--overwrite", "--products", "xp")
    assert sources(tmp_path) == {int(client.server.catalog.ids[7])}


def test_what_is_missing_makes_exit_code_3(
    client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = client.server.catalog
    ids = [UNKNOWN, *known.ids[known.has_xp][:2]]
    file = tmp_path / "ids.txt"
    file.write_text("\n".join(map(str, ids)))
    call("--ids", file, "--products", "xp", *options(client, tmp_path), code=3)
    said = capsys.readouterr().out
    assert f"missing catalog of 1, not in gaiadr3.gaia_source: {UNKNOWN}" in said
    listed = pd.read_parquet(tmp_path / "s.survey" / "missing.parquet")
    assert listed["source_id"].tolist() == [UNKNOWN]
    assert listed["source_id"].dtype == np.int64


def test_a_password_is_used_and_never_kept(
    client: Client,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text(str(client.server.catalog.ids[client.server.catalog.has_xp][0]))
    secret = tmp_path / "secret"
    secret.write_text(f"somebody\n{PASSWORD}\n")
    arguments = ("--ids", ids, "--products", "xp", *options(client, tmp_path))
    call(*arguments, "--credentials", secret)
    assert client.server.count("login") == 2
    secret.unlink()
    said = "".join(capsys.readouterr())
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 5
    assert PASSWORD not in said
    assert [file for file in files if PASSWORD.encode() in file.read_bytes()] == []
    monkeypatch.setenv("GAIA_USER", "somebody")
    call(*arguments, "--overwrite", code=2)
    monkeypatch.setenv("GAIA_PASSWORD", PASSWORD)
    call(*arguments, "--overwrite")
    assert client.server.count("login") == 4


def test_a_login_that_did_not_take_effect(
    client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("somebody\nwrong-password\n")
    call("--class", "RR", *options(client, tmp_path), "--credentials", secret, code=2)
    said = capsys.readouterr().err
    assert "did not log 'somebody' in" in said
    assert "wrong-password" not in said


def test_a_password_does_not_travel_in_the_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("somebody\nx\n")
    where = ("--archive", "http://archive.invalid", "--out", tmp_path / "s.survey")
    call("--class", "RR", *where, "--credentials", secret, code=2)
    assert "is not https" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give exactly one of --ids, --adql, --class, --cone"),
        (("--class", "RR", "--cone", "1,2,3"), "give exactly one of"),
        (("--class", "RRAB"), "'RRAB' is not a class; choose of"),
        (("--class", "RR' OR '1'='1"), "is not a class"),
        (("--class", "RR", "--products", "rvs"), "'rvs' is not a product"),
        (("--cone", "1,2"), "is not RA,DEC,RADIUS"),
        (("--cone", "400,0,1"), "ra is 0..360"),
        (("--cone", "nan,0,1"), "ra is 0..360"),
        (("--cone", "1,0,0"), "the radius is 0..90"),
        (("--adql", "SELECT 1", "--limit", "5"), "--limit goes with"),
        (("--ids", "absent.txt"), "cannot be read"),
        (("--class", "RR", "--credentials", "absent.txt"), "credentials cannot be read"),
    ],
)
def test_a_wrong_command_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    where = ("--archive", "http://127.0.0.1:9", "--out", tmp_path / "s.survey")
    call(*arguments, *where, code=2)
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("4295806720\n12x\n", "row 2: '12x' is not a source_id"),
        ("4295806720\n-5\n", "row 2"),
        (f"1\n{2**63}\n", "above 2^63 - 1"),
        ("name\nx\n", "no column source_id"),
        ("source_id\n4.3e18\n", "not a digit"),
        ("# nothing\n", "there is no source_id in the file"),
    ],
)
def test_wrong_ids_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    file = tmp_path / "ids.txt"
    file.write_text(text)
    call("--ids", file, "--out", tmp_path / "s.survey", code=2)
    error = capsys.readouterr().err
    assert said in error
    assert "ids.txt" in error


def test_the_missing_packages_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import latent_core.surveys.archive as archive

    monkeypatch.setattr(archive, "find_spec", lambda name: None if name == "pyvo" else sys)
    call("--class", "RR", "--out", tmp_path / "s.survey", code=2)
    assert "pip install 'gaia-latent[archive]'" in capsys.readouterr().err
