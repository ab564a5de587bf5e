"""The built-in demonstration: real stars first, a simulated variable survey beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from latent_core.bundle import Folder
from latent_core.errors import LatentError
from latent_core.pipeline import build
from latent_core.stages import Report, silent

SIMULATED_SOURCES = 50_000
SIMULATED_SEED = 2026
Say = Callable[[str], object]


def build_demonstration(folder: Path, *, say: Say, report: Report = silent) -> list[Path]:
    """Build what is missing of the two demonstration bundles; returns their paths.

    Real stars come from a package of the registry; where it cannot be had, that is said and the
    demonstration goes on with the simulated survey.
    """
    bundles = []
    try:
        bundles.append(real_stars(folder, say, report))
    except LatentError as error:
        say(f"The real stars are left out: {error}")
        say("The demonstration goes on with the simulated survey alone.")
    bundles.append(simulated_survey(folder, say, report))
    return bundles


def is_built(bundle: Path) -> bool:
    """Tell whether a whole bundle lies there (a partial one has another name)."""
    return bundle.is_dir() and Folder.open(bundle, "bundle").stage("create") is not None


def real_stars(folder: Path, say: Say, report: Report) -> Path:
    """Build the bundle of real stars, training the scatter VAE before the user's eyes."""
    out = folder / "apogee.bundle"
    if is_built(out):
        return out
    from latent_core.surveys import apogee_library

    library = apogee_library.find_library()
    if library is None:
        say(
            f"Getting {apogee_library.PACKAGE} {apogee_library.VERSION} (104 MB, real spectra) ..."
        )
        library = apogee_library.download_library(folder / "downloads")
    say(apogee_library.CREDIT)
    survey = folder / "apogee.survey"
    if not survey.exists():
        report("read real spectra", 0, 0, "sampled spectra to coefficients")
        apogee_library.make_survey(library, survey)
    return build(survey, out, report=report)


def simulated_survey(folder: Path, say: Say, report: Report) -> Path:
    """Build the bundle of simulated variable sources, with the weights that we ship for it."""
    out = folder / "simulated.bundle"
    if is_built(out):
        return out
    from latent_core.modalities.xp_operator import shipped
    from latent_core.surveys.simulated import simulate

    say(f"Simulating {SIMULATED_SOURCES:,} variable sources (labelled simulated everywhere) ...")
    survey = folder / "simulated.survey"
    if not survey.exists():
        simulate(
            SIMULATED_SOURCES,
            SIMULATED_SEED,
            survey,
            progress=lambda stage, done, total: report(stage, done, total, ""),
        )
    return build(survey, out, config=shipped("simulated.toml"), report=report)
