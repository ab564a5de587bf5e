"""A simulated survey: its blocks, streamed into a folder, or any of its rows alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from latent_core.bundle import Manifest, new_folder, partial_of, refuse_existing
from latent_core.errors import InputError
from latent_core.surveys.simulated.block import BLOCK_ROWS, Block, joined
from latent_core.surveys.simulated.making import Options, make_blocks
from latent_core.surveys.simulated.missing import Xp
from latent_core.surveys.simulated.sky import SUFFIX_BITS
from latent_core.surveys.simulated.writing import (
    CHECKPOINT,
    forget_other,
    recipe_of,
    survey_stream,
)
from latent_core.version import __version__

Progress = Callable[[str, int, int], None]
STAGE = "simulate"
LARGEST_ROW = 2**SUFFIX_BITS - 2  # the id of a source ends with its row + 1


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
    so a larger survey of a seed begins with the rows of a smaller one. (Another processor or
    another numpy may round the last bit otherwise.) Blocks go to the disk as
    they are made: memory does not grow with `sources`. What is interrupted leaves no survey; the
    same call goes on from the last checkpoint. `progress` is called with (stage, done, total).
    Raises FolderError where `out` exists and may not be overwritten.
    """
    out, options = Path(out), options or Options()
    refuse_existing(out, overwrite=overwrite)
    manifest = _manifest(f"simulated-{sources}-seed-{seed}", f"seed {seed}", options)
    recipe = recipe_of(sources, seed, options)
    forget_other(partial_of(out), recipe)
    with (
        new_folder(out, manifest, overwrite=overwrite, checkpoint=CHECKPOINT) as writer,
        survey_stream(writer, recipe) as stream,
    ):
        numbers = range(stream.rows // BLOCK_ROWS, -(-sources // BLOCK_ROWS))
        for block in make_blocks(seed, numbers, options):
            stream.append(block.first(sources - stream.rows))
            if progress:
                progress(STAGE, stream.rows, sources)
            if stream.is_due and stream.rows < sources:
                stream.save_checkpoint()
    return out


def simulate_rows(seed: int, rows: Sequence[int], *, options: Options | None = None) -> Block:
    """Make any rows of the survey of a seed, in the order asked for, as the whole survey has them.

    Raises InputError for a row below 0 or above LARGEST_ROW, or one that is asked for twice.
    """
    rows = [int(row) for row in rows]
    if not rows or min(rows) < 0 or max(rows) > LARGEST_ROW or len(set(rows)) < len(rows):
        raise InputError(
            f"rows of a simulated survey count from 0 to {LARGEST_ROW}, each is asked for once"
        )
    asked = np.array(rows, np.int64)
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
    with (
        new_folder(Path(out), _manifest(name, what, options), overwrite=overwrite) as writer,
        survey_stream(writer, {}) as stream,
    ):
        stream.append(block)
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
