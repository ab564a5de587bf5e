"""Whoever works, the bytes are the same; whoever is lost, one sentence says so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from latent_core import chunks, pipeline, space_stages, stages
from latent_core.bundle import Folder, forget_stages
from latent_core.config import BuildSettings, MapSettings, read_settings
from latent_core.encoding import encode
from latent_core.errors import LatentError
from latent_core.executors import SERIAL, Workers, workers
from latent_core.inputs import load_observations
from latent_core.surveys.simulated import simulate

WEIGHTS = """
[models.xp_samples]
kind = "residual"
weights = "simulated_weights/xp_samples"
noise_draws = 2

[models.folded]
kind = "folded"
weights = "simulated_weights/folded"

[spaces.all]
title = "both"
blocks = { xp = "xp_samples", folded = "folded" }

[spaces.curves]
title = "curves"
blocks = { folded = "folded" }
"""


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Path:
    return simulate(260, 7, tmp_path_factory.mktemp("survey") / "small.survey")


def settings_of(folder: Folder) -> BuildSettings:
    return read_settings(folder.file("build.toml"))


def encoded(survey: Path, out: Path, work: Workers) -> Folder:
    """A bundle of several chunks whose sources are encoded."""
    (out.parent / "weights.toml").write_text(WEIGHTS, encoding="utf-8")
    source = Folder.open(survey, "survey")
    text, settings = pipeline._settings(source, out.parent / "weights.toml")
    folder = pipeline.start(out, source, text)
    for name in settings.models:
        stages.prepare(folder, settings, name, workers=work)
        stages.train_model(folder, settings, name)
        stages.encode_sources(folder, settings, name, workers=work)
    return folder


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch) -> None:
    monkeypatch.setattr(stages, "cut", partial(chunks.cut, most=60))
    monkeypatch.setattr(stages, "even", partial(chunks.even, most=60))


@pytest.fixture(scope="module")
def alone(survey, tmp_path_factory) -> Folder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "cut", partial(chunks.cut, most=60))
        patch.setattr(stages, "even", partial(chunks.even, most=60))
        return encoded(survey, tmp_path_factory.mktemp("alone") / "b", SERIAL)


def test_processes_write_the_same_bytes(survey, alone, tmp_path) -> None:
    with workers(2) as two:
        folder = encoded(survey, tmp_path / "b", two)
    assert len(folder.array("models/folded/latents.npy")) > 120
    assert folder.manifest.files == alone.manifest.files
    assert folder.verify() == len(folder.manifest.files)


def test_maps_laid_out_side_by_side_are_those_made_one_by_one(alone, tmp_path) -> None:
    settings = MapSettings(methods=("umap", "tsne"), epochs=20, landmarks=100)
    made = []
    for number, make in enumerate((None, lambda: (ThreadPoolExecutor(2), 2))):
        folder = Folder.open(shutil.copytree(alone.path, tmp_path / str(number)))
        joined = settings_of(folder)
        for name in joined.spaces:
            space_stages.join_space(folder, joined, name)
        work = Workers(make)
        space_stages.make_stale_maps(folder, settings, joined.spaces, workers=work)
        work.close()
        made.append(folder.manifest.files)
    assert made[0] == made[1]
    assert sum("landmarks" in name for name in made[0]) == 4
    before = folder.manifest
    space_stages.make_stale_maps(folder, settings, joined.spaces)
    assert folder.manifest == before


def test_what_is_encoded_with_its_input_is_what_is_encoded_alone(survey, alone, tmp_path) -> None:
    folder = Folder.open(shutil.copytree(alone.path, tmp_path / "b"))
    assert not list(folder.path.glob(".encoded-*"))
    _, settings = pipeline._settings(Folder.open(survey), folder.file("build.toml"))
    for name in settings.models:
        assert not stages.encode_sources(folder, settings, name)
        assert stages.encode_sources(folder, settings, name, force=True)
    assert folder.manifest.files == alone.manifest.files


def test_early_latents_of_other_input_are_left_aside(survey, alone, tmp_path) -> None:
    folder = Folder.open(shutil.copytree(alone.path, tmp_path / "b"))
    _, settings = pipeline._settings(Folder.open(survey), folder.file("build.toml"))
    stages.prepare(folder, settings, "folded", force=True)
    (waiting,) = folder.path.glob(".encoded-folded")
    wrong = np.zeros_like(np.load(waiting / "models/folded/latents.npy"))
    np.save(waiting / "models/folded/latents.npy", wrong)
    (waiting / "made_from.json").write_text('{"inputs": "other"}')
    forget_stages(folder, {"encode/folded"})
    assert stages.encode_sources(folder, settings, "folded")
    assert not waiting.exists()
    assert folder.manifest.files == alone.manifest.files


def test_a_dask_cluster_writes_the_same_bytes(survey, alone, tmp_path) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            worker_dashboard_address=None,
            local_directory=str(tmp_path / "dask"),
        ) as cluster,
        workers(dask=cluster.scheduler_address) as two,
    ):
        folder = encoded(survey, tmp_path / "b", two)
    assert folder.manifest.files == alone.manifest.files


def test_input_that_is_made_again_is_the_input_that_was_encoded(alone) -> None:
    given = load_observations(alone, "folded")
    assert not alone.names("inputs/folded/array_")
    assert given.arrays["x"].shape == (len(given.rows), 200)
    some = np.array([5, 2, 90, 2])
    whole = {n: np.asarray(a) for n, a in given.arrays.items()}
    for name, array in given.arrays.items():
        assert array.dtype == whole[name].dtype
        np.testing.assert_array_equal(array[some], whole[name][some])
        np.testing.assert_array_equal(array[7], whole[name][7])
        np.testing.assert_array_equal(array[3:6, 1], whole[name][3:6, 1])
        np.testing.assert_array_equal(
            array[whole["mask"][:, 30]], whole[name][whole["mask"][:, 30]]
        )
    network, _ = stages.read_network(
        alone.file("models/folded/model.safetensors"), alone.json("models/folded/model.json")
    )
    means, _ = encode(network, whole)
    np.testing.assert_allclose(means, alone.array("models/folded/latents.npy"), atol=1e-5)


KILLED = """
import sys
from functools import partial
from pathlib import Path
from latent_core import chunks, pipeline, stages
from latent_core.bundle import Folder
from latent_core.executors import workers

