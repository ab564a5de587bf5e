"""`fetch`: select sources, get their catalog columns and products in batches, make the survey."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latent_core.bundle import (
    MANIFEST,
    Folder,
    StageWriter,
    disk_errors,
    refuse_existing,
    replace_folder,
    write_stage,
)
from latent_core.catalog import SOURCE_ID
from latent_core.errors import IncompleteError, InputError
from latent_core.surveys.archive import adql
from latent_core.surveys.archive.asking import Request
from latent_core.surveys.archive.replies import one_row_a_source
from latent_core.surveys.archive.report import MISSING, REPORT, FetchReport, Missing
from latent_core.surveys.archive.services import Services
from latent_core.surveys.archive.work import Work, work_folder
from latent_core.surveys.gaia_files import ingest
from latent_core.surveys.rows import flags

Progress = Callable[[str, int, int], None]
Ids = NDArray[np.int64]
STAGE = "fetch"
ROUNDS = 4  # how often sources that did not come are asked for (astropy/astroquery#2973)
FAILURES_IN_A_ROW = 3  # then the archive is down, and going on helps nobody


def fetch(
    request: Request,
    out: Path,
    services: Services,
    *,
    overwrite: bool = False,
    incomplete: bool = False,
    progress: Progress | None = None,
) -> FetchReport:
    """Fetch what `request` asks for and write the survey folder `out`.

    What came is kept in `out`.fetch until the survey stands, so the same call goes on after a
    kill, and a resumed run writes the same bytes as an undisturbed one. With `incomplete`, the
    survey is made without the batches that failed. Raises IncompleteError where batches failed
    or the archive does not answer, InputError where it refuses, FolderError where `out` exists
    or its work folder keeps another request; nothing is written at `out` then.
    """
    out, tell = Path(out), progress or _silent
    identity = request.identity()
    if done := _finished(out, identity):
        return done
    refuse_existing(out, overwrite=overwrite)
    with Work.opened(work_folder(out), identity) as work:
        job = _Fetch(request, services, work, tell, incomplete)
        try:
            job.collect()
        except IncompleteError as error:
            raise IncompleteError(f"{error}; what came so far is kept in {work.path}") from error
        except InputError:
            work.remove_if_bare()  # the user will put the query right
            raise
        report = _write_survey(job, out)
        work.remove()
    return report


def _silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


def _finished(out: Path, identity: dict[str, Any]) -> FetchReport | None:
    """Return the report of a survey that was moved into place just before a kill."""
    work = Work(work_folder(out))
    if not (work.path.is_dir() and (out / MANIFEST).is_file()):
        return None
    folder = Folder.open(out)
    stage = folder.stage(STAGE)
    if stage is None or stage["request"] != identity or not work.is_placed(folder.version):
        return None
    work.remove()
    text = folder.file(REPORT).read_text(encoding="utf-8")
    return FetchReport(out, text, bool(stage["complete"]))


@dataclass
class _Fetch:
    """The parts of one fetch: selection, catalog chunks, batches of products."""

    request: Request
    services: Services
    work: Work
    tell: Progress
    incomplete: bool = False
    down: bool = False
    missing: Missing = field(default_factory=Missing)
    failures: list[str] = field(default_factory=list)
    chunks: list[str] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)
    ids: Ids = field(default_factory=lambda: np.empty(0, np.int64))

    def collect(self) -> None:
        """Bring every part into the work folder, and list what is missing."""
        self.ids = self._selection()
        catalog = self._catalog()
        for name in self.request.products:
            self._product(name, catalog)
        if self.failures and not self.incomplete:
            raise IncompleteError(
                f"{len(self.failures)} batches did not come ({self.failures[0]}); give the same "
                "command again, or add --incomplete to make the survey without them"
            )

    def _selection(self) -> Ids:
        """Return the ids asked for; other columns of free ADQL join the catalog's."""
        if self.request.ids is not None:
            return self.request.ids
        if self.request.query is None:
            raise InputError("there is neither a list of ids nor a query")
        if self.work.note("selection") is None:
            self.tell("select", 0, 1)
            rows = one_row_a_source(self.services.query(self.request.query))
            if not len(rows):
                raise InputError("the query selects no source", remedy="widen it")
            self.work.keep("selection", rows, {})
        self.tell("select", 1, 1)
        return self.work.rows("selection", [SOURCE_ID])[SOURCE_ID].to_numpy(np.int64)

    def _catalog(self) -> pd.DataFrame:
        """Fetch catalog columns in chunks; returns source_id and the flags of the products."""
        archive = self.request.archive
        query = adql.catalog_query(archive)
        wanted = [archive.products[name].flag for name in self.request.products]
        found = []
        for name, ids, number, total in _chunks("catalog", self.ids, archive.ids_per_upload):
            self.tell("catalog", number, total)
            self._part(name, ids, lambda few: self.services.query(query, few.tolist()))
            self.chunks.append(name)
            found.append(self.work.rows(name, [SOURCE_ID, *wanted]))
        self.tell("catalog", len(found), len(found))
        known = pd.concat(found, ignore_index=True)
        absent = np.setdiff1d(self.ids, known[SOURCE_ID].to_numpy())
        self.missing.drop("catalog")
        self.missing.add(absent, "catalog", f"not in {archive.schema}.gaia_source")
        return known

    def _product(self, name: str, catalog: pd.DataFrame) -> None:
        archive = self.request.archive
        flag = archive.products[name].flag
        has = flags(catalog[flag])
        ids = catalog[SOURCE_ID].to_numpy(np.int64)
        self.missing.add(ids[~has], name, f"the archive has none ({flag} is false)", held=False)
        in_a_row, self.received[name] = 0, 0
        for part, few, number, total in _chunks(name, np.sort(ids[has]), archive.ids_per_batch):
            self.tell(name, number, total)
            try:
                came = self._part(part, few, lambda asked: self._ask(name, asked))
                in_a_row, self.received[name] = 0, self.received[name] + came
                self.batches += [part] if came else []
            except IncompleteError as error:
                in_a_row += 1
                self._fail(part, few, error, give_up=in_a_row == FAILURES_IN_A_ROW)
            self.tell(name, number + 1, total)

    def _ask(self, name: str, ids: Ids) -> pd.DataFrame:
        if self.down:
            raise IncompleteError("not asked, as the archive does not answer")
        return self.services.product(name, ids)

    def _fail(self, part: str, ids: Ids, error: IncompleteError, *, give_up: bool) -> None:
        """List a batch that did not come; a few in a row mean that the archive is down."""
        self.failures.append(f"{part}: {error}")
        self.missing.add(ids, part.rsplit("-", 1)[0], "the archive did not answer")
        if give_up and not self.incomplete:
            raise error
        self.down = self.down or give_up

    def _part(self, name: str, ids: Ids, ask: Callable[[Ids], pd.DataFrame]) -> int:
        """Fetch one part unless it is kept; returns its rows and lists the ids it lacks."""
        note = self.work.note(name)
        if note is None:
            rows, absent = _ask_until_whole(ids, ask)
            note = self.work.keep(name, rows, {"missing": absent.tolist()})
        lacking = np.array(note["missing"], np.int64)
        reason = f"the archive did not send it, asked {ROUNDS} times"
        self.missing.add(lacking, name.rsplit("-", 1)[0], reason)
        return int(note["rows"])

    def files(self) -> list[Path]:
        """Return the files of the survey: the batches, and catalog rows of what they hold."""
        ids = [self.work.rows(name, [SOURCE_ID])[SOURCE_ID] for name in self.batches]
        received = pd.concat(ids, ignore_index=True).unique()
        names = list(self.batches)
        for number, chunk in enumerate(self.chunks):
            rows = self._with_selected_columns(self.work.rows(chunk))
            rows = rows[rows[SOURCE_ID].isin(received)].reset_index(drop=True)
            if len(rows):
                names.append(f"sources-{number:05d}")
                self.work.keep(names[-1], rows, {})
        return [self.work.file(name) for name in names]

    def _with_selected_columns(self, rows: pd.DataFrame) -> pd.DataFrame:
        if self.request.ids is not None:
            return rows
        selected = self.work.rows("selection")
        known = [name for name in selected if name in rows and name != SOURCE_ID]
        return rows.merge(selected.drop(columns=known), on=SOURCE_ID, how="left")


