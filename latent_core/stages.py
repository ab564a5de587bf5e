"""The stages of a model, each from one folder state to the next; `pipeline` puts them in order.

Every stage writes its files through `write_stage`, so it is whole or missing, and records what it
was made from: settings and the hashes of the files it read. A stage whose record still holds is
fresh and is skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_core import trust
from latent_core.activity import activity
from latent_core.bundle import Folder, StageWriter, sha256_of, write_stage
from latent_core.chunks import (
    catalog_rows,
    cut,
    even,
    product_of,
    refer,
    source_ids_of,
)
from latent_core.config import BuildSettings, ModelSettings
from latent_core.early import encoded_early, mark, take
from latent_core.encoding import Weights, read_network, save_weights
from latent_core.errors import LatentError
from latent_core.executors import SERIAL, Workers
from latent_core.inputs import (
    files_of,
    load_constants,
    load_observations,
    product_of_kind,
    source_files,
)
from latent_core.modalities import Constants, load_modality
from latent_core.modalities.xp_operator import require_release
from latent_core.models import make_model
from latent_core.passes import (
    MEANS,
    SIGMAS,
    Distance,
    Done,
    Encode,
    Prepare,
    distance_chunk,
    encode_chunk,
    joiner,
    prepare_chunk,
    run_pass,
)
from latent_core.passes import Report as Report
from latent_core.products import XpCoefficients
from latent_core.provenance import release_of
from latent_core.training import TRAIN, Epoch, history_csv, one_thread, split_of, train
from latent_core.trust import fit_limits, training_sample
from latent_core.version import __version__

NOISE_SEED = 0
LATENTS = (MEANS, SIGMAS)
# A mean of so many is as good as needed, and their spectra are 130 MB
FITTED = 100_000


def silent(stage: str, done: int, total: int, text: str) -> None:
    """Report nothing."""


def digest(folder: Folder, stages: tuple[str, ...]) -> str:
    """Hash the files of some stages: the name of what a later stage is made from."""
    named = sorted((n, r.sha256) for n, r in folder.manifest.files.items() if r.stage in stages)
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


def made_from(folder: Folder, stages: tuple[str, ...], settings: object) -> dict[str, Any]:
    """Return the record of a stage: code version, settings and the digest of its inputs."""
    plain = json.loads(json.dumps(settings))
    return {"code": __version__, "inputs": digest(folder, stages), "settings": plain}


def is_fresh(folder: Folder, stage: str, record: Mapping[str, Any]) -> bool:
    """Tell whether a stage was made from exactly this."""
    return folder.stage(stage) == record


def prepare(
    folder: Folder,
    settings: BuildSettings,
    name: str,
    *,
    force: bool = False,
    workers: Workers = SERIAL,
    report: Report = silent,
) -> bool:
    """Turn a raw product into model input (stage `inputs/<name>`); False where it is fresh.

    The arrays are stored for training only; with given weights they are made again where they
    are needed (see `inputs`).
    """
    model = settings.models[name]
    modality = load_modality(model.modality)
    chosen = [asdict(settings.split), _weights_hash(folder, model), model.preparation]
    record = made_from(folder, ("create",), chosen)
    if not force and is_fresh(folder, f"inputs/{name}", record):
        return False
    if modality.product == XpCoefficients.name:
        require_release(release_of(folder), name)
    if model.weights:
        train_model(folder, settings, name)
    ids = source_ids_of(folder)
    constants = _constants(folder, settings, model, ids)
    base, stored = f"inputs/{name}", not model.weights
    with write_stage(folder, base, record) as writer:
        plain = {n: np.asarray(c).tolist() for n, c in constants.items()}
        writer.save_json(f"{base}/constants.json", plain)
        if not stored:
            writer.save_json(f"{base}/made.json", {"modality": modality.name})
        files = (*source_files(folder, modality), *(() if stored else _model_files(name)))
        kind = refer(folder, files), modality.name, constants, stored
        lent = encoded_early(folder, name, model.noise_draws, NOISE_SEED)
        with joiner(writer, base) as grown, nullcontext() if stored else lent as early:
            tasks = [
                Prepare(
                    str(grown.parts), chunk, *kind, early.task(chunk, kind[0]) if early else None
                )
                for chunk in cut(ids)
            ]
            done = run_pass(
                prepare_chunk,
                tasks,
                [grown, early.grown] if early else [grown],
                workers=workers,
                report=report,
                stage=f"prepare {name}",
            )
        _refuse_none(folder, name, done)
        rejected = [one for part in done for one in part.rejected]
        writer.save_json(
            f"{base}/rejected.json",
            [{"source_id": str(ids[row]), "reason": why} for row, why in rejected],
        )
    if not stored:
        mark(folder, name, _encode_record(folder, settings, name))
    return True


def _refuse_none(folder: Folder, name: str, done: Sequence[Done]) -> None:
    if not any(part.sources for part in done):
        rejected = next((part.rejected for part in done if part.rejected), ())
        why = rejected[0][1] if rejected else "no source carries it"
        raise LatentError(f"{folder.path}: no source can be used for {name}: {why}")


def _constants(
    folder: Folder, settings: BuildSettings, model: ModelSettings, ids: NDArray[np.int64]
) -> Constants:
    """Take the constants of given weights, or the preparation's and those fitted on training.

    They are fitted on all sources, or above FITTED of them on a sample drawn by a fixed seed.
    """
    if model.weights:
        return read_network(*_given(folder, model))[1]
    modality = load_modality(model.modality)
    product = product_of_kind(folder, modality.product)
    train = split_of(ids, settings.split) == TRAIN
    rows = np.arange(len(ids))
    if len(rows) > FITTED:
        drawn = np.random.default_rng(0).choice(len(rows), FITTED, replace=False)
        rows = np.sort(drawn)
    catalog = catalog_rows(folder, rows, modality.catalog_columns)
    fitted = modality.fit(product_of(product, rows), catalog, train[rows])
    return {**modality.preparation(model.preparation), **fitted}


def _weights_hash(folder: Folder, model: ModelSettings) -> str:
    """Name the bytes of given weights, so that new ones make a stage stale; "" for none."""
    return sha256_of(_given(folder, model)[0]) if model.weights else ""


def _given(folder: Folder, model: ModelSettings) -> tuple[Path, dict[str, Any]]:
    """Return weights that are taken instead of training: the bundle's own, or shipped ones."""
    from latent_core.modalities.xp_operator import shipped

    own = f"weights/{model.weights}"
    if f"{own}/model.safetensors" in folder:
        return folder.file(f"{own}/model.safetensors"), folder.json(f"{own}/model.json")
    base = shipped(model.weights)
    if not (base / "model.json").is_file():
        raise LatentError(
            f"weights {model.weights!r} are not shipped; leave `weights` out to train"
        )
    return base / "model.safetensors", json.loads((base / "model.json").read_text("utf-8"))


