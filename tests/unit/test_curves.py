"""Curves become columns of a figure: what is drawn is what was measured or decoded."""

import numpy as np
import pytest
from bokeh.document import Document

from dashboard import curves
from dashboard.folding import fold, phase_offset
from latent_core.modalities import Curve, Grid


def curve(x, y, error=None, **options):
    return Curve("A", np.asarray(x, float), np.asarray(y, float), error, **options)


def test_residual_is_in_units_of_error_and_scatter_together():
    observed = curve([1, 2, 3], [10, 11, 12], np.full(3, 3.0))
    decoded = curve([1, 2, 3], [10, 6, 12], np.full(3, 4.0))
    assert curves.residual(observed, decoded).y == pytest.approx([0, 1, 0])
    assert curves.reduced_chi2(curves.residuals([observed], [decoded])) == pytest.approx(1 / 3)


def test_residual_without_any_error_is_not_invented():
    assert curves.residual(curve([1, 2], [1, 2]), curve([1, 2], [1, 2])) is None


def test_residual_of_a_phased_curve_wraps_around():
    decoded = curve([0.1, 0.9], [1, 3], np.ones(2), x_label="phase")
    observed = curve([0.0], [2], np.zeros(1), x_label="phase")
    assert curves.residual(observed, decoded).y == pytest.approx([0])


def test_tidy_drops_what_is_not_finite_and_sorts():
    tidy = curves.tidy(curve([3, 1, 2, np.nan], [30, 10, np.inf, 5], np.arange(4.0)))
    assert tidy.x.tolist() == [1, 3]
    assert tidy.y_error.tolist() == [1, 0]


def test_small_fluxes_lose_their_power_of_ten_and_the_axis_names_it():
    assert curves.exponent_of([curve([1], [3.4e-16])]) == -16
    assert curves.axis_label("flux", "W m-2 nm-1", -16) == "flux [10⁻¹⁶ W m⁻² nm⁻¹]"
    assert curves.pretty_unit("W m^-2 nm^-1") == "W m⁻² nm⁻¹"
    assert curves.exponent_of([curve([1], [15.2])]) == 0


def test_magnitudes_run_downwards_over_two_cycles():
    plot = curves.CurvePlot()
    plot.show([curve([0.2, 0.7], [14, 15], x_label="phase", y_inverted=True)], [])
    assert plot.figure.y_range.start > plot.figure.y_range.end
    assert plot.points.data["x"] == pytest.approx([0.2, 0.7, 1.2, 1.7])


def test_observed_are_points_with_bars_and_decoded_a_line_with_band():
    plot = curves.CurvePlot()
    error = np.full(3, 0.5)
    plot.show([curve([1, 2, 3], [1, 2, 3], error)], [curve([1, 2, 3], [1, 2, 2], error)])
    assert plot.points.data["low"] == pytest.approx([0.5, 1.5, 2.5])
    assert plot.lines.data["ys"][0] == pytest.approx([1, 2, 2])
    assert plot.band.data["ys"][0] == pytest.approx([0.5, 1.5, 1.5, 2.5, 2.5, 1.5])


def test_an_empty_plot_names_what_is_missing_and_stays_valid():
    plot = curves.CurvePlot()
    assert np.isnan(plot.show([], [], message="no XP spectrum for this source"))
    assert plot.message.text == "no XP spectrum for this source"
    document = Document()
    document.add_root(plot.figure)
    document.validate()


def test_a_grid_is_drawn_with_x_along_the_columns():
    grid = Grid("g", np.arange(4.0), np.arange(3.0), np.arange(6.0).reshape(3, 2))
    plot = curves.GridPlot()
    plot.show(grid, "observed", curves.brightest([grid]))
    assert plot.image.data["image"][0].shape == (2, 3)
    assert plot.mapper.high == 5


def test_folding_puts_the_zero_at_phase_nought():
    assert fold(np.array([10.0, 10.5, 12.0]), 0.5, 0.0) == pytest.approx([0, 0.25, 0])
    assert fold(np.array([10.5]), 0.5, 0.25) == pytest.approx([0])


def test_the_offset_of_a_stored_fold_is_found_whatever_its_order():
    rng = np.random.default_rng(3)
    phase, mag = rng.random(50), rng.random(50)
    order = rng.permutation(50)
    stored = np.mod(phase - 0.3, 1)[order]
    assert phase_offset(phase, mag, stored, mag[order]) == pytest.approx(0.3)
    assert phase_offset(phase, mag, stored[:10], mag[:10]) == 0
