"""The beginning of a bundle: a survey's files are taken over, none of them through memory.

Files of surveys and bundles are never written in place, only replaced, so both folders can share
them: on one file system a bundle begins by hard links and costs no second copy of the spectra.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import CATALOG, Folder, StageWriter, write_manifest, write_stage
from latent_core.chunks import FolderRef, even, opened, refer
from latent_core.encoding import Weights, save_weights
from latent_core.executors import SERIAL, Workers, cores
from latent_core.modalities.xp_operator import DERIVED, coefficients_from_sampled, require_release
from latent_core.passes import Done, Report, Work, joiner, run_pass
from latent_core.products import (
    XpCoefficients,
    XpSampled,
    load_product,
    product_files,
    product_names,
)
from latent_core.provenance import RELEASE, release_of
from latent_core.stages import silent
from latent_core.truth import TRUTH
from latent_core.version import __version__

SETTINGS = "build.toml"
INVERTED = 10_000  # sampled spectra are inverted in chunks of so many


def start(
    growing: Path,
    source: Folder,
    text: str,
    *,
    weights: Mapping[str, Weights] | None = None,
    report: Report = silent,
    workers: Workers = SERIAL,
) -> Folder:
    """Take up an interrupted build of the same survey, or begin a new one with its files."""
    if (growing / "manifest.json").is_file() and not weights:
        folder = Folder.open(growing, "bundle")
        if folder.stage("create") == origin_of(source):
            store_settings(folder, text)
            return folder
    shutil.rmtree(growing, ignore_errors=True)
    growing.mkdir(parents=True)
    writer = StageWriter(growing, "create")
    _take_files(writer, source, report)
    if _lacks_coefficients(source):
        _derive_coefficients(writer, source, workers, report)
    # a stage of its own, so that other settings do not make the copied survey look new
    chosen = StageWriter(growing, "settings")
    chosen.save_text(SETTINGS, text)
    brought = StageWriter(growing, "weights")
    for name, given in (weights or {}).items():
        save_weights(brought, f"weights/{name}", given)
    manifest = replace(
        source.manifest,
        kind="bundle",
        code_version=__version__,
        stages={"create": origin_of(source)},
        files={**writer.records, **chosen.records, **brought.records},
    )
    write_manifest(growing, manifest)
    return Folder.open(growing, "bundle")


def _take_files(writer: StageWriter, source: Folder, report: Report) -> None:
    """Take what a bundle keeps of a survey; hashes are compared once, several files at a time."""
    names = [n for n in (RELEASE, TRUTH) if n in source]
    names += [file for product in product_names(source) for file in product_files(source, product)]
    if not source.label_stages():
        names.append(CATALOG)
    report("copy", 0, len(names), source.name)
    with ThreadPoolExecutor(cores()) as pool:
        for done, _ in enumerate(pool.map(source.file, names), 1):
            report("copy", done, len(names), source.name)
    for name in names:
        writer.take(source, name)
    if CATALOG not in names:
        writer.save_catalog(source.catalog)


def _lacks_coefficients(source: Folder) -> bool:
    names = product_names(source)
    return XpSampled.name in names and XpCoefficients.name not in names


@dataclass(frozen=True)
class Derive(Work):
    """Invert sampled spectra; the chunk is of the product's items."""

    folder: FolderRef


def derive_chunk(work: Derive) -> Done:
    """Invert a chunk of sampled spectra into coefficients: `rows`, `values`, `errors`."""
    sampled = _sampled(opened(work.folder))
    part = slice(work.chunk.start, work.chunk.stop)
    flux, error = np.asarray(sampled.flux[part]), np.asarray(sampled.flux_error[part])
    good = _invertible(flux, error)
    values, errors = coefficients_from_sampled(flux[good], error[good])
    rows = np.asarray(sampled.rows[part], np.int64)[good]
    work.save({"rows": rows, "values": values, "errors": errors.astype(np.float32)})
    return Done(len(rows))


def _sampled(folder: Folder) -> XpSampled:
    sampled = load_product(folder, XpSampled)
    assert isinstance(sampled, XpSampled)  # noqa: S101 - its name was found
    return sampled


def _invertible(flux: NDArray[np.float32], error: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(flux).all(axis=1) & (error > 0).all(axis=1))


def _derive_coefficients(
    writer: StageWriter, source: Folder, workers: Workers, report: Report
) -> None:
    """Derive XP coefficients where a survey has sampled spectra only, if any is whole."""
    sampled = _sampled(source)
    chunks = even(len(sampled.rows), INVERTED)
    parts = (slice(c.start, c.stop) for c in chunks)
    if not any(_invertible(sampled.flux[p], sampled.flux_error[p]).any() for p in parts):
        return
    require_release(release_of(source), "coefficients of sampled spectra")
    base = f"observations/{XpCoefficients.name}"
    with joiner(writer, base) as grown:
        ref = refer(source, product_files(source, XpSampled.name))
        tasks = [Derive(str(grown.parts), chunk, ref) for chunk in chunks]
        stage = "spectra to coefficients"
        run_pass(derive_chunk, tasks, [grown], workers=workers, report=report, stage=stage)
    grown.parts.rmdir()
    writer.save_json(f"{base}/origin.json", {"origin": DERIVED})


def origin_of(source: Folder) -> dict[str, Any]:
    """Name a survey, its version without the labels joined to it, and these labels."""
    labels, own = source.label_stages(), source.manifest
    bare = replace(
        own,
        files={n: r for n, r in own.files.items() if r.stage not in labels},
        stages={n: s for n, s in own.stages.items() if n not in labels},
    )
    origin: dict[str, Any] = {"survey": source.name, "version": bare.version}
    return origin | ({"labels": {n: dict(own.stages[n]) for n in labels}} if labels else {})


def store_settings(folder: Folder, text: str) -> None:
    """Keep the settings that a bundle is made by."""
    if folder.file(SETTINGS).read_text(encoding="utf-8") == text:
        return
    with write_stage(folder, "settings", {}) as writer:
        writer.save_text(SETTINGS, text)
