"""What a fetch did not get, with reasons, and the text that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.catalog import SOURCE_ID
from latent_core.surveys.archive.adql import catalog_query
from latent_core.surveys.archive.asking import Request

MISSING = "missing.parquet"
REPORT = "fetch.txt"
_NAMED = 10  # ids that the text names of each reason


@dataclass(frozen=True)
class FetchReport:
    """What `fetch` wrote: `complete` is false where the archive holds more than it sent."""

    path: Path
    text: str
    complete: bool


@dataclass
class Missing:
    """Sources that lack a product, and why; `held` says that the archive should have it."""

    entries: list[tuple[NDArray[np.int64], str, str, bool]] = field(default_factory=list)

    def add(self, ids: NDArray[np.int64], product: str, reason: str, *, held: bool = True) -> None:
        """List ids that lack a product."""
        if len(ids):
            self.entries.append((np.sort(ids), product, reason, held))

    def drop(self, product: str) -> None:
        """Take a product's entries out again."""
        self.entries = [entry for entry in self.entries if entry[1] != product]

    @property
    def is_empty_of_held(self) -> bool:
        """Tell whether nothing is missing that the archive should have."""
        return not any(held for *_, held in self.entries)

    def frame(self) -> pd.DataFrame:
        """Return one row a source and product: source_id, product, reason; sorted."""
        columns = [SOURCE_ID, "product", "reason"]
        frames = [
            pd.DataFrame({SOURCE_ID: ids, "product": product, "reason": reason})
            for ids, product, reason, _ in self.entries
        ]
        if not frames:
            return pd.DataFrame(columns=columns)
        return pd.concat(frames).sort_values(columns, ignore_index=True)

    def counts(self) -> dict[str, int]:
        """Return the number of sources by product and reason."""
        counts: dict[str, int] = {}
        for ids, product, reason, _ in self.entries:
            key = f"{product}: {reason}"
            counts[key] = counts.get(key, 0) + len(ids)
        return dict(sorted(counts.items()))

    def summary(self) -> str:
        """Return one line: how many sources lack what, and why."""
        return "; ".join(f"{count:,} x {what}" for what, count in self.counts().items())

    def report(self, request: Request, asked: int, received: Mapping[str, int], taken: str) -> str:
        """Return the lines that the command prints and the survey keeps."""
        lines = [
            f"{asked:,} sources asked of {request.archive.url}; received "
            + ", ".join(f"{name} of {count:,}" for name, count in received.items()),
            taken,
        ]
        frame = self.frame()
        for what, count in self.counts().items():
            product, reason = what.split(": ", 1)
            ids = frame[(frame["product"] == product) & (frame["reason"] == reason)][SOURCE_ID]
            named = ", ".join(str(value) for value in ids[:_NAMED])
            more = f" and {count - _NAMED:,} more in {MISSING}" if count > _NAMED else ""
            lines.append(f"missing {product} of {count:,} sources, {reason}: {named}{more}")
        if request.query:
            lines.append(f"sources: {request.query}")
        lines.append(f"columns: {catalog_query(request.archive)}")
        return "\n".join(lines) + "\n"
