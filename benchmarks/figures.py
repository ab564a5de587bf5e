"""The README's table of figures, from reports.

python benchmarks/figures.py keep BUNDLE NAME   a bundle's report -> docs/figures/NAME.json
python benchmarks/figures.py write              docs/figures/*.json -> the table in README.md
python benchmarks/figures.py check              exit 1 where README.md says anything else
"""

from __future__ import annotations

import sys
from pathlib import Path

from latent_core.bundle import Folder
from latent_core.report.stage import JSON, has_report
from latent_core.report.summary import (
    markdown_table,
    read_summaries,
    summary_of,
    summary_text,
    with_table,
)

ROOT = Path(__file__).resolve().parents[1]
FIGURES, README = ROOT / "docs" / "figures", ROOT / "README.md"


def keep(bundle: Path, name: str) -> Path:
    folder = Folder.open(bundle, "bundle")
    if not has_report(folder):
        sys.exit(f"{bundle} has no report; run gaia-latent evaluate {bundle}")
    FIGURES.mkdir(parents=True, exist_ok=True)
    file = FIGURES / f"{name}.json"
    file.write_text(summary_text(summary_of(folder.json(JSON))), encoding="utf-8")
    return file


def renewed() -> str:
    return with_table(README.read_text("utf-8"), markdown_table(read_summaries(FIGURES)))


def main(arguments: list[str]) -> int:
    match arguments:
        case ["keep", bundle, name]:
            print(keep(Path(bundle), name))
        case ["write"]:
            README.write_text(renewed(), encoding="utf-8")
        case ["check"]:
            return int(renewed() != README.read_text("utf-8"))
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
