"""The folder on disk: whole or absent, verified before it is read, renewed stage by stage."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from latent_core.bundle import (
    MANIFEST,
    Folder,
    Manifest,
    check_name,
    disk_errors,
    forget_stages,
    new_folder,
    write_stage,
)
from latent_core.catalog import Catalog
from latent_core.errors import FolderError, StorageError


def manifest(kind="bundle"):
    return Manifest(kind, "test", "gaia_dr3", False, "0")


def make(path, **options):
    with new_folder(path, manifest(), **options) as writer:
        writer.save_catalog(Catalog(pd.DataFrame({"source_id": [5, 6]})))
        writer.save_array("spaces/joint/latents.npy", np.arange(6.0).reshape(2, 3))
        writer.save_json("notes.json", {"a": 1})
        writer.save_text("words.txt", "good\n")
    return Folder.open(path)


def test_a_folder_is_read_back(tmp_path):
    folder = make(tmp_path / "a.bundle")
    assert folder.verify() == 6
    assert folder.name == "test"
    assert folder.array("spaces/joint/latents.npy").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not folder.array("spaces/joint/latents.npy").flags.writeable
    assert folder.json("notes.json") == {"a": 1}
    assert folder.names("spaces/") == ("spaces/joint/latents.npy",)
    assert "words.txt" in folder
    assert folder.catalog.source_id.tolist() == [5, 6]
    assert folder.version == Folder.open(folder.path).version
    assert make(tmp_path / "b.bundle").version == folder.version


@pytest.mark.parametrize(
    "name", ["catalog.parquet", "spaces/joint/latents.npy", "notes.json", "words.txt"]
)
@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
def test_one_changed_byte_is_refused(name, where, tmp_path):
    path = make(tmp_path / "a.bundle").path
    content = bytearray((path / name).read_bytes())
    content[round(where * (len(content) - 1))] ^= 1
    (path / name).write_bytes(bytes(content))
    folder = Folder.open(path)
    with pytest.raises(FolderError, match="was changed after it was written"):
        folder.file(name)
    with pytest.raises(FolderError):
        folder.verify()


def test_a_missing_cut_or_linked_file_is_refused(tmp_path):
    path = make(tmp_path / "a.bundle").path
    (path / "notes.json").unlink()
    (path / "words.txt").write_text("goo")
    latents = path / "spaces/joint/latents.npy"
    latents.rename(tmp_path / "elsewhere.npy")
    latents.symlink_to(tmp_path / "elsewhere.npy")
    for name in ("notes.json", "words.txt", "spaces/joint/latents.npy", "unnamed.txt"):
        with pytest.raises(FolderError):
            Folder.open(path).file(name)


def test_a_changed_shape_in_the_manifest_is_refused(tmp_path):
    path = make(tmp_path / "a.bundle").path
    raw = json.loads((path / MANIFEST).read_text())
    raw["files"]["spaces/joint/latents.npy"]["shape"] = [3, 2]
    (path / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(FolderError, match="shape or dtype"):
        Folder.open(path).array("spaces/joint/latents.npy")


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.pop("files"),
        lambda raw: raw.pop("name"),
        lambda raw: raw.update(more=1),
        lambda raw: raw.update(format_version=99),
        lambda raw: raw["files"].update({"../evil": raw["files"]["words.txt"]}),
        lambda raw: raw["files"].update({"/etc/passwd": raw["files"]["words.txt"]}),
        lambda raw: raw["files"].update({"words.txt": 3}),
        lambda raw: raw.update(files=[]),
    ],
)
def test_a_manifest_that_is_not_ours(change, tmp_path):
    path = make(tmp_path / "a.bundle").path
    raw = json.loads((path / MANIFEST).read_text())
    change(raw)
    (path / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(FolderError):
        Folder.open(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"a"', "\x00"])
def test_a_manifest_that_is_no_manifest(text, tmp_path):
    path = make(tmp_path / "a.bundle").path
    (path / MANIFEST).write_text(text)
    with pytest.raises(FolderError):
        Folder.open(path)


def test_opening_what_is_not_there(tmp_path):
    with pytest.raises(FolderError, match="no such folder"):
        Folder.open(tmp_path / "none")
    with pytest.raises(FolderError, match="there is no manifest"):
        Folder.open(tmp_path)
    make(tmp_path / "a.bundle")
    with pytest.raises(FolderError, match="is a bundle, a survey is needed"):
        Folder.open(tmp_path / "a.bundle", "survey")


@pytest.mark.parametrize("name", ["..", "../a", "a/../b", "/a", "a//b", "", ".hidden", "a b", "é"])
def test_names_that_lead_elsewhere(name, tmp_path):
    with pytest.raises(FolderError):
        check_name(name)
    with pytest.raises(FolderError), new_folder(tmp_path / "a.bundle", manifest()) as writer:
        writer.save_text(name, "x")
    assert list(tmp_path.iterdir()) == []


class BreakdownError(Exception):
    """Something fails while a folder is written."""


def break_down(path, error, **options):
    with new_folder(path, manifest(), **options) as writer:
        writer.save_text("words.txt", "x")
        raise error


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(BreakdownError):
        break_down(tmp_path / "a.bundle", BreakdownError())
    assert list(tmp_path.iterdir()) == []
    version = make(tmp_path / "a.bundle").version
    with pytest.raises(BreakdownError):
        break_down(tmp_path / "a.bundle", BreakdownError(), overwrite=True)
    assert Folder.open(tmp_path / "a.bundle").version == version
    assert [p.name for p in tmp_path.iterdir()] == ["a.bundle"]


def test_only_our_folders_are_overwritten(tmp_path):
    make(tmp_path / "a.bundle")
    with pytest.raises(FolderError, match="exists already"):
        make(tmp_path / "a.bundle")
    make(tmp_path / "a.bundle", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("x")
    with pytest.raises(FolderError, match="not written by gaia-latent"):
        make(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine/thesis.txt").exists()


def test_a_stage_is_written_renewed_and_forgotten(tmp_path):
    folder = make(tmp_path / "a.bundle")
    for number in (1, 2):
        with write_stage(folder, "map/joint", {"number": number}) as writer:
            writer.save_array("spaces/joint/map.npy", np.full(3, number))
        reopened = Folder.open(folder.path)
        assert reopened.verify() == 7
        assert reopened.stage("map/joint") == {"number": number}
        assert folder.array("spaces/joint/map.npy").tolist() == [number] * 3
    forget_stages(folder, {"map/joint"})
    assert Folder.open(folder.path).stage("map/joint") is None
    assert not (folder.path / "spaces/joint/map.npy").exists()
    assert Folder.open(folder.path).verify() == 6


def test_a_failed_stage_changes_nothing(tmp_path):
    folder = make(tmp_path / "a.bundle")
    version = folder.version
    with pytest.raises(FolderError), write_stage(folder, "map", {}) as writer:
        writer.save_text("../map.txt", "x")
    assert Folder.open(folder.path).version == version
    assert not [p for p in folder.path.iterdir() if "partial" in p.name]


KILLED = """
import os, pathlib, sys
import numpy as np
from latent_core.bundle import Folder, write_stage
moves = int(sys.argv[2])
real = pathlib.Path.replace
def replace(self, target):
    global moves
    if moves == 0:
        os._exit(9)
    moves -= 1
    return real(self, target)
