"""Settings of a build: frozen dataclasses read from TOML; an unknown key is an error."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from latent_core.errors import InputError

MAP_METHODS = {"umap": "UMAP", "tsne": "t-SNE"}
FEWEST_LANDMARKS = 100


@dataclass(frozen=True)
class TrainingSettings:
    """How one model is trained; the recipe a config states is the recipe that runs.

    `thin` leaves out points of light curves while training: of each curve, in each step, a random
    share of up to `thin`. It is for models of points (with a phase each), and for small samples.
    """

    epochs: int = 100
    batch: int = 512
    learning_rate: float = 1e-3
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    schedule: str = "one-cycle"
    beta: float = 1.0
    patience: int = 20
    clip: float = 10.0
    seed: int = 1234
    thin: float = 0.0


@dataclass(frozen=True)
class ModelSettings:
    """One model: which network on which modality, its sizes, its training.

    `weights` names a shipped folder of trained weights that is taken instead of training.
    `preparation` names how the modality prepares its input (`Modality.preparations`).
    `noise_draws` (0 or at least 2) is how often each source is encoded again with its own noise
    added, to find what that noise does to its latents.
    `pretraining`, where given, runs first and `training` goes on from its best weights.
    """

    modality: str
    kind: str
    sizes: Mapping[str, Any] = field(default_factory=dict)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    weights: str = ""
    preparation: str = "release"
    noise_draws: int = 0
    pretraining: TrainingSettings | None = None


@dataclass(frozen=True)
class SpaceSettings:
    """One latent space: block name -> modality whose latents it holds."""

    title: str
    blocks: Mapping[str, str]


@dataclass(frozen=True)
class MapSettings:
    """How the maps of a space are made, one for each of `methods` (umap, tsne).

    A space of many more sources than `landmarks` is mapped by so many representative ones, and
    the others are placed among them; `full` maps all at once, whatever that costs. `neighbors`,
    `min_dist` and `epochs` are UMAP's, `perplexity` is t-SNE's.
    """

    methods: tuple[str, ...] = ("umap",)
    neighbors: int = 15
    min_dist: float = 0.1
    epochs: int = 200
    perplexity: float = 10.0
    landmarks: int = 100_000
    full: bool = False
    seed: int = 42


@dataclass(frozen=True)
class SplitSettings:
    """Fractions of sources held out, by a hash of source_id, so a star keeps its side for ever."""

    test: float = 0.2
    validation: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class BuildSettings:
    """A whole build. Tables `[models.<modality>]` and `[spaces.<name>]` name what is made."""

    models: Mapping[str, ModelSettings]
    spaces: Mapping[str, SpaceSettings]
    map: MapSettings = field(default_factory=MapSettings)
    split: SplitSettings = field(default_factory=SplitSettings)


Settings = TypeVar("Settings")


def _fill(cls: type[Settings], table: Mapping[str, Any], where: str, file: Path) -> Settings:
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    for key, value in table.items():
        if key not in known:
            raise InputError(
                f"[{where}] has the unknown key {key!r}",
                file=file,
                remedy=f"known keys: {', '.join(known)}",
            )
        _check_type(known[key].type, value, f"{where}.{key}", file)
    try:
        return cls(**table)
    except TypeError as error:
        raise InputError(f"[{where}]: {error}", file=file) from error


def _check_type(declared: object, value: object, key: str, file: Path) -> None:
    wanted = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}.get(
        str(declared)
    )
    if wanted and (not isinstance(value, wanted) or isinstance(value, bool) != (bool in wanted)):
        raise InputError(f"{key} is {value!r}, {declared} expected", file=file)


def _model(name: str, table: Mapping[str, Any], file: Path) -> ModelSettings:
    table = dict(table)
    where = f"models.{name}"
    for phase in ("training", "pretraining"):
        if phase in table:
            table[phase] = _fill(TrainingSettings, table[phase], f"{where}.{phase}", file)
    model = _fill(ModelSettings, {"modality": name, **table}, where, file)
    if model.noise_draws < 0 or model.noise_draws == 1:
        raise InputError(
            f"{where}.noise_draws is {model.noise_draws}: one draw has no scatter",
            file=file,
            remedy="choose 0 (none) or at least 2",
        )
    return model


def check_map(settings: MapSettings, file: Path | None = None) -> MapSettings:
    """Return the settings of maps; raises InputError for a method or number that cannot be."""
    unknown = [m for m in settings.methods if m not in MAP_METHODS]
    if unknown or not settings.methods:
        raise InputError(
            f"map.methods is {list(settings.methods)}",
            file=file,
            remedy=f"name at least one of {', '.join(MAP_METHODS)}",
        )
    least = {"neighbors": 2, "epochs": 1, "perplexity": 1, "landmarks": FEWEST_LANDMARKS}
    for key, smallest in least.items():
        if getattr(settings, key) < smallest:
            raise InputError(
                f"map.{key} is {getattr(settings, key)}", file=file, remedy=f"at least {smallest}"
            )
    return replace(settings, methods=tuple(dict.fromkeys(settings.methods)))


def find_settings(config: Path) -> Path:
    """Return a file as it is, or the shipped settings of that name (`masked`)."""
    shipped = Path(str(resources.files("latent_core.configs"))) / f"{config}.toml"
    return shipped if not config.exists() and shipped.is_file() else config


def read_settings(file: Path) -> BuildSettings:
    """Read a build's settings; raises InputError that names file and key."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=file) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"is not TOML ({error})", file=file) from error
    models = {n: _model(n, t, file) for n, t in raw.pop("models", {}).items()}
    spaces = {
        n: _fill(SpaceSettings, {"title": n, **t}, f"spaces.{n}", file)
        for n, t in raw.pop("spaces", {}).items()
    }
    parts = {
        "map": check_map(_fill(MapSettings, raw.pop("map", {}), "map", file), file),
        "split": _fill(SplitSettings, raw.pop("split", {}), "split", file),
    }
    settings = _fill(
        BuildSettings, {**raw, **parts, "models": models, "spaces": spaces}, "build", file
    )
    _check_blocks(settings, file)
    return settings


def _check_blocks(settings: BuildSettings, file: Path) -> None:
    for name, space in settings.spaces.items():
        for block, modality in space.blocks.items():
            if modality not in settings.models:
                raise InputError(
                    f"[spaces.{name}] block {block!r} needs the model {modality!r}",
                    file=file,
                    remedy=f"add a table [models.{modality}]",
                )
