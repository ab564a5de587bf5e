"""A card for every trained model: what it was trained on, how large it is, its figures, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latent_core.bundle import Folder
from latent_core.version import __version__

PAPERS = {
    "scatter": "after A. Laroche & J. S. Speagle 2024, ApJ 979, 5",
    "residual": "after P. Huijse et al. 2025, A&A 701, A150",
    "folded": "after P. Huijse et al. 2025, A&A 701, A150",
    "dmdt": "after P. Huijse et al. 2025, A&A 701, A150",
    "masked": "after the masked autoencoder for stars (thesis and public code)",
}
LIMITS = {
    "xp_coefficients": "Trained on stars like those of its survey: hot stars, white dwarfs and "
    "late M dwarfs lie outside where the survey has few; chi and the distance to the training "
    "data tell. A faint star's latents carry its noise.",
    "xp_samples": "Sampled spectra scaled to their own brightest samples: absolute flux is not in "
    "the latents. Sources unlike the training set are encoded all the same.",
    "folded": "One frequency a source: a wrong or aliased one corrupts these latents. G only.",
    "dmdt": "The cadence is in the histogram: sources with few epochs are noisy. G only.",
}
ANYWHERE = "Latents describe; they are not measurements with calibrated errors."


def card(folder: Folder, name: str, reconstruction: Mapping[str, Any] | None) -> str:
    """Return a model's card as Markdown; `reconstruction` are its figures of the report."""
    about: dict[str, Any] = folder.json(f"models/{name}/model.json")
    lines = [f"# Model card: {name}", ""]
    for title, text in (
        ("Trained on", trained_on(folder, about)),
        ("Architecture", architecture(folder, name, about)),
        ("Source", str(about.get("published") or PAPERS.get(about.get("kind", ""), "ours"))),
        ("Code", f"trained with version {about.get('code', '?')}, described with {__version__}"),
        ("Figures", figures(folder, about, reconstruction)),
        ("Limits", f"{LIMITS.get(about.get('modality', ''), '')} {ANYWHERE}".strip()),
    ):
        lines += [f"## {title}", "", text, ""]
    return "\n".join(lines)


def trained_on(folder: Folder, about: Mapping[str, Any]) -> str:
    """Say on which sources a model was trained, how many, which split, simulated or real."""
    mark = "simulated" if about.get("simulated") else "real"
    counts = about.get("sources")
    text = f"{about.get('trained_on', 'not recorded')} ({mark} sources)"
    if isinstance(counts, Mapping):
        text += (
            f"; {counts['train']:,} sources of the training split out of {counts['all']:,} usable "
            "ones; validation and test are held out by a hash of source_id"
        )
    if about.get("trained_on") != folder.name:
        text += f". It came to {folder.name} trained; whether sources here were among those it "
        text += "learned from is not recorded"
    return text + "."


def architecture(folder: Folder, name: str, about: Mapping[str, Any]) -> str:
    """Say which network it is, its sizes, its numbers and the training recipe."""
    sizes = ", ".join(f"{k} {v}" for k, v in about.get("sizes", {}).items()) or "as published"
    what = f"{about.get('kind', '?')} on {about.get('modality', '?')}"
    text = f"{what}: {sizes}; {weights(folder, name):,} weights."
    recipe = about.get("training")
    if isinstance(recipe, Mapping):
        text += " Training: " + ", ".join(f"{k} {v}" for k, v in recipe.items()) + "."
    return text


def weights(folder: Folder, name: str) -> int:
    """Count a model's weights, without the constants of its modality."""
    from safetensors import safe_open

    total = 0
    with safe_open(folder.file(f"models/{name}/model.safetensors"), "numpy") as tensors:
        for key in tensors.keys():  # noqa: SIM118 - it is no dictionary
            if not key.startswith("constant."):
                size = 1
                for length in tensors.get_slice(key).get_shape():
                    size *= length
                total += size
    return total


def figures(
    folder: Folder, about: Mapping[str, Any], reconstruction: Mapping[str, Any] | None
) -> str:
    """Say a model's reconstruction figures, split by split."""
    if reconstruction is None:
        return "This bundle holds no observations of it, so nothing could be reconstructed."
    mark = "simulated" if folder.manifest.simulated else "real"
    lines = []
    if about.get("trained_on") != folder.name:
        lines.append("The split is this bundle's own, the weights were not fitted to it.\n")
    for side, cover in reconstruction["coverage"].items():
        chi = reconstruction["chi"][side]["errors"]["p50"]
        lines.append(
            f"- {side}, {cover['sources']:,} {mark} sources of {folder.name}: median chi "
            f"{chi:.2f} (errors only), {cover['with_scatter_68_percent']:.1f} % of points within "
            f"one sigma with scatter (68.3 % promised), "
            f"{cover['with_scatter_95_percent']:.1f} % within 1.96 (95 %)"
        )
    return "\n".join(lines)
