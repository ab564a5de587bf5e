"""Similar sources against scanning with numpy, scikit-learn's KDTree and FAISS, flat and IVF.

Two kinds of latents: `random` are normal in all 15 dimensions, where no tree can help much;
`curved` fill 4 dimensions bent into 15, as the latents of stars do. Every way is asked for the ten
nearest of the same sources; the true ones are those of a scan. Batches are a query's share of all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import faiss
import numpy as np
from measuring import Figure, bundle_of, cpu_times, report, within
from sklearn.neighbors import KDTree

from latent_core import Bundle
from latent_core.cells import Cells
from latent_core.similarity import SearchPlan, SimilarityIndex

LATENTS, NEIGHBORS, QUERIES, FEW, BATCH = 15, 10, 200, 5, 10_000
QUICK_MS, WEIGHED_MS, RECALL = 10.0, 120.0, 99.9
BLOCKS = {"xp": slice(0, 5), "folded": slice(5, 10), "dmdt": slice(10, 15)}
WEIGHTS = ({"dmdt": 0.0}, {"xp": 2.0, "folded": 0.3})
LARGE = 200_000  # beyond, the slow ways are asked a few times only

Search = Callable[[int], np.ndarray]


def random_latents(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, LATENTS), np.float32)


def curved_latents(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    inner = rng.standard_normal((count, 4), np.float32)
    waves, straight = rng.standard_normal((2, 4, LATENTS), np.float32)
    bent = np.sin(inner @ waves) + inner @ straight
    bent += np.float32(0.05) * rng.standard_normal(bent.shape, np.float32)
    return (bent - bent.mean(axis=0)) / bent.std(axis=0)


KINDS = {"random": random_latents, "curved": curved_latents}


class Asked:
    """The latents, the sources that are asked about, and the stock ways to answer."""

    def __init__(self, z: np.ndarray, rng: np.random.Generator) -> None:
        self.z = z
        self.rows = rng.integers(0, len(z), QUERIES)

    def scan(self, weights: np.ndarray | None = None, where: np.ndarray | None = None) -> Search:
        """Return the nearest rows by plain numpy in float32, the query itself left out."""

        def search(i: int) -> np.ndarray:
            allowed = None if where is None else np.flatnonzero(where)
            z = self.z if allowed is None else self.z[allowed]
            gaps = (z - self.z[self.rows[i]]) ** 2
            squared = gaps.sum(axis=1) if weights is None else gaps @ weights
            best = np.argpartition(squared, NEIGHBORS)[: NEIGHBORS + 1]
            best = best[np.argsort(squared[best])]
            return self.others(i, best if allowed is None else allowed[best])

        return search

    def tree(self) -> Search:
        tree = KDTree(self.z)
        point = self.point
        return lambda i: self.others(i, tree.query(point(i), NEIGHBORS + 1)[1][0])

    def faiss(self, index: faiss.Index) -> Search:
        point = self.point
        return lambda i: self.others(i, index.search(point(i), NEIGHBORS + 1)[1][0])

    def point(self, i: int) -> np.ndarray:
        return self.z[self.rows[i]][None]

    def others(self, i: int, found: np.ndarray) -> np.ndarray:
        """Leave the source that is asked about out of its own neighbors."""
        return found[found != self.rows[i]][:NEIGHBORS]

    def recall(self, found: Search, true: Iterable[np.ndarray]) -> float:
        """Return the percentage of the true neighbors that were found."""
        return 100 * float(np.mean([np.isin(t, found(i)).mean() for i, t in enumerate(true)]))


def ivf_index(z: np.ndarray) -> faiss.Index:
    """IVF-Flat, trained as one would for this many rows, 16 of its lists looked through."""
    lists = min(4096, int(4 * np.sqrt(len(z))))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(LATENTS), LATENTS, lists)
    index.cp.niter, index.cp.max_points_per_centroid = 6, 40
    index.train(z[: 40 * lists])
    index.add(z)
    index.nprobe = 16
    return index


def timed(make: Callable[[], object]) -> tuple[object, float]:
    start = time.process_time()
    made = make()
    return made, time.process_time() - start


def compare(
    what: str, ours: Search, others: dict[str, Search], limit: float, asked: Asked
) -> list[Figure]:
    """Return p50 beside each other way, p99 against its limit, and the recall against the first.

    The first of the others is a scan: its few answers, which cost seconds, are also the truth.
    """
    mine = 1e3 * cpu_times(ours, QUERIES)
    figures, answers = [], {}
    for name, other in others.items():
        answers[name] = []
        count = FEW if len(asked.z) > LARGE and "IVF" not in name else QUERIES
        times = cpu_times(lambda i, o=other, n=name: answers[n].append(o(i)), count)
        theirs = 1e3 * float(np.median(times))
        figures.append(Figure(f"{what}, p50", float(np.median(mine)), "ms", theirs, name))
    share = asked.recall(ours, next(iter(answers.values())))
    return [
        *figures,
        Figure(f"{what}, p99", float(np.percentile(mine, 99)), "ms", limit=limit),
        Figure(f"{what}, found of the true ten", share, "%", limit=RECALL),
    ]


def filters(z: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return filters by name: random shares, and regions as a lasso or a class cuts them out."""
    masks = {f"{s:.0%} allowed": rng.random(len(z)) < s for s in (0.5, 0.1, 0.01)}
    first = z[:, 0]
    masks["a region of 10 % allowed"] = first > np.quantile(first, 0.9)
    masks["a region of 0.1 % allowed"] = first > np.quantile(first, 0.999)
    return masks


