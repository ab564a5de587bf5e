"""Real labels, of APOGEE stars and of Gaia's variability classes, joined to their sources."""

from __future__ import annotations

import numpy as np
import pandas as pd

from latent_core.bundle import Folder, Manifest, new_folder
from latent_core.catalog import Catalog
from latent_core.labels import Choice, join_labels


def survey_of(path, ids):
    with new_folder(path, Manifest("survey", "real", "gaia_dr3", False, "test")) as writer:
        writer.save_catalog(Catalog(pd.DataFrame({"source_id": ids})))
    return path


def test_labels_of_real_apogee_stars(shared, tmp_path):
    table = shared / "xp_apogee_coeffs.parquet"
    given = pd.read_parquet(table, columns=["source_id", "teff", "alpha_m"])
    chosen = given.sample(5000, random_state=1).source_id.to_numpy(np.int64)
    strangers = chosen.max() + 1 + np.arange(100)
    survey = survey_of(tmp_path / "real.survey", np.concatenate([chosen, strangers]))
    columns = ("teff", "logg", "fe_h", "alpha_m")
    report = join_labels(survey, table, Choice(columns=columns))
    assert (report.rows, report.matched, report.sources) == (len(given), 5000, 5100)
    assert report.rows == report.matched + report.elsewhere + report.duplicates
    assert set(report.counts) == {*columns, *(f"{c}_err" for c in columns)}
    frame = Folder.open(survey).catalog.frame
    wanted = given.set_index("source_id").loc[chosen]
    for name in ("teff", "alpha_m"):
        np.testing.assert_allclose(frame[name][:5000], wanted[name], rtol=0)
        assert frame[name][5000:].isna().all()
    assert Folder.open(survey).catalog.column("teff").unit == "K"


def test_real_variability_classes(shared, tmp_path):
    table = shared / "vari_classifier_sample_real.parquet"
    given = pd.read_parquet(table)
    survey = survey_of(tmp_path / "real.survey", given.source_id.to_numpy(np.int64)[::2].copy())
    report = join_labels(survey, table, Choice(where=("best_class_score >= 0.5",)))
    assert report.stage == "labels/vari-classifier"
    sure = given.best_class_score >= 0.5
    assert report.cut_rows == int((~sure).sum())
    assert report.matched == int(sure[::2].sum())
    frame = Folder.open(survey).catalog.frame
    expected = given.best_class_name[::2].where(sure[::2]).to_numpy(object)
    known = pd.notna(expected)
    assert frame.best_class_name.notna().tolist() == known.tolist()
    assert (frame.best_class_name.to_numpy(object)[known] == expected[known]).all()
