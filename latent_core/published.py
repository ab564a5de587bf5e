"""Bundles of the published systems: their own weights, and their table where they gave one."""

from __future__ import annotations

import tempfile
import zipfile
from _pickle import UnpicklingError  # only to catch what a weights-only reading refuses
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import Folder, Manifest, StageWriter, new_folder, refuse_existing
from latent_core.config import SplitSettings
from latent_core.encoding import Weights, save_weights
from latent_core.errors import InputError
from latent_core.figures import evaluate_space
from latent_core.modalities import Constants
from latent_core.pipeline import build
from latent_core.products import XpCoefficients
from latent_core.projection import project, save_projector
from latent_core.space_stages import save_map, save_space
from latent_core.stages import Report, silent
from latent_core.surveys.tables import LatentTable, read_latent_table
from latent_core.version import __version__

if TYPE_CHECKING:
    from latent_core.models.projector import Projector
    from latent_core.models.vae import VAE

Made = TypeVar("Made")
HUIJSE, SCATTER = "huijse-2025", "scatter-vae-2024"
KINDS = (HUIJSE, SCATTER)
# huijse-2025.md, 5.1: which five of the released latents are whose
BLOCKS = {"xp": ("xp", "xp_samples"), "folded": ("fold", "folded"), "dmdt": ("dmdt", "dmdt")}
LATENTS_A_BLOCK = 5
CYCLE = ("frequency", "amplitude")
CYCLE_MODEL = "cycle"
KINDS_OF = {"xp_samples": "residual", CYCLE_MODEL: "identity"}  # where not the modality's name
MAP = "released"
# The released coordinates come out of the released projector to 3e-5; more is another table
LARGEST_MAP_DIFFERENCE = 1e-3
HUIJSE_CREDIT = (
    "Real Gaia DR3 variables with the latents, weights and map that P. Huijse et al. 2025 "
    "(A&A 701, A150) released in December 2025; literature classes of the variability training "
    "set. Source rows: ESA/Gaia/DPAC."
)
ESTIMATE = "estimated from 1,967 real stars, not the authors' file (scatter-vae-2024.md, 3)"
NORMALISATION = ("mu", "sig")
SIMULATED_SOURCES, SIMULATED_SEED = 5000, 2024


def import_huijse(
    folder: Path, out: Path, *, overwrite: bool = False, report: Report = silent
) -> Path:
    """Make a bundle of Huijse et al.'s release: table, three VAEs and 2-D projector.

    `folder` holds `AE_xp_*.ckpt`, `AE_fold_*.ckpt`, `AE_dmdt_*.ckpt`, `MMAE_pumap_*.ckpt` and the
    parquet table. Raises InputError naming the file that is missing, damaged, or not the
    release's; nothing is written then.
    """
    report(HUIJSE, 0, 0, "reading")
    file = _one(folder, "*.parquet")
    table = read_latent_table(
        file, "latent_mu_*", label="label", xy=("lambda_1_umap", "lambda_2_umap")
    )
    _check_latents(table, file)
    networks = {block: _vae(folder, which) for block, (which, _) in BLOCKS.items()}
    projector = _projector(folder)
    coordinates = _checked_map(projector, table, file)
    manifest = _manifest(folder.name, HUIJSE_CREDIT, HUIJSE)
    with new_folder(out, manifest, overwrite=overwrite) as writer:
        writer.save_catalog(table.catalog)
        for place, (block, (_, name)) in enumerate(BLOCKS.items()):
            part = slice(place * LATENTS_A_BLOCK, (place + 1) * LATENTS_A_BLOCK)
            _save_release_model(writer, name, networks[block], table.latents[:, part])
        _save_release_model(writer, CYCLE_MODEL, _known(), _cycle(table))
        _save_release_spaces(writer, table, projector, coordinates)
    opened = Folder.open(out, "bundle")
    for space in ("variability", "latents"):
        report(f"evaluate {space}", 0, 0, "")
        evaluate_space(opened, SplitSettings(), space)
    return out


def _one(folder: Path, pattern: str) -> Path:
    if not folder.is_dir():
        raise InputError("there is no such folder", file=folder)
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise InputError(
            f"{len(found)} files match {pattern}, one is needed",
            file=folder,
            remedy="give the folder as it was released",
        )
    return found[0]


