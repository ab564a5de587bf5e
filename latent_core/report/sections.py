"""The list of sections, in the order in which they are read.

A new one is a function `section(context) -> Section | None` in a file of its own, and its line
here; it returns None where the bundle has nothing for it. `context.folder` is the opened folder.
"""

from __future__ import annotations

from collections.abc import Callable

from latent_core.report.alpha import alpha
from latent_core.report.classification import classification
from latent_core.report.clustering import clustering
from latent_core.report.content import Context, Section
from latent_core.report.crossmodal import crossmodal
from latent_core.report.maps import maps
from latent_core.report.outliers import outliers
from latent_core.report.predictions import predictions
from latent_core.report.reconstruction import reconstruction
from latent_core.report.regression import regression

SECTIONS: tuple[Callable[[Context], Section | None], ...] = (
    classification,
    regression,
    alpha,
    predictions,
    reconstruction,
    clustering,
    maps,
    crossmodal,
    outliers,
)
