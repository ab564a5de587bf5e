"""The stages of a space: its blocks side by side with their index, and its map.

Like `stages`, which makes what they join: a stage is whole or missing, and fresh ones are skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core.bundle import CATALOG, Folder, StageWriter, write_stage
from latent_core.cells import Cells
from latent_core.chunks import FolderRef, opened, refer, source_ids_of
from latent_core.config import BuildSettings, MapSettings, check_map
from latent_core.errors import LatentError
from latent_core.executors import SERIAL, Workers
from latent_core.inputs import of_all_rows
from latent_core.maps import Layout, Rows, lay_out, make_maps
from latent_core.modalities import load_modality
from latent_core.projection import sort_for_drawing
from latent_core.similarity import Scaling, SearchPlan
from latent_core.stages import Report, is_fresh, made_from, silent

MANY_SOURCES = 200_000  # from here on a search beats a scan for the few that are asked


def join_space(folder: Folder, settings: BuildSettings, name: str, *, force: bool = False) -> bool:
    """Set blocks side by side and index them (stage `index/<name>`); False where it is fresh."""
    space = settings.spaces[name]
    parts = tuple(f"encode/{modality}" for modality in space.blocks.values())
    rank = list(settings.spaces).index(name)
    record = made_from(folder, parts, [asdict(space), rank])
    if not force and is_fresh(folder, f"index/{name}", record):
        return False
    latents: dict[str, NDArray[np.float32]] = {}
    sigmas: dict[str, NDArray[np.float32]] = {}
    for block, modality in space.blocks.items():
        latents[block] = of_all_rows(folder, modality, "latents")
        sigmas[block] = of_all_rows(folder, modality, "sigmas")
    with write_stage(folder, f"index/{name}", record) as writer:
        save_space(
            writer,
            name,
            latents,
            sigmas,
            title=space.title,
            models=space.blocks,
            rank=rank,
            latent_names=_latent_names(settings, space.blocks, latents),
        )
        models = space.blocks.values()
        if any(f"models/{model}/noise_sigmas.npy" in folder for model in models):
            noise = [of_all_rows(folder, model, "noise_sigmas") for model in models]
            writer.save_array(f"spaces/{name}/noise_sigmas.npy", np.hstack(noise))
    return True


def _latent_names(
    settings: BuildSettings,
    blocks: Mapping[str, str],
    latents: Mapping[str, NDArray[np.float32]],
) -> tuple[str, ...]:
    """Name latents after their block, or as the modality does where they are its own numbers."""
    names: list[str] = []
    for block, model in blocks.items():
        own = load_modality(settings.models[model].modality).latent_names
        names += own or (f"{block}_{i}" for i in range(latents[block].shape[1]))
    return tuple(names)


def save_space(
    writer: StageWriter,
    name: str,
    latents: Mapping[str, NDArray[np.float32]],
    sigmas: Mapping[str, NDArray[np.float32]] | None = None,
    *,
    title: str,
    models: Mapping[str, str],
    rank: int = 0,
    latent_names: tuple[str, ...] = (),
) -> None:
    """Write a space of blocks (N, k) each: latents, sigmas, scaling and similarity index."""
    joined = np.hstack(list(latents.values()))
    present = np.isfinite(joined).all(axis=1)
    if present.sum() < 2:
        raise LatentError(f"space {name!r}: fewer than two sources have all its blocks")
    scaling = Scaling.fit(joined[present])
    ends = np.cumsum([0, *(block.shape[1] for block in latents.values())]).tolist()
    names = [f"{b}_{i}" for b, values in latents.items() for i in range(values.shape[1])]
    writer.save_array(f"spaces/{name}/latents.npy", joined)
    if sigmas:
        writer.save_array(f"spaces/{name}/sigmas.npy", np.hstack(list(sigmas.values())))
    writer.save_json(
        f"spaces/{name}/space.json",
        {
            "rank": rank,
            "title": title,
            "blocks": dict(zip(latents, pairwise(ends), strict=True)),
            "models": dict(models),
            "latent_names": list(latent_names) or names,
            "scaling": {"mean": scaling.mean.tolist(), "spread": scaling.spread.tolist()},
        },
    )
    rows = np.flatnonzero(present)
    writer.save_array(f"spaces/{name}/present.npy", rows)
    cells = Cells.build(scaling.apply(joined[present]), rows)
    cells.save(writer, f"spaces/{name}/similarity")
    writer.save_json(f"spaces/{name}/similarity.json", asdict(SearchPlan.measure(cells)))


def space_rows(folder: Folder, name: str) -> Rows:
    """Return the latents of a space with the scaling that its index has."""
    scaling = folder.json(f"spaces/{name}/space.json")["scaling"]
    latents = folder.array(f"spaces/{name}/latents.npy")
    return Rows(
        latents,
        Scaling(np.asarray(scaling["mean"]), np.asarray(scaling["spread"])),
        source_ids_of(folder),
        _proving_index(folder, name, len(latents)),
    )


def _proving_index(folder: Folder, name: str, count: int) -> Cells | None:
    """Return the index of a large space if it proves its answers with few looks, else None."""
    base = f"spaces/{name}/similarity"
    if count < MANY_SOURCES or f"{base}.json" not in folder:
        return None
    proves = folder.json(f"{base}.json")["budget"] is None
    return Cells.read(folder, base, count) if proves else None


@dataclass(frozen=True)
class LayOut:
    """A space whose landmarks a worker lays out, by the one method of `settings`."""

    folder: FolderRef
    space: str
    settings: MapSettings


def lay_out_space(work: LayOut) -> Layout:
    """Find the places of a space's landmarks."""
    rows = space_rows(opened(work.folder), work.space)
    return next(lay_out(rows, work.settings, lambda *_: None))


