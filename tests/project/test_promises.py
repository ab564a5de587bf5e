"""The repository keeps its own promises."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

CODE = ("latent_core", "dashboard")
CONDA_NAMES = {"isal": "python-isal", "torch": "pytorch"}
LONGEST_FILE = 420


def tracked(root: Path, *patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return [root / name for name in listed.stdout.splitlines() if (root / name).is_file()]


def run(root: Path, *command: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_is_content(root: Path) -> None:
    run(root, "ruff", "check", ".")
    run(root, "ruff", "format", "--check", ".")


def test_mypy_is_content(root: Path) -> None:
    run(root, "mypy")


def test_imports_keep_their_contracts(root: Path) -> None:
    run(root, "lint-imports", "--no-cache")


def test_no_file_is_too_long(root: Path) -> None:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in tracked(root, "*.py")
    }
    assert {str(p): n for p, n in lengths.items() if n > LONGEST_FILE} == {}


def test_conda_and_pip_ask_for_the_same(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    conda = yaml.safe_load((root / "environment.yml").read_text("utf-8"))["dependencies"]
    asked = {re.split(r"[=<>]", d)[0]: d for d in project["dependencies"]}
    wanted = {CONDA_NAMES.get(n, n) + d[len(n) :] for n, d in asked.items()}
    given = {d for d in conda if isinstance(d, str) and d not in ("pip",)}
    assert given - {"python" + project["requires-python"]} == wanted
    assert "python" + project["requires-python"] in given


def test_pins_satisfy_the_project(root: Path) -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    pins = {
        Requirement(line).name.lower().replace("_", "-"): Requirement(line)
        for line in (root / "constraints.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    }
    for declared in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        requirement = Requirement(declared)
        pin = pins[requirement.name.lower().replace("_", "-")]
        version = next(iter(pin.specifier)).version
        assert requirement.specifier.contains(version), (declared, version)


def test_every_package_is_installed(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    named = set(project["tool"]["setuptools"]["packages"]) - {"gaia_latent_data"}
    here = {
        ".".join(file.parent.relative_to(root).parts)
        for code in CODE
        for file in tracked(root, f"{code}/**/__init__.py", f"{code}/__init__.py")
    }
    assert named == here


def test_core_does_not_import_the_screen() -> None:
    code = (
        "import sys, latent_core.cli, latent_core.pipeline, latent_core.latent_space;"
        "print([m for m in ('panel', 'holoviews', 'bokeh', 'datashader') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_imports_nothing_heavy() -> None:
    """The budget (0.3 s of CPU) is printed by benchmarks; here only its cause is checked."""
    code = (
        "import sys\nfrom latent_core.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('numpy', 'pandas', 'torch', 'umap', 'faiss') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize("banned", ["import pickle", "allow_pickle=True", "weights_only=False"])
def test_no_pickles(root: Path, banned: str) -> None:
    here = Path(__file__)
    guilty = [p for p in tracked(root, "*.py") if p != here and banned in p.read_text("utf-8")]
    assert guilty == []


def test_no_row_of_the_shared_data_is_in_the_project(root: Path) -> None:
    big = [p for p in tracked(root) if p.suffix in {".parquet", ".fits", ".vot", ".ckpt", ".pt"}]
    assert big == []


def test_readme_names_only_commands_that_exist(root: Path) -> None:
    from latent_core.cli import cli

    text = (root / "README.md").read_text("utf-8")
    named = set(re.findall(r"gaia-latent ([a-z][a-z-]+)", text))
    assert named <= set(cli.commands), named - set(cli.commands)
    assert set(cli.commands) <= named, set(cli.commands) - named
