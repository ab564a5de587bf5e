"""Derived columns stand beside the catalog's, and never in their place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from latent_core import Bundle
from latent_core.bundle import Folder, Manifest, new_folder, write_stage
from latent_core.catalog import Catalog, Column
from latent_core.derived import save_derived
from latent_core.errors import FolderError, LatentError

COUNT = 4


@pytest.fixture
def folder(tmp_path):
    catalog = Catalog(pd.DataFrame({"source_id": np.arange(COUNT) + 5, "teff": 5000.0}))
    path = tmp_path / "small.bundle"
    with new_folder(path, Manifest("bundle", "small", "gaia_dr3", False, "0")) as writer:
        writer.save_catalog(catalog)
    return Folder.open(path)


def test_every_stages_columns_are_seen_with_their_units(folder):
    for stage, name in (("first", "mass"), ("second", "age")):
        with write_stage(folder, stage, {}) as writer:
            column = Column(name, "M_sun", name.title())
            save_derived(writer, stage, folder.catalog, {name: np.arange(4.0)}, [column])
    bundle = Bundle(Folder.open(folder.path))
    assert list(bundle.catalog) == ["source_id", "teff", "mass", "age"]
    assert bundle.column("mass").title == "Mass [M_sun]"
    assert [c.name for c in bundle.columns] == list(bundle.catalog)
    assert list(bundle.folder.catalog.frame) == ["source_id", "teff"]


def test_a_column_of_the_survey_is_not_replaced(folder):
    with write_stage(folder, "guess", {}) as writer:
        save_derived(writer, "guess", folder.catalog, {"teff": np.zeros(4), "age": np.ones(4)})
    bundle = Bundle(folder)
    assert (bundle.catalog["teff"] == 5000.0).all()
    assert list(bundle.catalog) == ["source_id", "teff", "age"]


def test_a_value_for_every_source_is_needed(folder):
    refused = pytest.raises(LatentError, match=r"'age'.*\(3,\).*\(4,\)")
    with refused, write_stage(folder, "guess", {}) as writer:
        save_derived(writer, "guess", folder.catalog, {"age": np.ones(3)})
    assert list(Bundle(folder).catalog) == ["source_id", "teff"]


def test_a_table_of_other_sources_is_refused(folder):
    other = Catalog(pd.DataFrame({"source_id": np.arange(COUNT)}))
    with write_stage(folder, "guess", {}) as writer:
        save_derived(writer, "guess", other, {"age": np.ones(4)})
    with pytest.raises(FolderError, match="other sources"):
        _ = Bundle(folder).catalog
