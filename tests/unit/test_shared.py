"""What sessions share is bounded by bytes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from dashboard.shared import Shelf, bytes_of


def test_the_least_used_result_goes_first_when_bytes_run_out():
    shelf, made = Shelf(most=100), []

    def ask(key, size=40):
        return shelf.get(key, lambda: made.append(key) or np.zeros(size, np.uint8))

    first = ask("a")
    ask("b")
    assert ask("a") is first
    ask("c")
    assert (made, shelf.held, len(shelf)) == (["a", "b", "c"], 80, 2)
    ask("a")
    assert made == ["a", "b", "c"]
    ask("b")
    assert made == ["a", "b", "c", "b"]


def test_one_result_larger_than_the_shelf_is_kept_alone():
    shelf = Shelf(most=100)
    shelf.get("small", lambda: np.zeros(10, np.uint8))
    shelf.get("large", lambda: np.zeros(200, np.uint8))
    assert (len(shelf), shelf.held) == (1, 200)
    shelf.clear()
    assert (len(shelf), shelf.held) == (0, 0)


def test_a_files_map_costs_nothing(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(100))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert bytes_of(np.asarray(mapped)[10:]) == 0
    assert bytes_of(np.array(mapped)) == 800
    assert bytes_of(SimpleNamespace(codes=np.zeros(5, np.int8), values=mapped, name="x")) == 5
