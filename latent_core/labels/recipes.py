"""What is known of the published label catalogs: one TOML file each, in `labels/catalogs`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from latent_core.catalog import Column, Kind
from latent_core.errors import LatentError
from latent_core.labels.cuts import Cut


@dataclass(frozen=True)
class LabelColumn:
    """One label: the spellings of its column and of its error's, its unit and its flag.

    Without a `kind` the cells tell it. `flag` names a column that is 0 where the value is good;
    `scale` turns the table's unit into `unit`.
    """

    name: str
    of: tuple[str, ...]
    error: tuple[str, ...] = ()
    unit: str = ""
    label: str = ""
    kind: Kind | None = "number"
    flag: str = ""
    scale: float = 1.0

    def described(self, title: str, spelling: str) -> Column:
        """Return how the catalog names, measures and shows it."""
        return Column(
            self.name, self.unit, self.label, self.kind or "number", f"{title}, {spelling}"
        )

    def error_described(self, title: str, spelling: str) -> Column:
        """Return how the catalog names its error."""
        label = f"{self.label} error" if self.label else ""
        return Column(f"{self.name}_err", self.unit, label, "number", f"{title}, {spelling}")


@dataclass(frozen=True)
class Mean:
    """A label that is the mean of others, weighted by 1 / error^2, where enough are known."""

    name: str
    of: tuple[str, ...]
    at_least: int
    unit: str = ""
    label: str = ""

    def described(self, title: str) -> tuple[Column, Column]:
        """Return how the catalog names, measures and shows it and its error."""
        value = Column(self.name, self.unit, self.label, "number", f"{title}, {self.text()}")
        error = f"{self.name}_err"
        return value, Column(error, self.unit, f"{self.label} error", "number", "of that mean")

    def text(self) -> str:
        """Say how it is made."""
        return (
            f"mean of {', '.join(self.of)} weighted by 1/error^2, "
            f"where at least {self.at_least} of them are unflagged"
        )


@dataclass(frozen=True)
class Arrays:
    """Columns of arrays whose width tells the names of their elements."""

    columns: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Recipe:
    """How a label catalog is read: ids, columns, cuts, and which of several rows of one id stays.

    A recipe without `columns` takes every plain column of the table.
    """

    name: str
    title: str
    citation: str = ""
    id: tuple[str, ...] = ()
    recognised_by: tuple[tuple[str, ...], ...] = ()
    columns: tuple[LabelColumn, ...] = ()
    means: tuple[Mean, ...] = ()
    cuts: tuple[Cut, ...] = ()
    arrays: Arrays | None = None
    best: str = ""
    missing_below: float | None = None

    def recognises(self, names: Iterable[str]) -> bool:
        """Tell whether a table with these columns, in any case, is this catalog."""
        held = {name.lower() for name in names}
        return any({n.lower() for n in wanted} <= held for wanted in self.recognised_by)


def recipe_names() -> tuple[str, ...]:
    """Names of the catalogs that are known, sorted."""
    folder = resources.files("latent_core.labels.catalogs")
    return tuple(sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml")))


@lru_cache
def load_recipe(name: str) -> Recipe:
    """Read a recipe by name; raises LatentError for a catalog that is not known."""
    if name not in recipe_names():
        raise LatentError(
            f"label catalog {name!r} is unknown; choose one of {', '.join(recipe_names())}, or "
            "leave --catalog out for a table of your own"
        )
    file = resources.files("latent_core.labels.catalogs") / f"{name}.toml"
    raw = tomllib.loads(file.read_text(encoding="utf-8"))
    columns = tuple(LabelColumn(**_tuples(entry)) for entry in raw.pop("columns"))
    cuts = [cut for entry in raw.pop("cuts", ()) for cut in _cuts(_tuples(entry))]
    cuts += [
        Cut(column.flag, "==", 0, values_of=(column.name,)) for column in columns if column.flag
    ]
    arrays = raw.pop("arrays", None)
    return Recipe(
        columns=columns,
        cuts=tuple(cuts),
        means=tuple(Mean(**_tuples(entry)) for entry in raw.pop("means", ())),
        arrays=None if arrays is None else Arrays(**_tuples(arrays)),
        **_tuples(raw),
    )


def recognise(names: Iterable[str]) -> Recipe | None:
    """Return the known catalog that has these columns; None for any other table."""
    held = tuple(names)
    recipes = (load_recipe(name) for name in recipe_names())
    return next((recipe for recipe in recipes if recipe.recognises(held)), None)


def _cuts(entry: dict[str, Any]) -> list[Cut]:
    """Return a recipe's cut, each bit of a bit mask on its own so that each is counted."""
    bits: Mapping[str, str] = entry.pop("bits", {})
    if not bits:
        return [Cut(**entry)]
    return [Cut(test="lacks", value=int(bit), name=name, **entry) for bit, name in bits.items()]


def _tuples(raw: Mapping[str, Any]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        return tuple(plain(item) for item in value) if isinstance(value, list) else value

    return {key: plain(value) for key, value in raw.items()}
