"""Maps of landmarks with the rest placed, against the full UMAP and umap.transform, of the same
made-up sources: what each costs, and what it keeps of sources that are no landmarks.

`python benchmarks/bench_map.py [SOURCES LANDMARKS]` for other numbers. Trustworthiness and
neighbors kept are measured on the same held-out sources for every way; the full map had them in
its input, which is what the other ways go without. Times are CPU seconds of one run, with umap's
compilation (numba's, once a process) taken before.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from made_up_bundle import CLASSES, INNER, bent
from measuring import MOST, Figure, cpu_times, report
from sklearn.manifold import trustworthiness

from latent_core.config import MAP_METHODS, MapSettings
from latent_core.evaluation import fold_neighbors, label_agreement
from latent_core.landmarks import choose_landmarks
from latent_core.map_quality import measure_map
from latent_core.maps import coordinates_of
from latent_core.projection import Placer

SIZES = {20_000: (4_000, 800), 1_000_000: (20_000, 4_000)}
SOURCES, LANDMARKS = SIZES.get(MOST, (100_000, 20_000))
PLACED, PLACED_AMONG = min(4 * MOST // 10, 4_000_000), min(MOST // 50, 200_000)
AT_ONCE = 200_000
TRUST_KEPT = 90.0  # % of the full map's trustworthiness, on held-out sources
LIMIT_4M, LIMIT_ONE = 60.0, 0.1
LABELLED, TRANSFORMED = 10_000, 1000


@dataclass(frozen=True)
class Drawn:
    """A map of all sources (N, 2), what it cost in CPU seconds, and what it keeps (held out)."""

    cost: float
    kept: float
    trust: float
    agreement: float


def sources(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z-scores (N, 15), labels and ids of made-up sources, a tenth of them scattered."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(CLASSES), count, p=rng.dirichlet(np.full(len(CLASSES), 2.0)))
    centres = rng.uniform(-3, 3, (len(CLASSES), INNER))
    spread = rng.uniform(0.1, 0.6, (len(CLASSES), 1))[labels]
    z = bent(rng, centres[labels] + spread * rng.standard_normal((count, INNER)))
    z = ((z - z.mean(axis=0)) / z.std(axis=0)).astype(np.float32)
    return z, labels, rng.permutation(np.arange(count, dtype=np.int64) * 1009 + (1 << 58))


def timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.process_time()
    made = work()
    return made, time.process_time() - start


def judge(
    z: np.ndarray, xy: np.ndarray, labels: np.ndarray, known: np.ndarray, cost: float
) -> Drawn:
    """Measure a map on the sources that are no landmarks."""
    held_out = measure_map(lambda rows: z[rows], xy, known)["placed"]
    some = np.random.default_rng(1).choice(np.flatnonzero(~known), min(LABELLED, (~known).sum()))
    nearest = fold_neighbors(xy[some])
    said = label_agreement(nearest, np.asarray(CLASSES, object)[labels[some]])
    kept, trust = held_out["neighbors_kept"], held_out["trustworthiness_in_sample"]
    return Drawn(cost, 100 * kept, trust, said["accuracy_percent"])


def of_landmarks(method: str, z: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Map landmarks and place the rest; returns places and the CPU seconds of both."""
    xy = np.empty((len(z), 2), np.float32)
    drawn, mapping = timed(lambda: coordinates_of(z[rows], method, MapSettings()))
    others = np.setdiff1d(np.arange(len(z)), rows)
    xy[rows] = drawn
    xy[others], placing = timed(lambda: Placer(z[rows], drawn).place(z[others]))
    return xy, mapping, placing


