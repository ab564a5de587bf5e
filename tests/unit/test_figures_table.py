"""The README's table comes from saved figures of reports, and from nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latent_core.errors import InputError
from latent_core.report.summary import (
    END,
    START,
    markdown_table,
    read_summaries,
    summary_of,
    summary_text,
    with_table,
)

REPORT = {
    "data": "stars",
    "simulated": False,
    "sources": 900,
    "code": "0.1",
    "inputs": "abc",
    "sections": {
        "classification": {
            "labels": {
                "class|x": {
                    "main": {
                        "knn": {
                            "classes": 3,
                            "sources": 800,
                            "accuracy_percent": 83.71,
                            "macro_f1_percent": 78.54,
                        }
                    },
                    "main / b": {"knn": {"classes": 3, "sources": 800}},
                }
            }
        },
        "regression": {
            "populations": {
                "giants": {
                    "alpha_m": {
                        "main": {
                            "mlp": {
                                "rmse": 0.0701,
                                "sources": 180,
                                "rmse_95_percent": [0.066, 0.0749],
                            }
                        }
                    }
                }
            }
        },
    },
}


def test_a_summary_keeps_value_interval_sources_and_split():
    summary = summary_of(REPORT)
    assert (summary["data"], summary["simulated"], summary["inputs"]) == ("stars", False, "abc")
    accuracy, macro_f1, rmse = summary["figures"]
    assert accuracy["value"] == 83.71
    assert macro_f1["what"].startswith("macro-F1")
    assert rmse["interval"] == [0.066, 0.0749]
    assert rmse["split"] == "held-out test"


def test_the_table_has_a_row_a_figure_and_escapes_bars():
    lines = markdown_table([summary_of(REPORT)]).splitlines()
    assert len(lines) == 2 + 3
    assert r"class\|x" in lines[2]
    assert "| 83.7 % |" in lines[2]
    assert "| 0.0701 dex | 0.0660 to 0.0749 | stars (real) | 180 | held-out test |" in lines[4]


def test_the_readme_is_renewed_between_its_markers_only():
    readme = f"before\n{START}\nold\n{END}\nafter\n"
    renewed = with_table(readme, "| new |")
    assert renewed == f"before\n{START}\n| new |\n{END}\nafter\n"
    assert with_table(renewed, "| new |") == renewed
    with pytest.raises(InputError, match="markers"):
        with_table("no markers", "| new |")


def test_summaries_are_read_back_as_written(tmp_path):
    (tmp_path / "stars.json").write_text(summary_text(summary_of(REPORT)), encoding="utf-8")
    assert read_summaries(tmp_path) == (summary_of(REPORT),)
    with pytest.raises(InputError, match="no summary"):
        read_summaries(tmp_path / "nowhere")


def test_the_readme_says_what_the_committed_figures_say(root: Path):
    """Skips until the README has its markers; then nobody can edit a figure by hand."""
    readme, folder = (root / "README.md").read_text("utf-8"), root / "docs" / "figures"
    if START not in readme:
        pytest.skip("README.md has no table of figures yet")
    assert with_table(readme, markdown_table(read_summaries(folder))) == readme


def test_committed_figures_are_summaries_and_no_catalog(root: Path):
    for file in (root / "docs" / "figures").glob("*.json"):
        assert file.stat().st_size < 100_000
        summary = json.loads(file.read_text("utf-8"))
        assert summary["from"].startswith("report.json")
        assert {"data", "simulated", "sources", "code", "inputs"} <= set(summary)
        assert all(f["sources"] > 1 and f["split"] for f in summary["figures"])