def _checked(read: Callable[[Path], Made], file: Path) -> Made:
    """Read a checkpoint; what torch says of a damaged or foreign file becomes one sentence."""
    try:
        return read(file)
    except (ValueError, KeyError, RuntimeError, EOFError, UnpicklingError) as error:
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise InputError(
            f"is not the published checkpoint ({first})", file=file, remedy="fetch it again"
        ) from error


def _vae(folder: Path, which: str) -> VAE:
    from latent_core.models.published import released_vae

    return _checked(lambda file: released_vae(which, file), _one(folder, f"AE_{which}_*.ckpt"))


def _projector(folder: Path) -> Projector:
    from latent_core.models.published import released_projector

    return _checked(released_projector, _one(folder, "MMAE_pumap_*.ckpt"))


def _check_latents(table: LatentTable, file: Path) -> None:
    wanted = LATENTS_A_BLOCK * len(BLOCKS)
    if table.latents.shape[1] != wanted:
        raise InputError(f"has {table.latents.shape[1]} latents, {wanted} expected", file=file)
    for name in CYCLE:
        values = table.catalog.frame.get(name)
        if values is None or not (values.to_numpy(np.float64, na_value=np.nan) > 0).all():
            raise InputError("is missing or not positive everywhere", file=file, column=name)


def _with_cycle(table: LatentTable) -> NDArray[np.float32]:
    """Append log10 frequency and log10 amplitude: the projector's 17 raw inputs, (N, 17)."""
    return np.hstack([table.latents, _cycle(table)])


def _cycle(table: LatentTable) -> NDArray[np.float32]:
    columns = [np.log10(table.catalog.frame[name].to_numpy(np.float64)) for name in CYCLE]
    return np.stack(columns, axis=1).astype(np.float32)


def _checked_map(projector: Projector, table: LatentTable, file: Path) -> NDArray[np.float32]:
    """Return the projector's own places of all sources, which must be the table's."""
    if projector.size != table.latents.shape[1] + len(CYCLE):
        raise InputError(f"the projector eats {projector.size} numbers a source", file=file)
    placed = project(projector, _with_cycle(table))
    assert table.xy is not None  # noqa: S101 - it was asked for
    worst = float(np.abs(placed - table.xy).max())
    if not worst <= LARGEST_MAP_DIFFERENCE:
        raise InputError(
            f"its map is not the projector's (they differ by up to {worst:.3g})",
            file=file,
            remedy="take table and checkpoints from the same release",
        )
    return placed


def _manifest(name: str, credit: str, kind: str) -> Manifest:
    return Manifest(
        kind="bundle",
        name=name,
        release="gaia_dr3",
        simulated=False,
        code_version=__version__,
        description=credit,
        stages={"create": {"published": kind}},
    )


def _known() -> VAE:
    from latent_core.models import make_model

    return make_model(KINDS_OF[CYCLE_MODEL], size=len(CYCLE))


def _save_release_model(
    writer: StageWriter, name: str, network: VAE, latents: NDArray[np.float32]
) -> None:
    """Write weights and the released latents; their observations were not released."""
    light_curve = name != "xp_samples"
    constants = {"as_released": np.ones(1)} if light_curve else {}
    about = {
        "kind": KINDS_OF.get(name, name),
        "modality": name,
        "sizes": {},
        "published": "P. Huijse et al. 2025, A&A 701, A150; release of December 2025",
        "trained_on": "Gaia DR3 variables (not released); weights as released",
        "simulated": False,
        "code": __version__,
    }
    save_weights(writer, f"models/{name}", Weights(network, constants, about))
    writer.save_array(f"models/{name}/rows.npy", np.arange(len(latents)))
    writer.save_array(f"models/{name}/latents.npy", latents)