def by_transform(
    z: np.ndarray, rows: np.ndarray, known: np.ndarray, full: np.ndarray, text: str
) -> list[Figure]:
    """Fit stock umap-learn on the landmarks and let it transform a few held-out sources.

    It costs hundreds of times as much a source, so that only TRANSFORMED are asked; the full map's
    trustworthiness is measured on the same ones.
    """
    mapper = stock_umap().fit(z[rows])
    some = np.flatnonzero(~known)[:TRANSFORMED]
    mapper.transform(z[some[:50]])  # compiles
    xy, placing = timed(lambda: mapper.transform(z[some]))
    ours, theirs = (
        trustworthiness(z[some], places, n_neighbors=15) for places in (xy, full[some])
    )
    name = f"umap.transform, {text}"
    return [
        Figure(f"{name}: placing one source", placing / len(some) * 1e6, "us"),
        Figure(f"{name}: trustworthiness, share of the full map's", 100 * ours / theirs, "%"),
    ]


def stock_umap() -> Any:
    import umap

    settings = MapSettings()
    return umap.UMAP(
        n_neighbors=settings.neighbors,
        min_dist=settings.min_dist,
        n_epochs=settings.epochs,
        random_state=settings.seed,
        n_jobs=1,
    )


def maps_of(count: int, landmarks: int) -> list[Figure]:
    z, labels, ids = sources(count)
    small = np.arange(600)
    coordinates_of(z[small], "umap", replace(MapSettings(), epochs=5))
    rows, choosing = timed(lambda: choose_landmarks(lambda r: z[r], ids, landmarks))
    known = np.isin(np.arange(count), rows)
    others = count - landmarks
    xy, cost = timed(lambda: coordinates_of(z, "umap", MapSettings()))
    full = judge(z, xy, labels, known, cost)
    text = f"{count:,} sources, {landmarks:,} landmarks"
    figures = [
        Figure(f"choosing landmarks, {text}", choosing, "s"),
        *described(f"full UMAP of {count:,}", full, None),
    ]
    for method, name in MAP_METHODS.items():
        placed, mapping, placing = of_landmarks(method, z, rows)
        drawn = judge(z, placed, labels, known, mapping + placing)
        what = f"{name} landmarks, {text}"
        figures += described(what, drawn, full)
        figures.append(Figure(f"{what}: placing one source", placing / others * 1e6, "us"))
    return [*figures, *by_transform(z, rows, known, xy, text)]


def described(what: str, drawn: Drawn, full: Drawn | None) -> list[Figure]:
    """Return cost, trustworthiness, neighbors kept and label agreement beside the full map's."""
    against = "full UMAP" if full else ""
    figures = [
        Figure(f"{what}: CPU", drawn.cost, "s", full and full.cost, against),
        Figure(f"{what}: trustworthiness, held out", 100 * drawn.trust, "%"),
        Figure(f"{what}: of 15 kept, held out", drawn.kept, "%", full and full.kept, against),
        Figure(
            f"{what}: label agreement, held out",
            drawn.agreement,
            "%",
            full and full.agreement,
            against,
        ),
    ]
    if full:
        share = 100 * drawn.trust / full.trust
        name = f"{what}: trustworthiness, share of the full map's"
        figures[1:2] = [Figure(name, share, "%", limit=TRUST_KEPT)]
    return figures


def placing(count: int, landmarks: int) -> list[Figure]:
    """Place as many as a survey has among as many landmarks as a build takes."""
    z, _, _ = sources(landmarks + AT_ONCE)
    places = np.random.default_rng(2).uniform(-10, 10, (landmarks, 2)).astype(np.float32)
    start = time.process_time()
    placer = Placer(z[:landmarks], places)
    new = z[landmarks:]
    placer.place(new[:10])
    for done in range(0, count, AT_ONCE):
        placer.place(new[: min(AT_ONCE, count - done)])
    spent = time.process_time() - start
    one = cpu_times(lambda i: placer.place(new[i : i + 1]), 2000)
    text = f"{count:,} x {z.shape[1]} sources among {landmarks:,} landmarks"
    return [
        Figure(f"placing {text}", spent, "s", limit=LIMIT_4M),
        Figure(f"placing one source among {landmarks:,}, median", 1e3 * float(np.median(one)),
               limit=LIMIT_ONE),
    ]  # fmt: skip


if __name__ == "__main__":
    given = [int(number) for number in sys.argv[1:]] or [SOURCES, LANDMARKS]
    report("map", maps_of(*given) + placing(PLACED, PLACED_AMONG))
