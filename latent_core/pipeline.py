"""Stages in order: what is missing or stale is made, what is fresh is skipped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from latent_core import space_stages, stages
from latent_core.beginning import SETTINGS, origin_of, start, store_settings
from latent_core.bundle import (
    CATALOG,
    Folder,
    Manifest,
    disk_errors,
    forget_stages,
    new_folder,
    refuse_existing,
    replace_folder,
    write_stage,
)
from latent_core.catalog import read_catalog
from latent_core.config import (
    BuildSettings,
    MapSettings,
    SplitSettings,
    find_settings,
    read_settings,
)
from latent_core.early import forget_early
from latent_core.encoding import Weights
from latent_core.errors import FolderError, LatentError
from latent_core.executors import SERIAL, Workers
from latent_core.figures import evaluate_space
from latent_core.maps import Rows
from latent_core.modalities import load_modality
from latent_core.opened import space_names
from latent_core.predictions import KIND, predict_sources
from latent_core.products import (
    XpCoefficients,
    XpSampled,
    product_names,
)
from latent_core.provenance import save_release
from latent_core.release import Release, load_release
from latent_core.report.stage import forget_stale_report, write_report
from latent_core.stages import Report, silent
from latent_core.version import __version__

IMPORTED = "imported"
MODEL_STAGES = ("inputs", "train", "encode")
SPACE_STAGES = ("index", "map", "evaluate")


def build(
    survey: Path,
    out: Path,
    *,
    config: Path | None = None,
    weights: Mapping[str, Weights] | None = None,
    overwrite: bool = False,
    report: Report = silent,
    workers: Workers = SERIAL,
) -> Path:
    """Make a bundle of a survey, or finish or renew one: train, encode, index, project, evaluate.

    A new bundle grows in `OUT.partial` and is renamed when whole, so an interrupted build goes on
    where it stopped. `workers` make it faster and change no byte.
    Raises LatentError for anything that a user can fix.
    """
    source = Folder.open(survey, "survey")
    text, settings = _settings(source, config)
    growing = out.with_name(out.name + ".partial")
    if out.exists() and not overwrite and (out / CATALOG).is_file():
        folder = Folder.open(out, "bundle")
        _refuse_other_survey(folder, source)
        store_settings(folder, text)
        run(folder, settings, report, workers)
        return out
    refuse_existing(out, overwrite=overwrite)
    try:
        with disk_errors(out):
            folder = start(growing, source, text, weights=weights, report=report, workers=workers)
            _carry_labels(out, folder, report)
            run(folder, settings, report, workers)
            replace_folder(growing, out)
    except LatentError:
        # going on would only end here again; a killed build, though, keeps its partial folder
        shutil.rmtree(growing, ignore_errors=True)
        raise
    return out


def _settings(source: Folder, config: Path | None) -> tuple[str, BuildSettings]:
    """Read the settings, and keep only what the survey's products can feed."""
    default = resources.files("latent_core") / "default.toml"
    with resources.as_file(default) as shipped:
        file = find_settings(config) if config else shipped
        settings = read_settings(file)
        text = file.read_text(encoding="utf-8")
    here = {*product_names(source)}
    if XpSampled.name in here:
        here.add(XpCoefficients.name)  # they are derived when the survey is copied
    fed = {n: load_modality(m.modality).product in here for n, m in settings.models.items()}
    models = {n: m for n, m in settings.models.items() if fed[n]}
    spaces = {n: s for n, s in settings.spaces.items() if set(s.blocks.values()) <= set(models)}
    if not spaces:
        raise LatentError(
            f"{source.path} holds {', '.join(sorted(here)) or 'no observations'}; no space of "
            f"{config or 'the default settings'} can be made of that"
        )
    used = {modality for space in spaces.values() for modality in space.blocks.values()}
    kept = {n: m for n, m in models.items() if n in used}
    return text, replace(settings, models=kept, spaces=spaces)


def _carry_labels(old: Path, folder: Folder, report: Report) -> None:
    """Copy the labels joined to a bundle into the one made anew, where the sources are the same.

    What a person joined is not a build's to throw away; where it cannot be kept, that is said.
    """
    if not (old / CATALOG).is_file():
        return
    try:
        source = Folder.open(old)
        labels = {n: read_catalog(source.file(f"{n}.parquet")) for n in source.label_stages()}
    except FolderError as error:
        report("labels", 0, 0, f"labels that were joined before cannot be kept: {error}")
        return
    ids = folder.own_catalog.source_id
    for stage, table in labels.items():
        if not np.array_equal(table.source_id, ids):
            report("labels", 0, 0, f"{stage} is of other sources and is left out; join it again")
            continue
        with write_stage(folder, stage, source.manifest.stages[stage]) as writer:
            writer.save_catalog(table, f"{stage}.parquet")


def _refuse_other_survey(folder: Folder, source: Folder) -> None:
    made, wanted = folder.stage("create") or {}, origin_of(source)
    if made == wanted:
        return
    if all(made.get(key) == wanted[key] for key in ("survey", "version")):
        raise LatentError(
            f"{folder.path} was made with other labels than {source.name} has now; join them to "
            "it as well (gaia-latent labels), which keeps its models, or add --overwrite to make "
            "it anew with them"
        )
    raise LatentError(
        f"{folder.path} was made of another survey or of an older version of {source.name}; "
        "choose another --out, or add --overwrite to make it anew"
    )


