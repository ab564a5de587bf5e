"""One modality of one source or latent point: a heading, its curves or its two heat maps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import panel as pn

from dashboard.curves import CurvePlot, GridPlot, brightest
from dashboard.limits import safe_text as safe
from dashboard.markup import html_pane
from latent_core.modalities import Curve, Grid

DEAD_LATENT = "carries nothing"
Drawn = Sequence[Curve | Grid]
DECODED = "decoded"
MODALITY_TITLES = {
    "xp_coefficients": "XP spectrum",
    "xp_samples": "XP spectrum",
    "folded": "folded light curve",
    "dmdt": "dm-dt histogram",
    "cycle": "period and amplitude",
    "star_table": "XP and magnitudes",
}


BLOCK_TITLES = {"xp_coefficients": "XP", "xp_samples": "XP", "xp": "XP", "dmdt": "dm-dt"}


def block_title(name: str) -> str:
    """Return the short name of a block of latents."""
    return BLOCK_TITLES.get(name, name)


def block_names(names: Sequence[str]) -> str:
    """Return block names as a person lists them."""
    titles = [block_title(name) for name in names]
    return " and ".join([", ".join(titles[:-1]), titles[-1]] if titles[1:] else titles)


def modality_title(name: str) -> str:
    """Return what a person calls a modality."""
    return MODALITY_TITLES.get(name, name)


def heading_html(
    title: str,
    chi2: float,
    observed: Drawn,
    decoded: Drawn,
    band: str = "scatter",
    made: str = DECODED,
) -> str:
    """Return the line above a plot: title, key of the marks that are there, chi2."""
    keys = []
    if observed:
        keys.append("● observed")
    if decoded:
        keys.append(f"<b>—</b> {safe(made)} ± {band}" if _curves(decoded) else safe(made))
    if math.isfinite(chi2):
        keys.append(f"χ²/n {chi2:.2f}")
    marks = "".join(f'<span class="key">{key}</span>' for key in keys)
    return f"<h3>{safe(title)}<small>{marks}</small></h3>"


def _curves(drawn: Drawn) -> list[Curve]:
    return [part for part in drawn if isinstance(part, Curve)]


def _grids(drawn: Drawn) -> list[Grid]:
    return [part for part in drawn if isinstance(part, Grid)]


class ModalityCard(pn.viewable.Viewer):
    """Draws what `observed` and `decoded` return of one modality, whatever it is."""

    def __init__(self, title: str, *, simulated: bool = False) -> None:
        super().__init__()
        self.title = title
        self.mark = ", simulated" if simulated else ""
        self.plot = CurvePlot(title=f"{title}{self.mark}" if simulated else "")
        self.maps = (GridPlot(), GridPlot())
        self._head = html_pane(margin=(6, 8, 0, 8))
        self._main = pn.pane.Bokeh(self.plot.figure, margin=(0, 4))
        self._residual = pn.pane.Bokeh(self.plot.residual, margin=(0, 4))
        self._map_panes = [pn.pane.Bokeh(m.figure, margin=(0, 2)) for m in self.maps]
        self._maps = pn.Row(*self._map_panes, visible=False)
        self._layout = pn.Column(self._head, self._main, self._residual, self._maps)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return heading and plots."""
        return self._layout

    def show(
        self,
        observed: Drawn,
        decoded: Drawn,
        *,
        message: str = "",
        compare: bool = True,
        made: str = DECODED,
    ) -> None:
        """Replace what is drawn; `message` fills the place where there is nothing.

        `compare` draws the residual in sigma; medians of many sources have none. `made` is the
        word for what was not observed.
        """
        grids = bool(_grids(observed) or _grids(decoded))
        self._main.visible = not grids
        self._maps.visible = grids
        if grids:
            chi2 = float("nan")
            self._show_grids(_grids(observed), _grids(decoded), made)
        else:
            chi2 = self.plot.show(_curves(observed), _curves(decoded), message=message)
            chi2 = chi2 if compare else float("nan")
        self._residual.visible = math.isfinite(chi2)
        self._head.object = heading_html(
            self.title, chi2, observed, decoded, "scatter" if compare else "spread", made
        )

    def _show_grids(self, observed: list[Grid], decoded: list[Grid], made: str) -> None:
        high = brightest([*observed, *decoded])
        sides = zip(self.maps, self._map_panes, (observed, decoded), strict=True)
        for (plot, pane, grids), word in zip(sides, ("observed", made), strict=True):
            pane.visible = bool(grids)
            plot.show(grids[0] if grids else None, f"{word}{self.mark}", high)
