"""Damaged files end in a sentence that names the file, or in a survey that lists what it lost.

Over 200 variants a format: damaged cells and columns (by seed), and damaged bytes.
"""

import shutil

import numpy as np
import pandas as pd
import pytest
from damage import BYTE_VARIANTS, CELL_VARIANTS, FORMATS, HARMLESS, PRODUCTS, damaged_files

from latent_core.bundle import Folder
from latent_core.errors import InputError
from latent_core.surveys.gaia_files import ingest
from latent_core.surveys.table_files import read_tables


def check(path, tmp_path):
    """Ingest: an InputError that names the file and leaves nothing, or a whole survey."""
    out = tmp_path / "out.survey"
    before = set(tmp_path.iterdir())
    try:
        report = ingest([path], out, periods=False)
    except InputError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert str(path) in str(refusal)
        assert set(tmp_path.iterdir()) == before
        return None
    assert report.rows_in == report.rows_kept + report.rows_rejected
    folder = Folder.open(out, "survey")
    folder.verify()
    listed = 0
    if "rejected.parquet" in folder:
        rejected = pd.read_parquet(folder.file("rejected.parquet"))
        listed = len(rejected)
        assert rejected.reason.str.len().min() > 5
    assert listed == report.rows_rejected
    assert len(folder.catalog) == report.sources
    shutil.rmtree(out)
    return report


@pytest.mark.parametrize("extension", FORMATS)
def test_damaged_cells(extension, tmp_path):
    kept = 0
    for damage, content in damaged_files(extension):
        path = tmp_path / f"damaged.{extension}"
        path.write_bytes(content)
        report = check(path, tmp_path)
        kept += report is not None
        if damage in HARMLESS:
            assert report is not None, damage
            assert report.rows_rejected == 0
    assert kept > CELL_VARIANTS // 4  # the damage is small: most rows can be used


@pytest.mark.parametrize("extension", FORMATS)
def test_damaged_bytes(extension, tmp_path):
    rng = np.random.default_rng(7)
    whole = [FORMATS[extension](make(rng), rng) for make in PRODUCTS.values()]
    for seed in range(BYTE_VARIANTS):
        rng = np.random.default_rng(seed)
        content = bytearray(whole[seed % len(whole)])
        place = int(rng.integers(len(content)))
        if seed % 2:
            del content[place:]
        else:
            for _ in range(int(rng.integers(1, 20))):
                content[int(rng.integers(len(content)))] = int(rng.integers(256))
        path = tmp_path / f"damaged.{extension}"
        path.write_bytes(bytes(content))
        check(path, tmp_path)


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
