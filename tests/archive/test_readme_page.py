"""README's page "From the Gaia archive to your map": every command in it, as it stands there.

The archive is the local one, reached through GAIA_LATENT_ARCHIVE; the files that the page takes
as given (bulk files, an APOGEE table, somebody's spectra) are made of the same simulated stars.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from local_archive import LocalArchive, local_archive

from latent_core.bundle import Folder

ROOT = Path(__file__).parents[2]
TITLE = "## From the Gaia archive to your map"
SOURCES = 240
PORT = 5007


def page() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split(TITLE)[1].split("\n## ")[0]


def commands() -> list[str]:
    blocks = re.findall(r"```\n(.*?)```", page(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.startswith("gaia-latent ")]


@pytest.fixture(scope="module")
def archive():
    with local_archive(SOURCES) as served:
        yield served


@pytest.fixture(scope="module")
def folder(tmp_path_factory, archive: LocalArchive) -> Path:
    """A folder with the files that the page's reader is said to have."""
    folder = tmp_path_factory.mktemp("page")
    known = archive.catalog
    both = known.ids[known.has_xp & known.has_curve].tolist()
    write_bulk(folder, known, both)
    (folder / "my_ids.txt").write_text("\n".join(map(str, both[:20])) + "\n", encoding="utf-8")
    apogee = pd.DataFrame({
        "APOGEE_ID": [f"2M{number:08d}" for number in range(len(both))],
        "GAIAEDR3_SOURCE_ID": np.array(both, np.int64),
        "TEFF": np.linspace(4000.0, 6000.0, len(both)),
        "TEFF_ERR": 50.0,
        "LOGG": 3.0,
        "M_H": -0.2,
        "ALPHA_M": 0.1,
        "SNR": 120.0,
        "ASPCAPFLAG": np.where(np.arange(len(both)) % 5 == 0, 1 << 23, 0),
        "STARFLAG": 0,
        "EXTRATARG": 0,
    })  # fmt: skip
    Table.from_pandas(apogee).write(folder / "allStar-dr17-synspec_rev1.fits")
    mine = Table(known.product("XP_CONTINUOUS", both[:5]))
    mine["source_id"] = mine["source_id"] + 1  # sources of nobody's catalog
    mine.write(folder / "my_spectra.ecsv")
    return folder


def write_bulk(folder: Path, known: object, ids: list[int]) -> None:
    tables = {
        "XpContinuousMeanSpectrum": known.product("XP_CONTINUOUS", ids),
        "EpochPhotometry": known.product("EPOCH_PHOTOMETRY", ids),
        "GaiaSource": Table(known._sources().to_records(index=False)),
    }
    for stem, table in tables.items():
        for name in table.colnames:
            if table[name].dtype == object and not np.ndim(table[name][0]):
                table[name] = table[name].astype(str)
        text = folder / f"{stem}.ecsv"
        table.write(text)
        bulk = folder / f"{stem}_000000-003111.csv.gz"
        bulk.write_bytes(gzip.compress(text.read_bytes()))
        text.unlink()


def run(command: str, folder: Path, archive: LocalArchive) -> str:
    bin_folder = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GAIA_LATENT_ARCHIVE": archive.url,
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(900)
def test_a_reader_gets_from_the_archive_to_a_map_line_by_line(folder, archive):
    given = commands()
    verbs = {command.split()[1] for command in given}
    assert verbs >= {"fetch", "ingest", "labels", "build", "place", "serve"}
    said = {}
    for command in given:
        if command.split()[1] != "serve":
            said[command.split()[1]] = run(command, folder, archive)
    survey = Folder.open(folder / "variables.survey", "survey")
    assert set(survey.catalog.frame["source_id"]) <= set(archive.catalog.ids.tolist())
    assert survey.catalog.frame["best_class_name"].isin(["RR", "CEP", "ECL", "LPV"]).all()
    bundle = Folder.open(folder / "variables.bundle", "bundle")
    assert bundle.verify() > 10
    assert json.loads((folder / "variables.bundle/report.json").read_text("utf-8"))["sections"]
    placed = pd.read_csv(folder / "placed.csv", dtype={"source_id": str})
    assert len(placed) == 5
    assert placed["x"].notna().all()
    assert "cut" in said["labels"]


@pytest.mark.timeout(300)
def test_the_page_ends_on_a_screen(folder, archive):
    if not (folder / "variables.bundle").exists():
        pytest.skip("the bundle of the test above is missing")
    (command,) = [c for c in commands() if c.split()[1] == "serve"]
    words = f"{command} --port {PORT}".split()
    code = "from latent_core.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *words[1:]],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            said = next(line for line in server.stdout if "http://" in line)
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=60) as answer:
                assert b"Gaia Latent Explorer" in answer.read()
            assert f"127.0.0.1:{PORT}" in said
        finally:
            server.terminate()