def make_stale_maps(
    folder: Folder,
    settings: MapSettings,
    names: Iterable[str],
    *,
    workers: Workers = SERIAL,
    report: Report = silent,
) -> None:
    """Make the maps of all spaces that lack them: one layout keeps one core busy for minutes."""
    wanted = {name: _wanted_map(folder, settings, name) for name in names}
    stale = {n: s for n, (record, s) in wanted.items() if not is_fresh(folder, f"map/{n}", record)}
    layouts: dict[str, list[Layout]] = {name: [] for name in stale}
    if stale and workers.parallel:
        files = [file for name in stale for file in folder.names(f"spaces/{name}/")]
        ref = refer(folder, (CATALOG, *files))
        tasks = [
            LayOut(ref, name, replace(chosen, methods=(method,)))
            for name, chosen in stale.items()
            for method in chosen.methods
        ]
        for task in tasks:
            report(f"map {task.space}", 0, 0, f"laying it out by {task.settings.methods[0]}")
        # all before any is written: a worker opens the folder as it is named here
        for task, layout in zip(tasks, list(workers.map(lay_out_space, tasks)), strict=True):
            layouts[task.space].append(layout)
    for name in stale:
        make_map(folder, settings, name, report=report, layouts=layouts[name])


def make_map(
    folder: Folder,
    settings: MapSettings,
    name: str,
    *,
    force: bool = False,
    asked: Mapping[str, Any] | None = None,
    report: Report = silent,
    layouts: Sequence[Layout] = (),
) -> bool:
    """Make the maps of a space (stage `map/<name>`); False where they are fresh.

    `asked` are settings that a person gave by hand. They stay with the stage: a later build does
    not throw away a full map that somebody waited for, until the maps are made anew without.
    `layouts` are those that were found before, by the methods of the settings.
    """
    record, chosen = _wanted_map(folder, settings, name, asked)
    if not force and is_fresh(folder, f"map/{name}", record):
        return False
    with write_stage(folder, f"map/{name}", record) as writer:
        save_maps(writer, name, space_rows(folder, name), chosen, report, layouts)
    return True


def _wanted_map(
    folder: Folder, settings: MapSettings, name: str, asked: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], MapSettings]:
    """Return the record of a space's maps, and the settings that hold for them."""
    if asked is None:
        asked = (folder.stage(f"map/{name}") or {}).get("asked", {})
    record = made_from(folder, (f"index/{name}",), asdict(settings))
    if asked:
        record["asked"] = dict(asked)
    return record, check_map(replace(settings, **asked))


def save_maps(
    writer: StageWriter,
    space: str,
    rows: Rows,
    settings: MapSettings,
    report: Report = silent,
    layouts: Sequence[Layout] = (),
) -> None:
    """Make and write every map that the settings name.

    A source that lacks a block is placed by the blocks it has, at the median of its three nearest
    neighbors' places, after the map is made; one without any stays NaN.
    """
    made = make_maps(rows, settings, lambda *said: report(f"map {space}", *said), layouts)
    for rank, drawn in enumerate(made):
        about = {"rank": rank, "quality": drawn.quality}
        save_map(writer, space, drawn.method, drawn.coordinates, drawn.settings, about)
        if drawn.landmarks is not None:
            file = f"spaces/{space}/projections/{drawn.method}/landmarks.npy"
            writer.save_array(file, drawn.landmarks)


def save_map(
    writer: StageWriter,
    space: str,
    projection: str,
    coordinates: NDArray[np.float32],
    settings: Mapping[str, Any],
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a map in catalog order (N, 2) and its copy sorted for drawing.

    `about` is what else is known of it: its rank among the maps, its quality.
    """
    base = f"spaces/{space}/projections/{projection}"
    drawing = sort_for_drawing(coordinates)
    writer.save_array(f"{base}/coordinates.npy", coordinates)
    for part in ("order", "x", "y", "offsets"):
        writer.save_array(f"{base}/{part}.npy", getattr(drawing, part))
    writer.save_json(
        f"{base}/projection.json",
        {"extent": list(drawing.extent), "settings": dict(settings), **(about or {})},
    )
