"""Figures that others published, each with its data and its source, in one file."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from typing import Any


@lru_cache
def _anchors() -> dict[str, list[dict[str, Any]]]:
    file = resources.files("latent_core.report") / "anchors.toml"
    read: dict[str, list[dict[str, Any]]] = tomllib.loads(file.read_text(encoding="utf-8"))
    return read


def anchors_of(section: str) -> list[dict[str, Any]]:
    """Return the published figures of a section: quantity, value, unit, data, source.

    Those of the section `regression` also name the catalog's column and the score.
    """
    return [dict(anchor) for anchor in _anchors().get(section, [])]
