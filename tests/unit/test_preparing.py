"""What runs beside the server: files are checked in order of need, damage is one sentence."""

from __future__ import annotations

import threading
import time

import pytest
from corners import write_bundle

from dashboard.preparing import (
    check_files,
    in_order_of_need,
    load_models,
    prepare,
    search_once,
)
from latent_core import Bundle
from latent_core.errors import FolderError


@pytest.fixture
def bundle(tmp_path):
    return Bundle.open(write_bundle(tmp_path / "corners.bundle"))


def change(bundle, name):
    file = bundle.folder.path / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_what_a_page_shows_first_is_checked_first(bundle):
    names = in_order_of_need(bundle.folder)
    assert sorted(names) == list(bundle.folder.names())
    starts = [name.split("/")[0] for name in names]
    first = [starts.index(s) for s in ("spaces", "columns", "models") if s in starts]
    assert first == sorted(first)
    assert starts.index("spaces") == 0
    assert starts.index("catalog.parquet") > max(first)


def test_all_files_are_checked_and_each_damaged_one_is_said(bundle):
    heard = []
    damaged = [n for n in bundle.folder.names() if n.endswith(("coordinates.npy", ".parquet"))]
    for name in damaged:
        change(bundle, name)
    assert check_files({"b": bundle}, heard.append) == len(damaged) == len(heard) >= 2
    assert all("was changed after it was written" in s and "\n" not in s for s in heard)
    for name in bundle.folder.names():
        if name in damaged:
            with pytest.raises(FolderError):
                bundle.folder.file(name)


def test_a_file_is_hashed_once_whoever_asks(bundle, monkeypatch):
    import latent_core.bundle as module

    hashed, start = [], threading.Barrier(4)
    original = module.sha256_of

    def slow(path):
        hashed.append(path.name)
        time.sleep(0.1)  # long enough for the others to come
        return original(path)

    monkeypatch.setattr(module, "sha256_of", slow)
    folder = type(bundle.folder).open(bundle.folder.path)

    def ask():
        start.wait()
        folder.file("catalog.parquet")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hashed == ["catalog.parquet"]


def test_checking_stops_when_it_is_told(bundle):
    bundle.folder._verified.clear()
    stop = threading.Event()
    stop.set()
    assert check_files({"b": bundle}, print, stop) == 0
    assert not bundle.folder._verified


def test_preparing_ends_and_damaged_models_are_said(bundle, monkeypatch):
    heard = []
    done = threading.Event()
    monkeypatch.setattr(type(bundle), "model_names", ("gone",))

    def said(sentence):
        heard.append(sentence)
        done.set()

    prepare({"b": bundle}, 0.0, said)
    assert done.wait(30)
    assert "gone" in heard[0]
    load_models({"b": bundle}, heard.append)
    assert len(heard) == 2


def test_a_search_before_the_first_visitor_opens_the_index_or_says_what_is_damaged(bundle):
    heard = []
    search_once({"b": bundle}, heard.append)
    assert heard == []
    assert "index" in vars(bundle.space())
    change(bundle, f"spaces/{bundle.spaces[0]}/latents.npy")
    again = Bundle.open(bundle.folder.path)
    search_once({"b": again}, heard.append)
    assert len(heard) == 1
    assert "was changed after it was written" in heard[0]