pathlib.Path.replace = replace
folder = Folder.open(sys.argv[1])
with write_stage(folder, "map", {"new": True}) as writer:
    writer.save_array("map/one.npy", np.ones(3))
    writer.save_array("map/two.npy", np.ones(3))
"""


@pytest.mark.parametrize("moves", [0, 1, 2, 3, 4])
def test_a_kill_at_any_move_leaves_a_folder_that_opens(moves, tmp_path):
    folder = make(tmp_path / "a.bundle")
    with write_stage(folder, "map", {"new": False}) as writer:
        writer.save_array("map/one.npy", np.zeros(3))
        writer.save_array("map/two.npy", np.zeros(3))
    command = [sys.executable, "-c", KILLED, str(folder.path), str(moves)]
    assert subprocess.run(command, check=False).returncode == (9 if moves < 4 else 0)
    left = Folder.open(folder.path)
    left.verify()
    stage = left.stage("map")
    assert stage in (None, {"new": False}, {"new": True})
    assert ("map/one.npy" in left) == ("map/two.npy" in left) == (stage is not None)
    if stage:
        expected = float(stage["new"])
        assert left.array("map/one.npy").tolist() == [expected] * 3
    with write_stage(left, "map", {"again": True}) as writer:
        writer.save_array("map/one.npy", np.ones(3))
    assert Folder.open(folder.path).verify() == 7


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_full_disk_is_one_sentence(number, tmp_path):
    with pytest.raises(StorageError, match="free space") as refusal, disk_errors(tmp_path):
        raise OSError(number, os.strerror(number))
    assert refusal.value.exit_code == 74


def test_a_full_disk_leaves_no_folder(tmp_path):
    with pytest.raises(StorageError):
        break_down(tmp_path / "a.bundle", OSError(errno.ENOSPC, "No space left on device"))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_system_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), disk_errors(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "gone")


def test_json_and_arrays_that_no_reader_could_trust(tmp_path):
    with pytest.raises(ValueError), new_folder(tmp_path / "a.bundle", manifest()) as writer:
        writer.save_json("a.json", {"x": float("nan")})
    with pytest.raises(ValueError), new_folder(tmp_path / "a.bundle", manifest()) as writer:
        writer.save_array("a.npy", np.array([{}], dtype=object))
    assert list(tmp_path.iterdir()) == []
