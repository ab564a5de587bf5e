"""What the choice of real rows explains: real tables differ from each other, too.

Tables of real rows are chosen by somebody for something. Where two of them differ in the same
quantity of the same class, a simulated survey cannot agree with both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from latent_core.comparison.distances import FEWEST, kolmogorov
from latent_core.comparison.marginals import MIXED, Marginal

# quantities that tell of the choice of rows: a finer class may be held against its whole class
OF_CHOICE = ("g", "bp_rp", "transits", "span")
NEARLY_ALL = 0.75  # of its class: such a finer class may be held against it in every quantity


def with_selection(found: Sequence[Marginal], real: Sequence[str]) -> list[Marginal]:
    """Return all marginals, with the largest distance from the same class in other real inputs.

    `real` names the inputs with real rows. Groups of several classes take the mean of their
    classes, weighted by sources.
    """
    told = [m if m.group == MIXED else _told(m, found, real) for m in found]
    return [_mixed(m, told) if m.group == MIXED else m for m in told]


def _told(m: Marginal, found: Sequence[Marginal], real: Sequence[str]) -> Marginal:
    if m.other not in real or not m.fair:
        return m
    same = [x for x in found if x.other in real and x.other != m.other and _same(m, x)]
    gaps = [kolmogorov(m.other_values, x.other_values) for x in same]
    return replace(m, selection=max(gaps)) if gaps else m


def _same(m: Marginal, x: Marginal) -> bool:
    if (x.quantity, x.bin) != (m.quantity, m.bin) or len(x.other_values) < FEWEST:
        return False
    if x.group == m.group:
        return True
    alike = x.group == m.parent or x.parent == m.group or x.parent == m.parent
    near = m.quantity in OF_CHOICE or min(m.share, x.share) >= NEARLY_ALL
    return near and alike and MIXED not in (x.group, m.group)


def _mixed(m: Marginal, told: Sequence[Marginal]) -> Marginal:
    parts = [
        (x.selection, x.found.other_sources)
        for x in told
        if (x.quantity, x.other) == (m.quantity, m.other) and x.selection is not None
    ]
    if not parts:
        return m
    values, weights = np.array(parts, float).T
    return replace(m, selection=float(np.average(values, weights=weights)))