def run(
    folder: Folder,
    settings: BuildSettings,
    report: Report = silent,
    workers: Workers = SERIAL,
) -> None:
    """Run every stage that is missing or stale, and forget what the settings no longer name."""
    wanted = {f"{stage}/{name}" for stage in MODEL_STAGES for name in settings.models}
    wanted |= {f"{stage}/{name}" for stage in SPACE_STAGES for name in settings.spaces}
    wanted |= {f"predict/{name}" for name, m in settings.models.items() if m.kind == KIND}
    wanted |= set(folder.label_stages())  # a person's, not made of settings
    forget_early(folder, settings.models)
    forget_stages(folder, {s for s in folder.manifest.stages if "/" in s} - wanted)
    for name in settings.models:
        report(f"prepare {name}", 0, 0, "")
        stages.prepare(folder, settings, name, workers=workers, report=report)
        stages.train_model(folder, settings, name, report=report)
        report(f"encode {name}", 0, 0, "")
        stages.encode_sources(folder, settings, name, workers=workers, report=report)
        predict_sources(folder, settings, name)
    stages.flag_sources(folder, settings.models)
    for name in settings.spaces:
        report(f"index {name}", 0, 0, "")
        space_stages.join_space(folder, settings, name)
    space_stages.make_stale_maps(
        folder, settings.map, settings.spaces, workers=workers, report=report
    )
    for name in settings.spaces:
        report(f"evaluate {name}", 0, 0, "")
        evaluate_space(folder, settings.split, name)
    forget_stale_report(folder)


def run_stage(
    bundle: Path,
    stage: str,
    report: Report = silent,
    workers: Workers = SERIAL,
    asked: Mapping[str, Any] | None = None,
) -> tuple[str, ...]:
    """Run one stage of a bundle anew for all its models or spaces; returns what was made.

    `asked` are settings of maps that hold instead of the bundle's own (stage `project`).

    Later stages are stale then; `gaia-latent build` or their own command renews them. Raises
    LatentError for a stage that imported latents do not have.
    """
    folder = Folder.open(bundle, "bundle")
    if SETTINGS not in folder:
        return _imported_stage(folder, stage)
    _, known = _settings(folder, folder.file(SETTINGS))
    makers: dict[str, tuple[Iterable[str], Callable[..., object]]] = {
        "train": (known.models, partial(stages.train_model, folder, known, report=report)),
        "encode": (
            known.models,
            partial(stages.encode_sources, folder, known, workers=workers, report=report),
        ),
        "index": (known.spaces, partial(space_stages.join_space, folder, known)),
        "project": (
            known.spaces,
            partial(space_stages.make_map, folder, known.map, asked=asked or {}, report=report),
        ),
        "evaluate": (known.spaces, partial(evaluate_space, folder, known.split)),
    }
    names, make = makers[stage]
    for name in names:
        make(name, force=True)
    forget_stale_report(folder)
    return tuple(names)


def evaluate(bundle: Path, report: Report = silent) -> Path:
    """Measure a bundle's spaces anew and write its report; returns the path of `report.html`."""
    run_stage(bundle, "evaluate", report)
    folder = Folder.open(bundle, "bundle")
    split = SplitSettings()
    if SETTINGS in folder:
        split = read_settings(folder.file(SETTINGS)).split
    return write_report(folder, split, report=report)


def _imported_stage(folder: Folder, stage: str) -> tuple[str, ...]:
    if stage != "evaluate":
        raise LatentError(f"{folder.path} holds imported latents: there is nothing to {stage}")
    spaces = space_names(folder)
    for name in spaces:
        evaluate_space(folder, SplitSettings(), name, force=True)
    forget_stale_report(folder)
    return spaces


def import_table(
    file: Path,
    out: Path,
    *,
    latents: Sequence[str],
    id_column: str | None = None,
    label: str | None = None,
    xy: tuple[str, str] | None = None,
    name: str | None = None,
    release: Release | None = None,
    overwrite: bool = False,
    report: Report = silent,
) -> Path:
    """Make a bundle of somebody's own latents; without `xy` they are projected by UMAP.

    Raises InputError where a row says that it is of another data release than `release`.
    """
    from latent_core.surveys.tables import read_latent_table

    refuse_existing(out, overwrite=overwrite)
    release = release or load_release()
    table = read_latent_table(
        file, latents, id_column=id_column, label=label, xy=xy, release=release
    )
    manifest = Manifest(
        kind="bundle",
        name=name or file.stem,
        release=release.name,
        simulated=table.catalog.simulated,
        code_version=__version__,
        description=f"latents imported from {file.name}",
        stages={"create": {"table": file.name}},
    )
    with new_folder(out, manifest, overwrite=overwrite) as writer:
        save_release(writer, release)
        writer.save_catalog(table.catalog)
        space_stages.save_space(
            writer,
            IMPORTED,
            {"latents": table.latents},
            title=f"{len(table.latent_names)} imported latents",
            models={},
            latent_names=table.latent_names,
        )
        if table.xy is not None and xy is not None:
            given = {"method": "imported", "columns": list(xy)}
            space_stages.save_map(writer, IMPORTED, "imported", table.xy, given)
        else:
            rows = Rows.fitted(table.latents, table.catalog.source_id)
            space_stages.save_maps(writer, IMPORTED, rows, MapSettings(), report)
    folder = Folder.open(out, "bundle")
    report("evaluate imported", 0, 0, "")
    evaluate_space(folder, SplitSettings(), IMPORTED)
    return out
