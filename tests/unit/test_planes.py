"""Planes place sources where hand values, astropy and its FITS projections say."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from dashboard.selecting import select_polygon
from latent_core import sky
from latent_core.catalog import KNOWN_COLUMNS, Column
from latent_core.planes import (
    BLOCK,
    LEAST_PARALLAX_SNR,
    absolute_magnitude,
    pair,
    placed,
    planes_of,
)

RNG = np.random.default_rng(11)


def known(*names):
    return [KNOWN_COLUMNS.get(name, Column(name)) for name in names]


def plane(kind, name, *columns):
    return {p.name: p for p in planes_of(known(*columns))[kind].planes}[name]


def test_absolute_magnitude_of_the_sun_at_ten_parsec_and_of_no_distance():
    found = absolute_magnitude(np.array([4.67, 9.67, 5.0]), np.array([100.0, 10.0, 0.0]))
    assert found[:2] == pytest.approx([4.67, 4.67])
    assert np.isnan(found[2])


@pytest.mark.parametrize(
    ("extra", "values"),
    [
        ("parallax_error", [0.2, 0.2001, 0.1, 0.1, np.nan]),
        ("parallax_over_error", [5.0, 4.99, 9.0, 0.0, np.nan]),
    ],
)
def test_only_parallaxes_well_above_their_error_place_a_source(extra, values):
    cmd = plane("cmd", "cmd", "bp_rp", "phot_g_mean_mag", "parallax", extra)
    columns = {
        "bp_rp": np.array([1.0, 1, np.nan, 1, 1]),
        "phot_g_mean_mag": np.full(5, 15.0),
        "parallax": np.array([1.0, 1, 1, -1, 1]),
        extra: np.array(values),
    }
    found = cmd.coordinates(columns.__getitem__)
    assert np.isfinite(found).all(axis=1).tolist() == [True, False, False, False, False]
    assert found[0] == pytest.approx([1, 5])
    assert f"at least {LEAST_PARALLAX_SNR} times" in cmd.caption


def test_without_an_error_column_the_caption_says_that_nothing_is_cut():
    cmd = plane("cmd", "cmd", "bp_rp", "phot_g_mean_mag", "parallax")
    assert "no parallax error" in cmd.caption
    assert cmd.y.inverted
    assert not cmd.x.inverted


def test_without_parallax_the_diagram_is_of_apparent_magnitudes_and_says_so():
    offer = planes_of(known("phot_bp_mean_mag", "phot_rp_mean_mag", "magnitude_mean"))["cmd"]
    (only,) = offer.planes
    assert "apparent" in only.title
    assert "apparent" in only.y.title
    assert "no parallax" in only.caption
    columns = {"phot_bp_mean_mag": [12.5], "phot_rp_mean_mag": [11.0], "magnitude_mean": [12.0]}
    arrays = {n: np.asarray(v) for n, v in columns.items()}
    assert only.coordinates(arrays.__getitem__)[0] == pytest.approx([1.5, 12])


def test_both_axes_of_a_kiel_diagram_run_backwards_and_come_from_one_origin():
    kiel = plane("cmd", "kiel", "teff", "teff_gspphot", "logg_gspphot")
    assert kiel.needs == ("teff_gspphot", "logg_gspphot")
    assert kiel.x.inverted
    assert kiel.y.inverted
    assert kiel.x.title == "Teff (GSP-Phot) [K]"


@pytest.mark.parametrize(
    ("columns", "kind", "said"),
    [
        (("phot_g_mean_mag",), "cmd", "no bp_rp (nor phot_bp_mean_mag and phot_rp_mean_mag)."),
        (("bp_rp",), "cmd", "this catalog has no phot_g_mean_mag."),
        (("ra",), "sky", "this catalog has no dec."),
        ((), "sky", "this catalog has no ra and no dec."),
        (("amplitude",), "period", "this catalog has no period_d (nor frequency)."),
        (("frequency",), "period", "this catalog has no amplitude (nor magnitude_std)."),
    ],
)
def test_what_cannot_be_drawn_names_the_missing_column(columns, kind, said):
    offer = planes_of(known(*columns))[kind]
    assert offer.planes == ()
    assert offer.missing.endswith(said)


def test_text_in_a_column_of_a_known_name_is_no_coordinate():
    columns = [Column("ra", kind="text"), Column("dec", kind="number")]
    assert "no ra." in planes_of(columns)["sky"].missing


def test_periods_come_from_frequencies_where_no_period_is():
    by_period = plane("period", "period amplitude", "period_d", "frequency", "amplitude")
    by_frequency = plane("period", "period log magnitude_std", "frequency", "magnitude_std")
    found = by_period.coordinates({"period_d": np.array([10.0]), "amplitude": np.array([0.3])}.get)
    assert found[0] == pytest.approx([1, 0.3])
    columns = {"frequency": np.array([100.0, 0, -1]), "magnitude_std": np.array([0.01, 1, 1])}
    found = by_frequency.coordinates(columns.get)
    assert found[0] == pytest.approx([-2, -2])
    assert np.isnan(found[1:]).all()
    assert "1 / frequency" in by_frequency.caption


def test_galactic_coordinates_equal_astropy_across_blocks():
    size = BLOCK + 5000
    ra, dec = RNG.uniform(0, 360, size), np.degrees(np.arcsin(RNG.uniform(-1, 1, size)))
    some = np.r_[0:2000, size - 2000 : size]
    true = SkyCoord(ra[some], dec[some], unit="deg").galactic
    found = plane("sky", "sky", "ra", "dec").coordinates({"ra": ra, "dec": dec}.get)
    expected = np.stack(sky.hammer(true.l.rad, true.b.rad), axis=1)
    assert np.abs(found[some] - expected).max() < 1e-6


def test_the_projection_equals_the_fits_standard():
    flat = WCS(naxis=2)
    flat.wcs.ctype, flat.wcs.cdelt = ["GLON-AIT", "GLAT-AIT"], [-1, 1]
    longitude, latitude = RNG.uniform(-179.9, 179.9, 5000), RNG.uniform(-89.9, 89.9, 5000)
    expected = np.radians(flat.wcs_world2pix(np.stack([longitude, latitude], 1), 0) + 1)
    found = np.stack(sky.hammer(np.radians(longitude), np.radians(latitude)), 1)
    assert np.abs(found - expected).max() < 1e-9


def test_longitudes_grow_to_the_left_and_the_whole_sky_lies_in_its_ellipse():
    x, y = sky.hammer(np.radians([10, 350, 370, -10, 180, -180]), np.zeros(6))
    assert x[0] < 0 < x[1]
    assert x[0] == pytest.approx(x[2])
    assert x[1] == pytest.approx(x[3])
    assert x[4] == pytest.approx(-sky.HALF_WIDTH)
    assert abs(x[5]) == pytest.approx(sky.HALF_WIDTH)
    longitude, sine = RNG.uniform(-np.pi, np.pi, 40_000), RNG.uniform(-1, 1, 40_000)
    x, y = sky.hammer(longitude, np.arcsin(sine))
    assert ((x / sky.HALF_WIDTH) ** 2 + (y / sky.HALF_HEIGHT) ** 2).max() <= 1 + 1e-12
    # equal areas: a uniform sky is uniform in the ellipse, 1/4 of it within half its axes
    inner = ((x / sky.HALF_WIDTH) ** 2 + (y / sky.HALF_HEIGHT) ** 2 < 0.25).mean()
    assert inner == pytest.approx(0.25, abs=0.01)


def test_the_graticule_lies_in_the_ellipse_and_its_names_on_its_lines():
    for xs, ys in zip(*sky.graticule(), strict=True):
        reach = (np.array(xs) / sky.HALF_WIDTH) ** 2 + (np.array(ys) / sky.HALF_HEIGHT) ** 2
        assert reach.max() <= 1 + 1e-9
        assert np.abs(np.diff(xs)).max() < 0.5  # no line jumps from one limb to the other
    x, _, names = sky.graticule_labels()
    assert names[:5] == ["120°", "60°", "0°", "300°", "240°"]
    assert x[0] < x[1] < x[2] < x[3] < x[4]


def test_home_leaves_out_what_lies_far_away_and_keeps_the_rest():
    x = RNG.normal(0, 1, 50_000)
    x[:20] = 1e6
    y = RNG.uniform(0, 1, 50_000)
    found = placed(pair(Column("x"), Column("y")), {"x": x, "y": y}.get)
    assert -6 < found.home[0] < found.home[1] < 6
    assert found.home[2:] == found.drawing.extent[2:]
    assert found.drawing.extent[1] == 1e6


def test_a_lasso_in_a_plane_equals_brute_force_and_missing_sources_are_counted():
    from matplotlib.path import Path

    size = 20_000
    columns = {
        "bp_rp": RNG.normal(1, 0.5, size),
        "phot_g_mean_mag": RNG.uniform(8, 20, size),
        "parallax": RNG.normal(1, 1, size),
    }
    columns["bp_rp"][::7] = np.nan
    cmd = placed(plane("cmd", "cmd", *columns), columns.get)
    with np.errstate(invalid="ignore", divide="ignore"):
        y = columns["phot_g_mean_mag"] + 5 * np.log10(columns["parallax"]) - 10
    good = np.isfinite(columns["bp_rp"]) & (columns["parallax"] > 0)
    assert cmd.missing == size - good.sum()
    corners = np.array([(0.4, 2.03), (1.1, 12.3), (2.2, 3.1), (0.9, 5.2), (0.2, 9.1)])
    points = np.stack([columns["bp_rp"], y], 1).astype(np.float32)
    expected = good & Path(corners).contains_points(np.nan_to_num(points, nan=99))
    found = select_polygon(cmd.drawing, *corners.T, size)
    assert found.count > 500
    assert np.array_equal(found.to_mask(), expected)


def test_an_empty_catalog_and_one_without_any_place_are_planes_too():
    axes = pair(Column("x"), Column("y"))
    empty = placed(axes, {"x": np.empty(0), "y": np.empty(0)}.get)
    assert len(empty.drawing.order) == empty.missing == 0
    nowhere = placed(axes, {"x": np.full(5, np.nan), "y": np.arange(5.0)}.get)
    assert nowhere.missing == 5
