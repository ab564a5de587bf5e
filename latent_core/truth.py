"""The truth table of a simulated survey: which rows hold a planted anomaly, of what kind.

It lies beside the catalog as `truth.parquet` and never in it: no model and no screen sees it, the
report asks it how high the planted rows rank among outliers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from latent_core.bundle import Folder, StageWriter
from latent_core.catalog import source_ids

TRUTH = "truth.parquet"
_DTYPES = {
    "row": "int64",
    "source_id": "int64",
    "anomaly": "str",
    "product": "str",
    "strength": "float64",
    "unit": "str",
    "parameters": "str",
}


@dataclass(frozen=True)
class Planted:
    """One planted anomaly: catalog row, what was changed, and by how much.

    `strength` is in `unit`; `parameters` is what else one needs to undo it, as JSON in the table.
    """

    row: int
    source_id: int
    anomaly: str
    product: str
    strength: float
    unit: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


def truth_table(planted: list[Planted]) -> pd.DataFrame:
    """Return one row an anomaly, by rising catalog row; identifiers stay int64."""
    lines = []
    for one in sorted(planted, key=lambda p: p.row):
        text = json.dumps(dict(one.parameters), sort_keys=True, allow_nan=False)
        lines.append({**asdict(one), "parameters": text})
    return pd.DataFrame(lines, columns=list(_DTYPES)).astype(_DTYPES)


def save_truth(writer: StageWriter, table: pd.DataFrame) -> None:
    """Write a truth table; one without rows says that nothing was planted."""
    table.to_parquet(writer.path(TRUTH), index=False, write_page_checksum=True)
    writer.add(TRUTH)


def load_truth(folder: Folder) -> pd.DataFrame | None:
    """Read the truth table of a survey or bundle; None where the folder has none."""
    if TRUTH not in folder:
        return None
    table = pd.read_parquet(folder.file(TRUTH), page_checksum_verification=True)
    source_ids(table["source_id"], file=folder.path / TRUTH, unique=False)
    return table.astype({"row": np.int64})
