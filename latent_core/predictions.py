"""What a masked autoencoder says of every star: labels with intervals, and missing magnitudes.

Predictions are made with all that a star has and with XP taken away. Intervals are corrected by
split-conformal prediction on the validation split (masked-stellar-autoencoder.md, 6): the
correction of each label and case is stored beside the derived columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent_core.bundle import Folder, write_stage
from latent_core.catalog import Column
from latent_core.config import BuildSettings
from latent_core.derived import save_derived
from latent_core.encoding import BATCH, TrainedModel, load_model
from latent_core.errors import LatentError
from latent_core.modalities import Constants
from latent_core.modalities.star_columns import BANDS, LABELS, XP, XP_PART, chosen
from latent_core.modalities.star_table import band_magnitudes, physical_labels
from latent_core.stages import made_from
from latent_core.training import VALIDATION, split_of

if TYPE_CHECKING:
    from latent_core.models.masked import MaskedAutoencoder

KIND = "masked"
LOW, MIDDLE, HIGH = 0, 1, 2
INSIDE = 0.68
CASES: Mapping[str, tuple[str, ...]] = {"": (), "_no_xp": (XP,)}
FEWEST = 30  # known labels below which no correction is fitted


@dataclass(frozen=True)
class Predictions:
    """Standardised: quantiles (M, L, 3) of labels, and all columns decoded, (M, C)."""

    quantiles: NDArray[np.float32]
    decoded: NDArray[np.float32]


def predict(
    network: MaskedAutoencoder, arrays: Mapping[str, NDArray], without: Sequence[str] = ()
) -> Predictions:
    """Predict for all rows of a star table, what `without` names taken as missing.

    It names surveys (`xp`, `2mass`) or single columns (`2mass_h`); LatentError for others.
    """
    import torch

    gone = chosen(without)
    quantiles, decoded = [], []
    with torch.inference_mode():
        for start in range(0, len(arrays["x"]), BATCH):
            part = slice(start, start + BATCH)
            x = torch.from_numpy(np.array(arrays["x"][part]))
            mask = torch.from_numpy(np.array(arrays["mask"][part]) & ~gone)
            z = network.encode({"x": x, "mask": mask}).mean
            quantiles.append(network.quantiles(z).numpy())
            decoded.append(network.decode(z).mean.numpy())
    return Predictions(np.concatenate(quantiles), np.concatenate(decoded))


def conformal(
    quantiles: NDArray, labels: NDArray, known: NDArray[np.bool_], inside: float = INSIDE
) -> NDArray[np.float64]:
    """Return by how many half-widths each label's interval must grow (below 1: shrink), (L,).

    The factor that holds a fraction `inside` of the calibration labels, with the finite-sample
    rank of split-conformal prediction; each side is scaled alone. 1 where labels are too few.
    """
    low, middle, high = (np.asarray(quantiles[..., i], np.float64) for i in range(3))
    off = np.asarray(labels, np.float64) - middle
    ratio = np.where(off > 0, off / (high - middle), off / (low - middle))
    factors = np.ones(ratio.shape[1])
    for place in range(ratio.shape[1]):
        scores = ratio[known[:, place], place]
        if len(scores) >= FEWEST:
            rank = min(1.0, np.ceil((len(scores) + 1) * inside) / len(scores))
            factors[place] = np.quantile(scores, rank, method="higher")
    return factors


def corrected(quantiles: NDArray, factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Widen or narrow intervals (M, L, 3) about their medians by `factors` (L,)."""
    middle = np.asarray(quantiles, np.float64)[..., MIDDLE, None]
    out: NDArray[np.float64] = middle + (quantiles - middle) * factors[None, :, None]
    return out


