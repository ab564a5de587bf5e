"""A HATS catalog is a folder of Parquet partitions: it goes in as one input."""

import numpy as np
import pandas as pd
import pytest

from latent_core.bundle import Folder
from latent_core.errors import InputError
from latent_core.products import XpCoefficients, load_product
from latent_core.surveys.gaia_files import ingest

IDS = 4_295_806_720_123_456_789 + np.arange(6)


def frame_of(ids):
    rng = np.random.default_rng(int(ids[0] % 97))
    columns = {"_healpix_29": ids // 7, "object_id": ids}
    for band, basis in (("bp", 56), ("rp", 57)):
        columns[f"{band}_basis_function_id"] = basis
        columns[f"{band}_coefficients"] = list(rng.normal(size=(len(ids), 55)))
        columns[f"{band}_coefficient_errors"] = list(rng.uniform(1, 2, (len(ids), 55)))
    return pd.DataFrame(columns)


@pytest.fixture
def catalog(tmp_path):
    folder = tmp_path / "gaia_hats"
    parts = [
        ("Norder=1/Dir=0/Npix=12.parquet", IDS[3:5]),
        ("Norder=1/Dir=0/Npix=7.parquet", IDS[:3]),
    ]
    parts.append(("Norder=2/Dir=0/Npix=9/part0.parquet", IDS[5:]))
    for name, ids in parts:
        path = folder / "dataset" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame_of(ids).to_parquet(path)
    frame_of(IDS).iloc[:0].to_parquet(folder / "dataset" / "_common_metadata")
    (folder / "hats.properties").write_text("obs_collection=gaia\ndataproduct_type=object\n")
    return folder


def test_a_catalog_goes_in(catalog, tmp_path):
    report = ingest([catalog], tmp_path / "my.survey")
    survey = Folder.open(report.path, "survey")
    product = load_product(survey, XpCoefficients)
    assert survey.catalog.source_id.tolist() == IDS.tolist()
    np.testing.assert_array_equal(product.values[5, :55], frame_of(IDS[5:]).bp_coefficients[0])
    assert [table.rows_in for table in report.tables] == [3, 2, 1]
    assert survey.stage("ingest")["files"][0]["name"] == "Npix=7.parquet"


def test_another_folder_is_refused(catalog, tmp_path):
    (catalog / "hats.properties").unlink()
    with pytest.raises(InputError, match="no HATS catalog"):
        ingest([catalog], tmp_path / "my.survey")
    (catalog / "properties").write_text("")
    for path in catalog.rglob("*.parquet"):
        path.unlink()
    with pytest.raises(InputError, match="has no partition"):
        ingest([catalog], tmp_path / "my.survey")
    assert not list(tmp_path.glob("my.survey*"))
