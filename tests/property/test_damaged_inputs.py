"""Damaged files end in a sentence that names the file, or in a survey that lists what it lost.

1,000 variants a format: damaged cells and columns, and damaged bytes; all by seed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from damage import BYTE_VARIANTS, CELL_VARIANTS, FORMATS

from latent_core.errors import InputError
from latent_core.surveys.gaia_files import ingest
from latent_core.surveys.table_files import read_tables

# Avro and VOTable have no unsigned 64-bit integers
CANNOT_BE_WRITTEN = {"avro": ["huge_id"], "vot": ["huge_id"], "binary.vot": ["huge_id"]}


@pytest.mark.timeout(1200)  # a guard on a busy machine: it takes half a minute of CPU
@pytest.mark.parametrize("extension", FORMATS)
def test_damage(extension, tmp_path):
    """In a process of its own, whose memory is limited; see damage_child.py for what is asked."""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, here / "damage_child.py", extension, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here.parents[1]), *sys.path])},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    counts = found["counts"]
    assert not found["broken"], f"{len(found['broken'])} broken, e.g. {found['broken'][0]}"
    assert found["never"] == CANNOT_BE_WRITTEN.get(extension, [])
    assert counts["variants"] == CELL_VARIANTS + BYTE_VARIANTS == 1000
    assert counts["ingested"] > CELL_VARIANTS // 4  # the damage is small: most rows can be used
    assert counts["refused"] > CELL_VARIANTS // 8
    assert counts["refused bytes"] > BYTE_VARIANTS // 4
    assert found["most_memory"] < 2**30


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<!DOCTYPE html><html>maintenance</html>", "web page"),
        (b"\n<HTML><body>", "web page"),
        (b"<?xml version='1.0'?><other/>", "not a VOTable"),
        (b"\x00\x01\x02\x03", "neither text"),
        (b"source_id,flux\n", "no rows"),
        (b"a,b\n1,2\n", "no source_id column"),
        (b"source_id,a,a\n1,2,3\n", "twice"),
        (b"source_id,a\n1,2\n2,3,4\n", "row 2: the row has 3 cells, the header 2"),
        (b"source_id,ra\n1.5e18,2\n", "row 1, column source_id"),
        (b"source_id,ra\n9223372036854775808,2\n", "above 2^63"),
        (b"\x1f\x8b\x08\x00", "gzip file is cut"),
        (b"PK\x03\x04 nonsense", "zip file is cut"),
        (b"PAR1 nonsense", "Parquet file is cut"),
        (b"Obj\x01 nonsense", "Avro file is cut"),
        (b"SIMPLE  = nonsense", "FITS file"),
    ],
)
def test_what_is_said(content, said, tmp_path):
    path = tmp_path / "some.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        ingest([path], tmp_path / "out.survey")
    assert str(path) in str(refusal.value)
    assert said in str(refusal.value)
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_tables(tmp_path / "nowhere.csv")
