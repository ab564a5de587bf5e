"""SIGKILL at random moments (reliability.md, R1): the rerun equals an undisturbed run."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from pathlib import Path

from archive_client import fetch_in_child
from local_archive import local_archive

from latent_core.bundle import sha256_of

KILLS, MOST_STARTS, SOURCES = 20, 200, 12
# so that a child begins at once with what is to be killed, not with imports
PRELOADED = ["archive_client", "pyvo.dal.tap", "astropy.io.votable", "astropy.table"]
PRELOADED += ["pyarrow.parquet", "latent_core.surveys.gaia_files"]


def content(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): sha256_of(file)
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_twenty_kills_leave_no_trace(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    chance, kills, finished = random.Random(20), 0, 0
    survey = tmp_path / "s.survey"
    with local_archive(SOURCES) as archive:

        def start() -> multiprocessing.process.BaseProcess:
            child = context.Process(
                target=fetch_in_child, args=(archive.url, archive.row_limit, str(survey))
            )
            child.start()
            return child

        warm = context.Process(target=len, args=((),))  # the server of forks imports now
        warm.start()
        warm.join()
        begun = time.monotonic()
        child = start()
        child.join()
        whole = time.monotonic() - begun
        assert child.exitcode == 0
        expected = content(survey)
        shutil.rmtree(survey)
        for _ in range(MOST_STARTS):
            child = start()
            if kills < KILLS:
                child.join(chance.uniform(0, whole))
            else:
                child.join()
            killed = child.is_alive()
            if killed:
                child.kill()
                child.join()
                kills += 1
                if not survey.exists():
                    continue  # else it was whole already, and the process about to end
            assert content(survey) == expected
            if not killed:
                assert child.exitcode == 0
                assert [entry.name for entry in tmp_path.iterdir()] == [survey.name]
            finished += 1
            if kills >= KILLS:
                break
            shutil.rmtree(survey)
    assert kills == KILLS
    assert finished >= 1