def predict_sources(
    folder: Folder, settings: BuildSettings, name: str, *, force: bool = False
) -> bool:
    """Predict labels and magnitudes of all sources (stage `predict/<name>`); False where fresh.

    A model of another kind predicts nothing: False too.
    """
    if settings.models[name].kind != KIND:
        return False
    record = made_from(folder, (f"inputs/{name}", f"train/{name}"), {"inside": INSIDE})
    if not force and folder.stage(f"predict/{name}") == record:
        return False
    model = load_model(folder, name)
    if model.observations is None:
        raise LatentError(f"model {name!r} came without its inputs; build it from a survey")
    side = split_of(folder.catalog.source_id[model.rows], settings.split)
    values, columns, factors = derived_columns(model, side == VALIDATION)
    count = len(folder.catalog)
    with write_stage(folder, f"predict/{name}", record) as writer:
        spread = {n: _spread(v, model.rows, count) for n, v in values.items()}
        save_derived(writer, name, folder.catalog, spread, columns)
        writer.save_json(f"models/{name}/predictions.json", factors)
    return True


def derived_columns(
    model: TrainedModel, calibration: NDArray[np.bool_]
) -> tuple[dict[str, NDArray], list[Column], dict[str, Any]]:
    """Return columns (M,) of all cases, their descriptions and the conformal factors."""
    assert model.observations is not None  # noqa: S101 - the stage refuses others
    arrays, network, constants = model.observations.arrays, model.network, model.constants
    found = {
        case: predict(network, arrays, without)  # type: ignore[arg-type]
        for case, without in CASES.items()
    }
    has_xp = np.all(arrays["mask"][:, XP_PART], axis=1)
    factors: dict[str, NDArray[np.float64]] = {}
    physical: dict[str, NDArray] = {}
    for case, without in CASES.items():
        fit = calibration if without else calibration & has_xp
        quantiles = found[case].quantiles
        factors[case] = conformal(quantiles[fit], arrays["labels"][fit], arrays["label_mask"][fit])
        physical[case] = physical_labels(corrected(quantiles, factors[case]), constants)
    # a star that never had XP is as uncertain as those whose XP was taken away
    physical[""][~has_xp] = physical["_no_xp"][~has_xp]
    values: dict[str, NDArray] = {}
    columns: list[Column] = []
    for case, made in physical.items():
        _add_labels(values, columns, made, case)
    g = np.asarray(model.observations.scales[:, 0])
    _add_bands(values, columns, arrays["mask"], found[""].decoded, constants, g)
    return values, columns, {"conformal_factors": _named(factors), "fitted_on": "validation split"}


def _named(factors: Mapping[str, NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    names = [label.name for label in LABELS]
    return {
        case.strip("_") or "all": dict(zip(names, own.tolist(), strict=True))
        for case, own in factors.items()
    }


def _add_labels(
    values: dict[str, NDArray], columns: list[Column], physical: NDArray, case: str
) -> None:
    how = ", XP taken away" if case else ""
    for place, label in enumerate(LABELS):
        low, middle, high = physical[:, place].T
        parts = {"p16": low, "p50": middle, "p84": high, "width": (high - low) / 2}
        for part, content in parts.items():
            name = f"{label.name}_{part}{case}"
            values[name] = content.astype(np.float32)
            title = f"predicted {label.title} ({part}{how})"
            columns.append(
                Column(name, label.unit, title, "number", "predicted by the masked autoencoder")
            )


def _add_bands(
    values: dict[str, NDArray],
    columns: list[Column],
    mask: NDArray[np.bool_],
    decoded: NDArray,
    constants: Constants,
    g: NDArray[np.float64],
) -> None:
    """Add the imputed magnitude of each band that some star lacks and that was ever learned."""
    magnitudes = band_magnitudes(decoded, constants, g)
    for place, band in enumerate(BANDS):
        lacking = ~np.asarray(mask[:, place])
        if lacking.any() and constants["learned"][place]:
            name = f"{band.name}_imputed"
            values[name] = np.where(lacking, magnitudes[:, place], np.nan).astype(np.float32)
            title = f"predicted {band.title} (imputed)"
            columns.append(Column(name, band.unit, title, "number", "no measurement", True))


def _spread(values: NDArray, rows: NDArray[np.int64], count: int) -> ArrayLike:
    """Return values (M,) in catalog order (N,), NaN for sources that have none."""
    out = np.full(count, np.nan, np.float32)
    out[rows] = values
    return out
