"""Ingest every damaged variant of a format in a process that may use 1 GB; print what broke.

Run as `python damage_child.py FORMAT FOLDER`; the last line it prints is JSON.
"""

import gc
import json
import os
import re
import resource
import shutil
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from damage import (
    BYTE_DAMAGES,
    DAMAGES,
    HARMLESS,
    damaged_bytes,
    damaged_cells,
    no_rows,
    nothing,
    products,
    to_parquet,
)

from latent_core.bundle import Folder
from latent_core.errors import InputError
from latent_core.surveys.gaia_files import ingest

MEMORY = 2**30  # bytes
WHOLE_FILE = {no_rows, nothing}  # damage that has no row or column of its own
PLACE = re.compile(r"\brows? \d|\bcolumns?\b|\barray\b|_id\b")


def kilobytes(key):
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"{key}:\s+(\d+) kB", text).group(1)) * 1024


def limit_memory():
    """Let the address space grow by what is left of MEMORY: more cannot become resident."""
    most = kilobytes("VmSize") + MEMORY - kilobytes("VmRSS")
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def content_of(survey):
    """Arrays and catalog of a survey, by name."""
    folder = Folder.open(survey, "survey")
    folder.verify()
    found = {n: np.load(folder.file(n)) for n in folder.names() if n.endswith(".npy")}
    frame = folder.catalog.frame
    return found | {f"catalog {name}": frame[name].to_numpy() for name in sorted(frame)}


def same(one, other):
    assert set(one) == set(other), set(one) ^ set(other)
    for name, values in one.items():
        if values.dtype.kind in "fc":
            # epoch_flux and magnitudes are text in CSV, which keeps every digit
            np.testing.assert_allclose(other[name], values, rtol=1e-6, err_msg=name)
        else:
            assert list(map(str, values)) == list(map(str, other[name])), name


class Trial:
    """One folder in which variants are ingested, one after the other."""

    def __init__(self, folder, extension):
        self.folder, self.file = folder, folder / f"damaged.{extension}"
        self.out = folder / "out.survey"

    def ingest(self, content):
        """Return the refusal, None, or None and the report of a whole survey."""
        self.file.write_bytes(content)
        shutil.rmtree(self.out, ignore_errors=True)
        try:
            return None, ingest([self.file], self.out, periods=False)
        except InputError as error:
            self.check_refusal(error)
            return error, None

    def check_refusal(self, error):
        said = str(error)
        assert error.exit_code == 2
        assert said.startswith(str(self.file)), said
        assert "\n" not in said, said
        assert 10 < len(said) - len(str(self.file)) < 600, said
        assert [p.name for p in self.folder.iterdir()] == [self.file.name], "left something"

    def check_survey(self, report):
        folder = Folder.open(self.out, "survey")
        assert report.rows_in == report.rows_kept + report.rows_rejected
        assert len(folder.catalog) == report.sources
        listed = pd.DataFrame({"row": [], "reason": []})
        if "rejected.parquet" in folder:
            listed = pd.read_parquet(folder.file("rejected.parquet"))
            assert listed.reason.str.len().min() > 5
            assert listed.row.min() >= 1
        assert len(listed) == report.rows_rejected
        assert sorted(p.name for p in self.folder.iterdir()) == [self.file.name, self.out.name]


class Damage:
    """All variants of a format, and what broke."""

    def __init__(self, trial, whole):
        self.trial, self.whole = trial, whole
        self.counts, self.broken = Counter(), []

    def attempt(self, damage, check, *variant):
        self.counts["variants"] += 1
        self.counts[damage.__name__] += 1
        try:
            check(damage, *variant)
        except Exception:  # noqa: BLE001 - whatever escapes is what this test looks for
            number, said = self.counts["variants"], traceback.format_exc()[-1500:]
            self.broken.append(f"{damage.__name__} {number}: {said}")

    def cells(self, damage, key, content):
        refusal, report = self.trial.ingest(content)
        self.counts["refused" if refusal else "ingested"] += 1
        if refusal is not None:
            assert damage not in HARMLESS, refusal
            assert damage in WHOLE_FILE or PLACE.search(str(refusal)), f"no place: {refusal}"
            return
        self.trial.check_survey(report)
        if damage in HARMLESS:
            assert report.rows_rejected == 0
            same(self.whole[key], content_of(self.trial.out))

    def octets(self, damage, content):
        refusal, report = self.trial.ingest(content)
        self.counts["refused bytes" if refusal else "ingested bytes"] += 1
        if refusal is None:
            self.trial.check_survey(report)


def run(extension, folder):
    trial = Trial(folder, extension)
    whole = {}
    for key, frame in products().items():
        refusal, _ = trial.ingest(to_parquet(frame, None))
        assert refusal is None, refusal
        whole[key] = content_of(trial.out)
    limit_memory()
    gc.freeze()  # what was imported need not be looked through again
    tried = Damage(trial, whole)
    for key, damage, content in damaged_cells(extension):
        tried.attempt(damage, tried.cells, key, content)
    for damage, content in damaged_bytes(extension):
        tried.attempt(damage, tried.octets, content)
    never = [d.__name__ for d in (*DAMAGES, *BYTE_DAMAGES) if not tried.counts[d.__name__]]
    return {
        "counts": tried.counts,
        "broken": tried.broken,
        "never": never,
        # not ru_maxrss: a child begins with the most its parent ever had
        "most_memory": kilobytes("VmHWM"),
        "cpu_s": time.process_time(),
    }


if __name__ == "__main__":
    os.fsync = lambda _: None  # thousands of surveys that nobody keeps
    sys.stdout.write(json.dumps(run(sys.argv[1], Path(sys.argv[2]))) + "\n")