def measure(kind: str, count: int) -> list[Figure]:
    rng, z = np.random.default_rng(1), KINDS[kind](count)
    asked = Asked(z, rng)
    name = f"{count:,} x {LATENTS} {kind}"
    cells, building = timed(lambda: Cells.build(z))
    ivf, training = timed(lambda: ivf_index(z))
    index = SimilarityIndex(cells, BLOCKS, SearchPlan.measure(cells))
    flat = faiss.IndexFlatL2(LATENTS)
    flat.add(z)

    def ours(**how: object) -> Search:
        return lambda i: (
            index.search(z[asked.rows[i]], NEIGHBORS, skip=int(asked.rows[i]), **how).items
        )

    stock = {
        "numpy scan": asked.scan(),
        "KDTree": asked.tree(),
        "FAISS flat": asked.faiss(flat),
        "FAISS IVF-Flat": asked.faiss(ivf),
    }
    megabytes = sum(part.nbytes for part in (cells.z, cells.rows, cells.boxes)) / 1e6
    scanned = [stock["numpy scan"](i) for i in range(FEW)]
    in_ivf = asked.recall(stock["FAISS IVF-Flat"], scanned)
    figures = [
        Figure(f"{name}: to build", building, "s CPU", training, "FAISS IVF-Flat"),
        Figure(f"{name}: index", megabytes, "MB"),
        Figure(f"{name}: found in FAISS IVF-Flat", in_ivf, "%"),
        *compare(f"{name}: plain", ours(exact=False), stock, QUICK_MS, asked),
    ]
    if index.plan.budget is not None:
        figures.append(Figure(f"{name}: plain, recall in its plan", 100 * index.plan.recall, "%"))
        how = ours(), {"FAISS flat": stock["FAISS flat"]}, WEIGHED_MS, asked
        figures += compare(f"{name}: plain, proven exact", *how)
    for weights in WEIGHTS:
        w = np.ones(LATENTS, np.float32)
        for block, weight in weights.items():
            w[BLOCKS[block]] = weight
        said = ", ".join(f"{block} x {weight:g}" for block, weight in weights.items())
        how = ours(weights=weights), {"numpy scan": asked.scan(w)}, WEIGHED_MS, asked
        figures += compare(f"{name}: {said}", *how)
    for said, where in filters(z, rng).items():
        scan = asked.scan(where=where)
        how = ours(where=where), {"numpy scan of the allowed": scan}, WEIGHED_MS, asked
        figures += compare(f"{name}: {said}", *how)
    return [*figures, *batch(name, index, asked, flat)]


def batch(name: str, index: SimilarityIndex, asked: Asked, flat: faiss.Index) -> list[Figure]:
    """Return what one query of many costs."""
    rows = np.sort(np.random.default_rng(2).integers(0, len(asked.z), BATCH))
    few = rows[:: BATCH // 200]
    found, ours = timed(
        lambda: index.cells.nearest(asked.z[rows], NEIGHBORS, skip=rows, budget=index.plan.budget)
    )
    true, theirs = timed(lambda: flat.search(asked.z[few], NEIGHBORS + 1)[1])
    mine = found.rows[:: BATCH // 200]
    share = [
        np.isin(t[t != row][:NEIGHBORS], m).mean()
        for row, t, m in zip(few, true, mine, strict=True)
    ]
    each, other = 1e3 * ours / BATCH, 1e3 * theirs / len(few)
    what = f"{name}: {BATCH:,} at once, a query"
    return [
        Figure(what, each, "ms", other, "FAISS flat in a batch", QUICK_MS),
        Figure(f"{what}, found of the true ten", 100 * float(np.mean(share)), "%", limit=RECALL),
    ]


def by_source_id(count: int) -> list[Figure]:
    """Return what a click costs: a bundle's source id in, a table of ids and distances out."""
    bundle = Bundle.open(bundle_of(count))
    space = bundle.space()
    ids = bundle.folder.catalog.source_id
    rows = np.random.default_rng(3).choice(space.present, QUERIES)
    space.similar(int(ids[rows[0]]), NEIGHBORS)
    mine = 1e3 * cpu_times(lambda i: space.similar(int(ids[rows[i]]), NEIGHBORS), QUERIES)
    z = space.scaled(space.present)
    asked = Asked(z, np.random.default_rng(3))
    asked.rows = np.searchsorted(space.present, rows)
    scan = asked.scan()
    theirs = 1e3 * np.median(cpu_times(scan, FEW))
    share = asked.recall(
        lambda i: space.similar(int(ids[rows[i]]), NEIGHBORS)["row"].to_numpy(),
        [space.present[scan(i)] for i in range(FEW)],
    )
    name = f"by source_id in a bundle of {count:,}"
    return [
        Figure(f"{name}, p50", float(np.median(mine)), "ms", theirs, "numpy scan"),
        Figure(f"{name}, p99", float(np.percentile(mine, 99)), "ms", limit=QUICK_MS),
        Figure(f"{name}, found of the true ten", share, "%", limit=RECALL),
    ]


if __name__ == "__main__":
    most = within(1_000_000, 4_000_000)[-1]
    report("similarity", by_source_id(most) + measure("random", most) + measure("curved", most))
