"""From the local archive to a survey."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import Client  # the fixtures beside this file

from latent_core.bundle import Folder


def test_a_list_of_ids_becomes_a_survey(client: Client, tmp_path: Path) -> None:
    report = client.fetch(tmp_path / "s.survey")
    assert report.complete
    folder = Folder.open(tmp_path / "s.survey", "survey")
    assert folder.verify() > 3
    frame = folder.catalog.frame
    known = client.server.catalog
    has = known.has_xp | known.has_curve
    np.testing.assert_array_equal(frame["source_id"], np.sort(known.ids[has]))
    assert not (tmp_path / "s.survey.fetch").exists()
