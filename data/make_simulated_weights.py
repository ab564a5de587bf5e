"""Train the four models on a simulated survey and keep their weights in simulated_weights/.

    python data/make_simulated_weights.py [--sources N] [--epochs E] [--out FOLDER]

The survey has another seed than the demonstration's, so that the demonstration shows sources that
no model has seen.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from latent_core import pipeline, stages
from latent_core.bundle import Folder
from latent_core.config import BuildSettings, read_settings
from latent_core.progress import Progress
from latent_core.surveys.simulated import simulate

SEED = 7
RECIPE = Path(__file__).with_name("simulated_training.toml")


def settings(epochs: int | None) -> BuildSettings:
    """Read the recipe; `epochs` shortens it for a trial."""
    recipe = read_settings(RECIPE)
    if epochs is None:
        return recipe
    shorter = {
        name: replace(model, training=replace(model.training, epochs=epochs))
        for name, model in recipe.models.items()
    }
    return replace(recipe, models=shorter)


def train_all(survey: Path, work: Path, recipe: BuildSettings) -> Folder:
    """Train every model of the recipe on a survey; returns the folder that holds them."""
    folder = pipeline.start(work, Folder.open(survey, "survey"), RECIPE.read_text("utf-8"))
    report = Progress()
    for name in recipe.models:
        stages.prepare(folder, recipe, name)
        stages.train_model(folder, recipe, name, report=report)
    return folder


def keep(folder: Folder, out: Path) -> None:
    """Copy each model's weights, description and history."""
    for name in folder.names("models/"):
        target = out / Path(name).relative_to("models")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder.file(name), target)


def main() -> None:
    """Run the command."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sources", type=int, default=24_000)
    arguments.add_argument("--epochs", type=int, help="shorten the recipe, for a trial")
    arguments.add_argument("--out", type=Path, default=Path(__file__).parent / "simulated_weights")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        survey = simulate(chosen.sources, SEED, Path(scratch) / "training.survey")
        work = Path(scratch) / "training.bundle"
        keep(train_all(survey, work, settings(chosen.epochs)), chosen.out)


if __name__ == "__main__":
    main()