def say(stage, done, total, text):
    print(stage, done, flush=True)

if __name__ == "__main__":
    stages.cut, stages.even = (partial(f, most=60) for f in (chunks.cut, chunks.even))
    survey, out, config = map(Path, sys.argv[1:])
    source = Folder.open(survey, "survey")
    text, settings = pipeline._settings(source, config)
    with workers(2) as two:
        folder = pipeline.start(out, source, text)
        for name in settings.models:
            stages.prepare(folder, settings, name, workers=two, report=say)
            stages.train_model(folder, settings, name)
            stages.encode_sources(folder, settings, name, workers=two, report=say)
"""


@pytest.mark.parametrize("at", ["prepare xp_samples 120", "prepare folded 60", "trust folded 60"])
def test_a_build_that_is_killed_goes_on_to_the_same_bytes(at, survey, alone, tmp_path) -> None:
    script, config = tmp_path / "killed.py", tmp_path / "weights.toml"
    script.write_text(KILLED)
    config.write_text(WEIGHTS, encoding="utf-8")
    command = [sys.executable, script, survey, tmp_path / "b", config]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as build:
        assert build.stdout is not None
        assert any(line.strip() == at for line in build.stdout)
        build.kill()
    assert list((tmp_path / "b").glob(".partial-*"))
    folder = encoded(survey, tmp_path / "b", SERIAL)
    assert folder.manifest.files == alone.manifest.files
    assert not list(folder.path.glob(".*"))


def double(x: int) -> int:
    return 2 * x


def die(x: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return x


def fail(x: int) -> int:
    raise LatentError(f"chunk {x} is bad")


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order_and_errors_as_they_are(jobs: int) -> None:
    with workers(jobs) as some:
        assert list(some.map(double, range(7))) == [0, 2, 4, 6, 8, 10, 12]
        with pytest.raises(LatentError, match="chunk 0 is bad"):
            list(some.map(fail, range(3)))


def test_a_killed_worker_is_one_sentence() -> None:
    with workers(2) as two, pytest.raises(LatentError, match=r"killed.*--jobs 1"):
        list(two.map(die, range(4)))


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch) -> None:
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    monkeypatch.setattr("latent_core.executors.CONNECT_SECONDS", 1)
    with (
        pytest.raises(LatentError, match=r"scheduler answers at tcp://127\.0\.0\.1:9"),
        workers(dask="tcp://127.0.0.1:9"),
    ):
        pass


def test_without_distributed_dask_is_refused_by_name(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(LatentError, match=r"pip install 'gaia-latent\[dask\]'"),
        workers(dask="tcp://127.0.0.1:9"),
    ):
        pass


PARENT = """
import os, time
from latent_core.executors import workers

def process(_):
    time.sleep(0.05)
    return os.getpid()

if __name__ == "__main__":
    with workers(2) as two:
        print(*sorted(set(two.map(process, range(20)))), flush=True)
        time.sleep(60)
"""


def test_workers_end_with_a_killed_parent(tmp_path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        children = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert children
    assert all(_ends(child) for child in children)


def _ends(process: int) -> bool:
    """Wait up to 20 s for a process that is not our child."""
    for _ in range(200):
        stat = Path(f"/proc/{process}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False
