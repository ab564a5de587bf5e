"""The fifteen display groups of Huijse et al. 2025, in which their figures are quoted."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray


@lru_cache
def groups_by_label() -> Mapping[str, str]:
    """Return label -> group (huijse-2025.md, 1.5); a label in no group is not in it."""
    file = resources.files("latent_core") / "display_groups.toml"
    groups: dict[str, list[str]] = tomllib.loads(file.read_text(encoding="utf-8"))
    return {label: group for group, labels in groups.items() for label in labels}


def display_groups(labels: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return the group of each label, (N,) of str, None where it has none."""
    known = groups_by_label()
    return np.array([known.get(label) for label in labels], object)
