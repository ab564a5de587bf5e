"""Commands that show what there is: demo, serve, similar, info, verify."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from latent_core.commands.options import FILE
from latent_core.errors import InputError
from latent_core.ports import refuse_taken_port
from latent_core.progress import labelled

# Bundles up to this size are checked whole before the server starts: half a second. Larger ones
# are checked beside it, each file at the latest when it is read.
CHECKED_FIRST = 512 * 2**20

MOST_IDS = 1_000_000


@click.command()
@click.option("--port", default=5006, show_default=True, help="port on 127.0.0.1")
@click.option("--folder", type=FILE, default=Path("data/demo"), show_default=True)
@click.option("--no-serve", is_flag=True, help="build only")
def demo(port: int, folder: Path, no_serve: bool) -> None:
    """Build the demonstration once (real stars, and a simulated survey), then serve it."""
    from latent_core.demonstration import build_demonstration

    if not no_serve:
        refuse_taken_port(port)
    bundles = build_demonstration(folder, say=click.echo, report_for=labelled)
    if not no_serve:
        _serve(bundles, port=port)


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=FILE)
@click.option("--port", default=5006, show_default=True)
@click.option("--public", is_flag=True, help="listen to other machines as well; needs --origin")
@click.option("--origin", multiple=True, help="HOST:PORT as browsers write it, with --public")
def serve(bundles: Sequence[Path], port: int, public: bool, origin: Sequence[str]) -> None:
    """Show bundles in the browser."""
    from dashboard.memory import start_lean

    start_lean()
    if public and (not origin or "*" in origin):
        raise InputError(
            "--public needs the addresses that browsers will use",
            remedy=f"add e.g. --origin stars.example.org:{port} (never *)",
        )
    _serve(bundles, port=port, origins=tuple(origin) if public else ())


def _serve(paths: Sequence[Path], *, port: int, origins: Sequence[str] = ()) -> None:
    from latent_core import Bundle

    refuse_taken_port(port)
    click.echo("checking the bundles ...")
    opened = [Bundle.open(path) for path in paths]
    for bundle in opened:
        if sum(record.size for record in bundle.folder.manifest.files.values()) <= CHECKED_FIRST:
            bundle.folder.verify()
    click.echo("starting the server ...")
    from dashboard.app import serve as run
    from dashboard.memory import keep_what_lasts

    def ready() -> None:
        keep_what_lasts()
        click.echo(f"Gaia Latent Explorer: {said}  (Ctrl-C ends)")

    named = _told_apart(paths, opened)
    local = f"127.0.0.1:{port}"
    said = ", ".join(f"http://{host}" for host in (local, *origins))
    run(
        named,
        port=port,
        public=bool(origins),
        websocket_origin=[local, f"localhost:{port}", *origins],
        on_ready=ready,
        on_prepared=keep_what_lasts,
        on_damage=lambda sentence: click.echo(f"damaged: {sentence}", err=True),
    )


def _told_apart(paths: Sequence[Path], opened: Sequence[Any]) -> dict[str, Any]:
    """Name bundles as they name themselves, those of one survey after their folders."""
    own = [bundle.name for bundle in opened]
    names = [p.stem if own.count(n) > 1 else n for p, n in zip(paths, own, strict=True)]
    named = dict(zip(names, opened, strict=True))
    if len(named) < len(opened):
        raise InputError("two bundles have the same name; serve them apart")
    return named


@click.command()
@click.argument("bundle", type=FILE)
@click.argument("source_id", required=False)
@click.option("--ids", type=FILE, help="a file of source ids: list what is like all of them")
@click.option("-k", "count", default=10, show_default=True, help="how many")
@click.option("--space", help="which space (default: the first)")
@click.option("--weights", help="weights of blocks: xp=1,folded=0.5")
@click.option("--exact", is_flag=True, help="prove it, where a space's searches stop earlier")
@click.option("--json", "as_json", is_flag=True, help="machine-readable; ids are strings")
def similar(
    bundle: Path,
    source_id: str | None,
    ids: Path | None,
    count: int,
    space: str | None,
    weights: str | None,
    exact: bool,
    as_json: bool,
) -> None:
    """List the sources most like one source, by distance in latent space.

    Or, with --ids, most like those of a list: outside it, and named by most of its members as one
    of their ten nearest.
    """
    from latent_core import Bundle
    from latent_core.catalog import parse_source_id

    if (source_id is None) == (ids is None):
        raise InputError("give either a source_id or --ids with a file of them")
    if source_id is None:
        opened = Bundle.open(bundle).space(space)
        _show_like_these(opened, cast(Path, ids), count, _weights(weights), as_json)
        return
    wanted = parse_source_id(source_id)
    opened = Bundle.open(bundle).space(space)
    hits = opened.similar(wanted, count, weights=_weights(weights), exact=exact)
    if as_json:
        click.echo(json.dumps(_as_json(hits, wanted, opened), indent=1))
        return
    hits["source_id"] = hits["source_id"].astype(str)
    click.echo(hits.drop(columns="row").to_string(index=False, float_format=lambda x: f"{x:.4f}"))
    if not hits.attrs["exact"]:
        plan = opened.index.plan
        click.echo(
            f"approximate: finds {100 * plan.recall:.2f} % of the true {plan.neighbors} nearest "
            f"(measured on {plan.asked} sources); --exact proves them"
        )


def _show_like_these(
    space: Any, file: Path, count: int, weights: dict[str, float] | None, as_json: bool
) -> None:
    from latent_core.identifiers import read_ids

    release = space.bundle.folder.manifest.release
    listed = read_ids(file.read_text("utf-8", errors="replace"), MOST_IDS, release)
    for entry in listed.refused:
        click.echo(f"{file}, line {entry.line}: {entry.text}: {entry.reason}", err=True)
    rows = space.bundle.rows(listed.ids)
    known = rows[rows >= 0]
    if len(known) < len(rows):
        unknown = len(rows) - len(known)
        click.echo(f"{unknown:,} of {len(rows):,} are not in {space.bundle.name}", err=True)
    found = space.like_these(known, count, weights=weights).drop(columns="row")
    found["source_id"] = found["source_id"].astype(str)
    if as_json:
        told = {"members": len(known), "space": space.name, "sources": found.to_dict("records")}
        click.echo(json.dumps(told, indent=1))
        return
    click.echo(found.to_string(index=False, float_format=lambda x: f"{x:.4f}"))


def _weights(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    weights = {}
    for part in text.split(","):
        block, _, number = part.partition("=")
        try:
            weights[block.strip()] = float(number)
        except ValueError as error:
            raise InputError(f"--weights: {part!r} is not block=number") from error
    return weights


def _as_json(hits: Any, source_id: int, space: Any) -> dict[str, Any]:
    blocks = [c for c in hits.columns if c.startswith("distance_")]
    neighbors = [
        {
            "source_id": str(row["source_id"]),
            "distance": float(row["distance"]),
            "by_block": {c.removeprefix("distance_"): float(row[c]) for c in blocks},
        }
        # records, not iterrows: that turns a row of mixed numbers into floats, ids too
        for row in hits.to_dict("records")
    ]
    exact, plan = bool(hits.attrs["exact"]), space.index.plan
    return {
        "source_id": str(source_id),
        "space": space.name,
        "exact": exact,
        "recall": 1.0 if exact else plan.recall,
        "recall_measured_on": plan.asked,
        "neighbors": neighbors,
    }


@click.command()
@click.argument("bundle", type=FILE)
def info(bundle: Path) -> None:
    """Say what a bundle or survey holds and how it was made."""
    from latent_core.bundle import Folder

    folder = Folder.open(bundle)
    manifest = folder.manifest
    mark = "   SIMULATED" if manifest.simulated else ""
    click.echo(f"{manifest.kind} {manifest.name} ({folder.version}){mark}")
    click.echo(f"release {manifest.release}, {len(folder.catalog):,} sources")
    if manifest.description:
        click.echo(manifest.description)
    for column in folder.catalog.columns:
        missing = int(folder.catalog.frame[column.name].isna().sum())
        click.echo(f"  {column.name:32} {column.kind:10} {column.unit:10} {missing:>9,} missing")
    for name, record in sorted(manifest.files.items()):
        click.echo(f"  {name:56} {record.size:>13,} bytes  {record.shape or ''}")


@click.command()
@click.argument("bundle", type=FILE)
def verify(bundle: Path) -> None:
    """Check every file of a bundle or survey against its manifest."""
    from latent_core.bundle import Folder

    folder = Folder.open(bundle)
    click.echo(f"{folder.verify()} files of {bundle} are as they were written")
