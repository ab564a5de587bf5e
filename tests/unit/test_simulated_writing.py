"""A simulated survey that is interrupted goes on, and ends in the same bytes."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from latent_core.bundle import Folder
from latent_core.cli import cli
from latent_core.errors import LatentError
from latent_core.surveys.simulated import Options, simulate, writing
from latent_core.surveys.simulated.writing import CHECKPOINT, PARTS

SOURCES, SEED = 5500, 2
_KILLED = f"""
import os, signal, sys
from pathlib import Path
from latent_core.surveys.simulated import simulate, writing
writing.CHECKPOINT_ROWS = 2000

def kill(stage, done, total):
    if done == 5000:
        os.kill(os.getpid(), signal.SIGKILL)

simulate({SOURCES}, {SEED}, Path(sys.argv[1]), progress=kill)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder.open(simulate(SOURCES, SEED, tmp_path_factory.mktemp("whole") / "survey"))


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "CHECKPOINT_ROWS", 2000)


def stop_at(row: int) -> object:
    def stop(stage: str, done: int, total: int) -> None:
        if done == row:
            raise KeyboardInterrupt

    return stop


def interrupted(out: Path, row: int, **how: object) -> Path:
    with pytest.raises(KeyboardInterrupt):
        simulate(SOURCES, SEED, out, progress=stop_at(row), **how)
    assert not out.exists()
    return out.with_name(out.name + ".partial")


def goes_on(out: Path, **how: object) -> tuple[Folder, list[int]]:
    """Finish a survey; returns it and the rows after each block that was made."""
    seen: list[int] = []
    simulate(SOURCES, SEED, out, progress=lambda _, done, total: seen.append(done), **how)
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    return Folder.open(out), seen


def test_before_the_first_checkpoint_nothing_is_left(tmp_path: Path) -> None:
    assert not interrupted(tmp_path / "s", 3000).exists()


@pytest.mark.usefixtures("often")
def test_checkpoints_change_no_byte(tmp_path: Path, whole: Folder) -> None:
    folder, _ = goes_on(tmp_path / "s")
    assert folder.manifest.files == whole.manifest.files
    assert not (folder.path / CHECKPOINT).exists()
    assert not (folder.path / PARTS).exists()


@pytest.mark.usefixtures("often")
def test_it_goes_on_from_the_last_checkpoint(tmp_path: Path, whole: Folder) -> None:
    partial = interrupted(tmp_path / "s", 3000)
    assert (partial / CHECKPOINT).is_file()
    interrupted(tmp_path / "s", 5000, options=Options(jobs=2))
    folder, seen = goes_on(tmp_path / "s")
    assert seen == [5000, 5500]
    assert folder.manifest.files == whole.manifest.files
    assert folder.verify() == len(whole.manifest.files)


def test_it_goes_on_after_a_kill(tmp_path: Path, whole: Folder) -> None:
    out = tmp_path / "s"
    done = subprocess.run([sys.executable, "-c", _KILLED, str(out)], check=False)
    assert done.returncode == -9
    assert not out.exists()
    folder, seen = goes_on(out)
    assert seen == [5000, 5500]
    assert folder.manifest.files == whole.manifest.files


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("why", ["other seed", "other options", "damaged"])
def test_a_checkpoint_of_another_survey_is_not_used(
    why: str, tmp_path: Path, whole: Folder
) -> None:
    out = tmp_path / "s"
    if why == "other seed":
        with pytest.raises(KeyboardInterrupt):
            simulate(SOURCES, SEED + 1, out, progress=stop_at(3000))
    elif why == "other options":
        interrupted(out, 3000, options=Options(anomalies=0.5))
    else:
        file = interrupted(out, 3000) / CHECKPOINT
        file.write_text(file.read_text()[:40], encoding="utf-8")
    folder, seen = goes_on(out)
    assert seen[0] == 1000
    assert folder.manifest.files == whole.manifest.files


def test_a_killed_worker_is_said_in_a_sentence(tmp_path: Path) -> None:
    def kill(stage: str, done: int, total: int) -> None:
        for worker in multiprocessing.active_children():
            worker.kill()

    with pytest.raises(LatentError, match="a worker was killed"):
        simulate(30_000, SEED, tmp_path / "s", options=Options(jobs=2), progress=kill)
    assert not list(tmp_path.iterdir())


def test_the_command_makes_surveys_and_rows(tmp_path: Path, whole: Folder) -> None:
    def ask(*words: str) -> tuple[int, str]:
        out = CliRunner().invoke(cli, ["simulate", "--seed", str(SEED), *words])
        return out.exit_code, out.output + str(out.exception or "")

    survey, rows = tmp_path / "s", tmp_path / "r"
    code, text = ask("--sources", "1200", "--jobs", "1", "--out", str(survey))
    assert (code, "1,200 simulated sources" in text) == (0, True)
    assert len(Folder.open(survey).catalog) == 1200
    code, text = ask("--rows", "17, 5000", "--jobs", "1", "--out", str(rows))
    assert (code, "2 rows of the simulated survey" in text) == (0, True)
    assert list(Folder.open(rows).catalog.source_id) == list(whole.catalog.source_id[[17, 5000]])
    for wrong in ("", "a", "1,,2", "-1", "1.5"):
        code, text = ask("--rows", wrong, "--out", str(tmp_path / "no"))
        assert code != 0
        assert "row number" in text
    assert ask("--rows", "9" * 30, "--out", str(tmp_path / "no"))[0] != 0
    assert ask("--seed", "-1", "--out", str(tmp_path / "no"))[0] == 2
    assert ask("--anomalies", "1.5", "--out", str(tmp_path / "no"))[0] == 2
    assert not (tmp_path / "no").exists()
