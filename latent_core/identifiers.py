"""Lists of source identifiers as people paste them: any separators, designations, headers.

A wrong entry is refused alone, with its line and the reason; the others are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latent_core.catalog import SOURCE_ID, parse_source_id
from latent_core.errors import InputError

LONGEST_SHOWN = 40
# `Gaia DR3 42` is one entry; the release belongs to the digits behind it
_ENTRY = re.compile(
    r"(?:gaia[ \t_]*(?P<release>e?dr[1-9])[ \t_:]*)?(?P<text>[^\s,;|\[\](){}\"'`]+)",
    re.IGNORECASE,
)
_RELEASE = re.compile(r"e?(dr[1-9])", re.IGNORECASE)
# the digits of DR2 name other sources than those of DR3; EDR3 and DR3 share theirs
_HEADERS = frozenset({SOURCE_ID, "designation", "sourceid", "id", "ids", "source"})
FAST_DIGITS = 18  # as many nines stay below 2^63


class RefusedEntry(NamedTuple):
    """An entry that is no identifier: its line from 1, its first characters, and why."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True)
class IdList:
    """Identifiers in the order given, (M,) int64 unique; what was refused, repeated, not read."""

    ids: NDArray[np.int64]
    refused: tuple[RefusedEntry, ...] = ()
    repeated: int = 0
    unread: int = 0


def read_ids(text: str, most: int, release: str = "") -> IdList:
    """Read identifiers from pasted text; lines that begin with `#` are left out.

    Entries are separated by anything but letters, digits and signs. `release` (`gaia_dr3`) is
    the bundle's: a designation of another release is refused. At most `most` are taken, the
    others are counted as `unread`.
    """
    taken: dict[int, None] = {}
    refused: list[RefusedEntry] = []
    repeated = unread = 0
    for number, (line, said, entry) in enumerate(_entries(text)):
        if number == 0 and not said and entry.lower() in _HEADERS:
            continue
        if len(taken) + len(refused) >= most:
            unread += 1
            continue
        try:
            source_id = read_id(entry, said, release)
        except InputError as error:
            refused.append(RefusedEntry(line, shown(f"{said} {entry}".strip()), str(error)))
            continue
        repeated += source_id in taken
        taken[source_id] = None
    return IdList(np.fromiter(taken, np.int64, len(taken)), tuple(refused), repeated, unread)


def _entries(text: str) -> Iterable[tuple[int, str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.lstrip().startswith("#"):
            for found in _ENTRY.finditer(line):
                yield number, found["release"] or "", found["text"]


def read_id(entry: str, said: str = "", release: str = "") -> int:
    """Read one identifier; `said` is the release that its designation names, "" where none.

    Raises InputError where it is no identifier, or one of another release.
    """
    ours, theirs = (_plain_release(name) for name in (release, said))
    if ours and theirs and ours != theirs:
        raise InputError(
            f"this is an identifier of {theirs.upper()}, the sources here are of {ours.upper()}",
            remedy="the same digits name other sources; cross-match the releases first",
        )
    if len(entry) <= FAST_DIGITS and entry.isascii() and entry.isdigit():
        return int(entry)
    if _is_rounded(entry):
        raise InputError(
            f"{shown(entry)} went through a floating-point number and lost its last digits",
            remedy="export the list again with whole digits",
        )
    return parse_source_id(entry)


def _plain_release(name: str) -> str:
    found = _RELEASE.search(name)
    return found[1].lower() if found else ""


def _is_rounded(entry: str) -> bool:
    return re.fullmatch(r"\d{1,3}(\.\d{1,20})?[eE]\+?\d{2}", entry[:LONGEST_SHOWN]) is not None


def shown(text: str) -> str:
    """Return the first characters of an entry, those that cannot be printed as `?`."""
    cut = text[:LONGEST_SHOWN] + ("..." if len(text) > LONGEST_SHOWN else "")
    return "".join(c if c.isprintable() else "?" for c in cut)