def train_model(
    folder: Folder,
    settings: BuildSettings,
    name: str,
    *,
    force: bool = False,
    report: Report = silent,
) -> bool:
    """Train a model or take shipped weights (stage `train/<name>`); False where it is fresh."""
    model = settings.models[name]
    trained_by = {k: v for k, v in asdict(model).items() if k != "noise_draws"}
    needed = () if model.weights else (f"inputs/{name}",)
    record = made_from(folder, needed, [trained_by, _weights_hash(folder, model)])
    if not force and is_fresh(folder, f"train/{name}", record):
        return False
    history: list[Epoch] = []
    if model.weights:
        file, about = _given(folder, model)
        trained, history = Weights(*read_network(file, about), about), []
    else:
        trained, history = _trained(
            folder, settings, name, _checkpoint(folder, name, record), report
        )
    with write_stage(folder, f"train/{name}", record) as writer:
        save_weights(writer, f"models/{name}", trained)
        writer.save_text(f"models/{name}/history.csv", history_csv(history))
    return True


def _trained(
    folder: Folder, settings: BuildSettings, name: str, checkpoint: Path, report: Report
) -> tuple[Weights, list[Epoch]]:
    model = settings.models[name]
    observations = load_observations(folder, name)
    side = split_of(source_ids_of(folder)[observations.rows], settings.split)
    network, history = _seeded(model), []
    phases = [(model.training, checkpoint)]
    if model.pretraining:  # a file of its own: the optimizer's state is not the same
        first = checkpoint.with_suffix(".pretraining.safetensors")
        phases.insert(0, (model.pretraining, first))
    for phase, file in phases:
        history += train(
            network,
            observations.arrays,
            side,
            phase,
            checkpoint=file,
            progress=lambda done, total, text: report(f"train {name}", done, total, text),
        )
    about = _about(folder, model, side)
    return Weights(network, load_constants(folder, name), about), history


