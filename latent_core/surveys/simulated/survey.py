"""A simulated survey: its blocks, streamed into a folder, or any of its rows alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from latent_core.bundle import CATALOG, Manifest, StageWriter, new_folder, refuse_existing
from latent_core.catalog import KNOWN_COLUMNS, catalog_stream
from latent_core.errors import InputError
from latent_core.products import EpochPhotometry, XpCoefficients, product_stream
from latent_core.surveys.simulated.block import BLOCK_ROWS, COLUMNS, ORIGIN, Block, joined
from latent_core.surveys.simulated.making import Options, make_blocks
from latent_core.surveys.simulated.missing import Xp
from latent_core.truth import save_truth
from latent_core.version import __version__

Progress = Callable[[str, int, int], None]
STAGE = "simulate"


def simulate(
    sources: int,
    seed: int,
    out: Path,
    *,
    options: Options | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a survey folder of `sources` simulated variable sources; returns its path.

    The same seed gives the same rows: block b of 1,000 rows has its own generator of (seed, b),
    so a larger survey of a seed begins with the rows of a smaller one. Blocks go to the disk as
    they are made: memory does not grow with `sources`. What is interrupted leaves nothing.
    `progress` is called with (stage, done, total). Raises FolderError where `out` exists and may
    not be overwritten.
    """
    options = options or Options()
    refuse_existing(Path(out), overwrite=overwrite)
    manifest = _manifest(f"simulated-{sources}-seed-{seed}", f"seed {seed}", options)
    numbers = range(-(-sources // BLOCK_ROWS))

    def parts() -> Iterable[Block]:
        done = 0
        for block in make_blocks(seed, numbers, options):
            part = block.first(sources - done)
            yield part
            done += len(part)
            if progress:
                progress(STAGE, done, sources)

    with new_folder(Path(out), manifest, overwrite=overwrite) as writer:
        _write(writer, parts())
    return Path(out)


def simulate_rows(seed: int, rows: Sequence[int], *, options: Options | None = None) -> Block:
    """Make any rows of the survey of a seed, in the order asked for, as the whole survey has them.

    Raises InputError for a row below 0 or one that is asked for twice.
    """
    asked = np.array(rows, np.int64)
    if not len(asked) or asked.min() < 0 or len(np.unique(asked)) != len(asked):
        raise InputError("rows of a simulated survey count from 0, each is asked for once")
    numbers, owner = np.unique(asked // BLOCK_ROWS, return_inverse=True)
    found = []
    for place, block in enumerate(
        make_blocks(seed, [int(n) for n in numbers], options or Options())
    ):
        found.append(block.take(asked[owner == place] % BLOCK_ROWS))
    # blocks came in rising order, each with its rows as they were asked for
    order = np.argsort(np.argsort(owner, kind="stable"))
    return joined(found).take(order)


def write_rows(
    seed: int,
    rows: Sequence[int],
    out: Path,
    *,
    options: Options | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a survey folder that holds only some rows of the survey of a seed, in their order."""
    options = options or Options()
    refuse_existing(Path(out), overwrite=overwrite)
    block = simulate_rows(seed, rows, options=options)
    name, what = f"simulated-{len(block)}-rows-of-seed-{seed}", f"some rows of seed {seed}"
    with new_folder(Path(out), _manifest(name, what, options), overwrite=overwrite) as writer:
        _write(writer, [block])
    return Path(out)


def _manifest(name: str, what: str, options: Options) -> Manifest:
    spectra = "" if options.xp is Xp.DR3 else "; spectra of faint sources too, as DR4 will have"
    return Manifest(
        kind="survey",
        name=name,
        release="gaia_dr3",
        simulated=True,
        code_version=__version__,
        description=f"SIMULATED variable sources ({what}): no row was ever observed; drawn "
        f"from summary figures of real Gaia DR3 sources{spectra}",
    )


def _write(writer: StageWriter, blocks: Iterable[Block]) -> None:
    """Stream blocks into a folder: catalog, spectra, light curves; then the truth table."""
    own = {column.name for column in COLUMNS}
    columns = COLUMNS + tuple(c for c in KNOWN_COLUMNS.values() if c.name not in own)
    done, planted = 0, []
    with ExitStack() as stack:
        catalog = stack.enter_context(
            catalog_stream(writer.path(CATALOG), columns, simulated=True)
        )
        spectra = stack.enter_context(product_stream(writer, XpCoefficients, ORIGIN))
        curves = stack.enter_context(product_stream(writer, EpochPhotometry, ORIGIN))
        for block in blocks:
            catalog.append(block.frame)
            spectra.append(block.coefficients(done))
            curves.append(block.photometry(done))
            planted.append(block.planted(done))
            done += len(block)
    writer.add(CATALOG)
    save_truth(writer, pd.concat(planted, ignore_index=True))