def _save_release_spaces(
    writer: StageWriter,
    table: LatentTable,
    projector: Projector,
    coordinates: NDArray[np.float32],
) -> None:
    models = {block: name for block, (_, name) in BLOCKS.items()}
    whole_models = {**models, CYCLE_MODEL: CYCLE_MODEL}
    ends = np.arange(len(BLOCKS) + 1) * LATENTS_A_BLOCK
    parts = dict(zip(BLOCKS, np.split(table.latents, ends[1:-1], axis=1), strict=True))
    names = tuple(f"{block}_{i}" for block in BLOCKS for i in range(LATENTS_A_BLOCK))
    about = {"method": "parametric UMAP", "published": HUIJSE}
    whole = {**parts, CYCLE_MODEL: _cycle(table)}
    cycle = tuple(f"log_{name}" for name in CYCLE)
    spaces = {
        "variability": ("spectra, light curves, period", whole, whole_models, (*names, *cycle)),
        "latents": ("spectra and light curves", parts, models, names),
    }
    for rank, (space, (title, blocks, made_by, latent_names)) in enumerate(spaces.items()):
        save_space(
            writer,
            space,
            blocks,
            title=title,
            models=made_by,
            rank=rank,
            latent_names=latent_names,
        )
        save_map(writer, space, MAP, coordinates, about)
    save_projector(
        writer, f"spaces/variability/projections/{MAP}/projector.safetensors", projector
    )


def import_scatter(
    folder: Path,
    out: Path,
    *,
    survey: Path | None = None,
    normalisation: Path | None = None,
    overwrite: bool = False,
    report: Report = silent,
) -> Path:
    """Make a bundle of a survey's spectra encoded with Laroche & Speagle's released weights.

    `folder` holds `weight.pt` and an estimate of the input normalisation,
    `normalisation_estimate.csv`; `normalisation` names the true one (CSV or npz with `mu` and
    `sig`). The weights came without sources: with no `survey`, simulated spectra stand in, and
    the bundle says so. Raises InputError for a file that cannot be used.
    """
    from latent_core.models.published import scatter_vae

    refuse_existing(out, overwrite=overwrite)
    network = _checked(scatter_vae, _one(folder, "weight.pt"))
    assert isinstance(network.size, int)  # noqa: S101 - torch types attributes loosely
    file = normalisation or _one(folder, "normalisation_estimate.csv")
    weights = Weights(
        network,
        read_normalisation(file, network.size),
        {
            "kind": "scatter",
            "modality": XpCoefficients.name,
            "sizes": {"size": network.size, "latents": network.latents, "body": "published"},
            "published": "A. Laroche & J. S. Speagle 2024, ApJ 979, 5 (MIT)",
            "trained_on": "452,079 Gaia XP x APOGEE DR17 stars; weights as released",
            "normalisation": "given" if normalisation else ESTIMATE,
            "simulated": False,
            "code": __version__,
        },
    )
    config = Path(str(resources.files("latent_core") / "scatter_published.toml"))
    with tempfile.TemporaryDirectory(prefix="gaia-latent-") as scratch:
        source = survey or _stand_in(Path(scratch), report)
        return build(
            source,
            out,
            config=config,
            weights={SCATTER: weights},
            overwrite=overwrite,
            report=report,
        )


def read_normalisation(file: Path, size: int) -> Constants:
    """Read `mu` and `sig` (size,) from CSV or npz; raises InputError where they do not fit."""
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as saved:
                columns = {name: np.asarray(saved[name], np.float64) for name in NORMALISATION}
        else:
            frame = pd.read_csv(file)
            columns = {name: frame[name].to_numpy(np.float64) for name in NORMALISATION}
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"holds no columns {' and '.join(NORMALISATION)} of numbers ({error})", file=file
        ) from error
    for name, values in columns.items():
        if values.shape != (size,) or not np.isfinite(values).all():
            raise InputError(f"has not {size} finite values", file=file, column=name)
    mean, spread = (columns[name] for name in NORMALISATION)
    if not (spread > 0).all():
        raise InputError("is not positive everywhere", file=file, column=NORMALISATION[1])
    return {"mean": mean, "spread": spread}


def _stand_in(folder: Path, report: Report) -> Path:
    from latent_core.surveys.simulated import simulate

    report("simulate", 0, 0, f"{SIMULATED_SOURCES:,} sources: the weights came without any")
    return simulate(SIMULATED_SOURCES, SIMULATED_SEED, folder / f"{SCATTER}.survey")