def _chunks(name: str, ids: Ids, size: int) -> Iterator[tuple[str, Ids, int, int]]:
    """Cut ids into parts NAME-00000, NAME-00001 ...; yields name, ids, number and total."""
    total = -(-len(ids) // size)
    for number in range(total):
        yield f"{name}-{number:05d}", ids[number * size : (number + 1) * size], number, total


def _ask_until_whole(ids: Ids, ask: Callable[[Ids], pd.DataFrame]) -> tuple[pd.DataFrame, Ids]:
    """Ask for ids, then for those that did not come; returns rows by id, and the ids missing."""
    frames, absent = [], ids
    for _ in range(ROUNDS):
        if not len(absent):
            break
        rows = ask(absent)
        frames.append(rows)
        absent = np.setdiff1d(absent, rows[SOURCE_ID].to_numpy())
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    rows = pd.concat(filled, ignore_index=True)
    return one_row_a_source(rows.sort_values(SOURCE_ID, ignore_index=True)), absent


def _write_survey(job: _Fetch, out: Path) -> FetchReport:
    if not any(job.received.values()):
        raise IncompleteError(
            f"no product of the {len(job.ids):,} sources came, so there is nothing to explore; "
            f"{job.missing.summary()}"
        )
    place = job.work.path / "survey"
    shutil.rmtree(place, ignore_errors=True)
    taken = ingest(job.files(), place, name=out.stem, progress=job.tell)
    taken = replace(taken, path=Path(out.name))  # not where it lay while it was made
    folder = Folder.open(place, "survey")
    complete = job.missing.is_empty_of_held
    text = job.missing.report(job.request.archive.url, len(job.ids), job.received, taken.text())
    provenance = {
        "request": job.request.identity(),
        "adql": job.request.queries(),
        "sources_asked": len(job.ids),
        "received": job.received,
        "missing": job.missing.counts(),
        "complete": complete,
    }
    with write_stage(folder, STAGE, provenance) as writer:
        _write_missing(writer, job.missing)
        queries = [f"{what}: {query}\n" for what, query in job.request.queries().items()]
        writer.save_text(REPORT, text + "".join(queries))
    job.work.mark_placed(folder.version)
    with disk_errors(out):
        replace_folder(place, out)
    return FetchReport(out, text, complete)


def _write_missing(writer: StageWriter, missing: Missing) -> None:
    frame = missing.frame()
    if len(frame):
        frame.to_parquet(writer.path(MISSING), index=False, compression="zstd")
        writer.add(MISSING)
