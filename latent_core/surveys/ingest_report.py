"""What `ingest` says of the tables it read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from latent_core.bundle import REJECTED

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class FileReport:
    """What became of the rows of one table: `rows_in` = `rows_kept` + `rows_rejected`."""

    table: str
    layout: str
    rows_in: int
    rows_kept: int
    rows_rejected: int
    points_dropped: int = 0


@dataclass(frozen=True)
class IngestReport:
    """What `ingest` wrote, and what it did not take."""

    path: Path
    sources: int
    products: Mapping[str, int]
    tables: tuple[FileReport, ...]
    skipped: tuple[str, ...]

    @property
    def rows_in(self) -> int:
        """Rows of all tables that were taken."""
        return sum(table.rows_in for table in self.tables)

    @property
    def rows_kept(self) -> int:
        """Rows that stand in the survey."""
        return sum(table.rows_kept for table in self.tables)

    @property
    def rows_rejected(self) -> int:
        """Rows that rejected.parquet accounts for."""
        return sum(table.rows_rejected for table in self.tables)

    def text(self) -> str:
        """Say in a few lines what was taken, rejected and skipped."""
        lines = [
            f"{self.path}: {self.sources} sources; "
            + ", ".join(f"{name} of {count}" for name, count in self.products.items()),
            f"rows read {self.rows_in} = kept {self.rows_kept} + rejected {self.rows_rejected}"
            + (f" (see {REJECTED})" if self.rows_rejected else ""),
        ]
        dropped = sum(table.points_dropped for table in self.tables)
        if dropped:
            lines.append(f"points without a finite time, magnitude or error: {dropped}")
        return "\n".join([*lines, *(f"skipped {text}" for text in self.skipped)])
