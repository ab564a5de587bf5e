"""The release as data: Gaia DR3's numbers, and no other file pretending to be one."""

import numpy as np
import pytest

from latent_core.errors import LatentError
from latent_core.release import load_release


def test_gaia_dr3():
    release = load_release()
    assert (release.name, release.title) == ("gaia_dr3", "Gaia DR3")
    assert release.xp.n_coefficients == 110
    assert release.xp.basis_function_ids == (56, 57)
    assert (release.time_zero_bjd, release.time_scale) == (2455197.5, "TCB")
    # 24 values of best_class_name (DM 20.13), and GALAXY of galaxy_candidates
    assert len(release.variability_classes) == 25
    assert "source_id" in release.source_id_aliases


def test_sampled_grid():
    grid = load_release().xp.sampled_wavelength_nm
    assert len(grid) == 343
    np.testing.assert_array_equal(grid, np.arange(336.0, 1021.0, 2.0))


def test_g_flux_is_vega():
    release = load_release()
    assert release.g_flux(release.g_zero_point) == pytest.approx(1.0)
    np.testing.assert_allclose(
        release.g_flux(np.array([15.0, 17.5])), [18834.0, 1883.4], rtol=1e-3
    )


def test_a_release_is_read_once():
    assert load_release("gaia_dr3") is load_release("gaia_dr3")


@pytest.mark.parametrize("name", ["gaia_dr9", "", "../gaia_dr3"])
def test_an_unknown_release_names_the_known(name):
    with pytest.raises(LatentError, match="choose one of gaia_dr3"):
        load_release(name)