def _checkpoint(folder: Folder, name: str, record: Mapping[str, Any]) -> Path:
    """Name a run's checkpoint after all that it was made from, and drop those of other runs."""
    key = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
    own = folder.path / f".training-{name}-{key}.safetensors"
    for other in folder.path.glob(f".training-{name}-*"):
        if not other.name.startswith(own.stem):
            other.unlink()
    return own


def _seeded(model: ModelSettings) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model.training.seed)
        return make_model(model.kind, **model.sizes)


def _about(folder: Folder, model: ModelSettings, side: NDArray[np.uint8]) -> dict[str, Any]:
    return {
        "kind": model.kind,
        "modality": model.modality,
        "preparation": model.preparation,
        "sizes": dict(model.sizes),
        "training": asdict(model.training),
        "trained_on": folder.name,
        "simulated": folder.manifest.simulated,
        "sources": {"train": int((side == TRAIN).sum()), "all": len(side)},
        "code": __version__,
    }


def _model_files(name: str) -> tuple[str, str]:
    return f"models/{name}/model.json", f"models/{name}/model.safetensors"


def _encode_record(folder: Folder, settings: BuildSettings, name: str) -> dict[str, Any]:
    used = {"noise_draws": settings.models[name].noise_draws, "split": asdict(settings.split)}
    return made_from(folder, (f"inputs/{name}", f"train/{name}"), used)


def encode_sources(
    folder: Folder,
    settings: BuildSettings,
    name: str,
    *,
    force: bool = False,
    workers: Workers = SERIAL,
    report: Report = silent,
) -> bool:
    """Encode all usable sources (stage `encode/<name>`); False where it is fresh.

    Beside latents and sigmas it writes what the sources' noise does to them, which latents are
    dead, and how far each source can be trusted.
    """
    record = _encode_record(folder, settings, name)
    if not force and is_fresh(folder, f"encode/{name}", record):
        return False
    base = f"models/{name}"
    about, weights = _model_files(name)
    network, _ = read_network(folder.file(weights), folder.json(about))
    ids = source_ids_of(folder)
    side = split_of(ids[folder.array(f"inputs/{name}/rows.npy")], settings.split)
    with write_stage(folder, f"encode/{name}", record) as writer:
        if force or not take(folder, writer, name, record):
            with joiner(writer, base) as grown, one_thread():
                ref = refer(folder, (*files_of(folder, name), about, weights))
                how = ref, name, settings.models[name].noise_draws, NOISE_SEED
                run_pass(
                    encode_chunk,
                    [Encode(str(grown.parts), chunk, *how) for chunk in cut(ids)],
                    [grown],
                    workers=workers,
                    report=report,
                    stage=f"encode {name}",
                )
        means, sigmas = (np.load(writer.root / f"{base}/{n}.npy", mmap_mode="r") for n in LATENTS)
        points = load_modality(folder.json(about)["modality"]).decode_points()
        with one_thread():  # other libraries may have asked for more since, in other bytes
            found = activity(network, means, sigmas, points)
        writer.save_json(f"{base}/activity.json", found)
        _save_trust(writer, name, side, workers=workers, report=report)
    return True


def _save_trust(
    writer: StageWriter,
    name: str,
    side: NDArray[np.uint8],
    *,
    workers: Workers,
    report: Report,
) -> None:
    """Measure how far all latents lie from training sources, and set the limits."""
    base, file = f"models/{name}", writer.path(f"models/{name}/{MEANS}.npy")
    latents = np.load(file, mmap_mode="r")
    writer.save_array(f"{base}/trust/training.npy", training_sample(latents, side))
    training = writer.path(f"{base}/trust/training.npy")
    with joiner(writer, base) as grown:
        files = str(file), str(training)
        run_pass(
            distance_chunk,
            [Distance(str(grown.parts), c, *files) for c in even(len(latents))],
            [grown],
            workers=workers,
            report=report,
            stage=f"trust {name}",
        )
    chi, distance = (np.load(writer.path(f"{base}/trust/{n}.npy")) for n in ("chi", "distance"))
    writer.save_json(f"{base}/trust/limits.json", asdict(fit_limits(chi, distance, side)))


def flag_sources(folder: Folder, names: Iterable[str], *, force: bool = False) -> bool:
    """Say of each source whether it is outside the training data (stage `trust`)."""
    models = tuple(names)
    record = made_from(folder, tuple(f"encode/{name}" for name in models), list(models))
    if not force and is_fresh(folder, trust.STAGE, record):
        return False
    trust.flag_sources(folder, models, record)
    return True
