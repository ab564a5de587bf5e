"""Files of strangers are read in a process of their own, with bounds on memory, time and disk.

A file made to exhaust a reader then ends that process and nothing else (reliability.md, 4.4).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from latent_core.errors import InputError, LatentError
from latent_core.release import Release, find_release, load_release
from latent_core.surveys.brought import Brought, bring, open_brought, save_brought

_REFUSED = "refused.txt"
_RELEASE = "release.toml"
_POLL_S = 0.05


class CancelledError(LatentError):
    """The visitor does not want the answer any more."""


@dataclass(frozen=True)
class Bounds:
    """What the process may use: address space and written files in bytes, time in seconds."""

    memory: int = 6 * 2**30
    written: int = 2**30
    seconds: int = 120
    sources: int = 5000


def bring_apart(
    files: Sequence[Path],
    names: Sequence[str],
    folder: Path,
    *,
    release: Release | None = None,
    most: int,
    bounds: Bounds | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Brought:
    """Read files as `bring` does, in another process; `names` are what a person calls them.

    Raises InputError as `bring` does, or where a bound was reached; CancelledError once `stopped`.
    """
    bounds = bounds or Bounds()
    settings = (bounds.memory, bounds.written, bounds.seconds, most)
    told = folder / _RELEASE  # a bundle may carry a release that does not come with the program
    told.write_text((release or load_release()).text, encoding="utf-8")
    child = subprocess.Popen(  # noqa: S603 - our own module, our own names of files
        [sys.executable, "-m", __name__, str(folder), *map(str, settings),
         *(str(Path(file).absolute()) for file in files)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        code = _wait(child, bounds.seconds, stopped)
    finally:
        child.kill()
        child.wait()
    if code != 0:
        raise InputError(_named(_why(folder, bounds), files, names))
    found = open_brought(folder)
    if found.survey is not None and len(found.survey.catalog) > bounds.sources:
        raise InputError(
            f"{len(found.survey.catalog):,} sources with data are too many for the screen",
            remedy=f"bring at most {bounds.sources:,}, or run gaia-latent place",
        )
    rejected = found.rejected
    said = rejected["file"].map(lambda text: _named(text, files, names))
    return Brought(found.survey, found.told, rejected.assign(file=said))


def _wait(child: subprocess.Popen[bytes], seconds: int, stopped: Callable[[], bool]) -> int:
    end = time.monotonic() + seconds
    while child.poll() is None and time.monotonic() < end:
        if stopped():
            raise CancelledError("cancelled")
        time.sleep(_POLL_S)
    return 1 if child.returncode is None else child.returncode


def _why(folder: Path, bounds: Bounds) -> str:
    said = folder / _REFUSED
    if said.exists():
        return said.read_text(encoding="utf-8")
    return (
        f"the file took more than {bounds.seconds} s or {bounds.memory / 2**30:.0f} GiB to read; "
        "split it, or run gaia-latent place"
    )


def _named(text: str, files: Sequence[Path], names: Sequence[str]) -> str:
    for file, name in zip(files, names, strict=True):
        text = text.replace(str(Path(file).absolute()), name)
    return text


def _bound(memory: int, written: int, seconds: int) -> None:
    import resource

    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, written),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        _, ceiling = resource.getrlimit(kind)
        allowed = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        resource.setrlimit(kind, (allowed, allowed))


def main(arguments: Sequence[str]) -> int:
    """Read files within bounds; the reason for a refusal is left as text in the folder."""
    folder, release = Path(arguments[0]), find_release(Path(arguments[0]) / _RELEASE)
    memory, written, seconds, most = map(int, arguments[1:5])
    if sys.platform != "win32":
        _bound(memory, written, seconds)
    try:
        save_brought(bring([Path(a) for a in arguments[5:]], folder, release=release, most=most),
                     folder)  # fmt: skip
    except (LatentError, MemoryError) as error:
        text = str(error) or "the file needs more memory than is allowed; split it"
        (folder / _REFUSED).write_text(text, encoding="utf-8")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
