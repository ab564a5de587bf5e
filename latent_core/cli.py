"""The command `gaia-latent`: one short function a command; the only place that prints.

Errors that a user can fix end in one sentence and exit code 2 (74 for the disk); a fault of ours
ends in one sentence and exit code 1. `--debug` adds the traceback.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from latent_core.errors import InputError, LatentError, StorageError
from latent_core.ports import refuse_taken_port
from latent_core.progress import Progress, labelled
from latent_core.version import __version__

FILE = click.Path(path_type=Path)
OVERWRITE = click.option("--overwrite", is_flag=True, help="replace an existing folder of ours")


def out_option(what: str) -> Any:
    """Return the --out option of a command."""
    return click.option("--out", type=FILE, required=True, help=f"folder of the new {what}")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 99})
@click.version_option(__version__, prog_name="gaia-latent")
@click.option("--debug", is_flag=True, help="show the traceback of an error")
def cli(debug: bool) -> None:
    """Train, map and explore the latent spaces of Gaia spectra and light curves.

    \b
    gaia-latent demo                                       see it work
    gaia-latent ingest *.csv.gz --out my.survey            archive files -> survey
    gaia-latent build my.survey --out my.bundle            survey -> bundle
    gaia-latent serve my.bundle                            bundle -> the screen in a browser
    """


@cli.command()
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


@cli.command()
@click.option("--sources", default=50_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@out_option("survey")
@OVERWRITE
def simulate(sources: int, seed: int, out: Path, overwrite: bool) -> None:
    """Simulate a survey of variable sources; every row is labelled simulated."""
    from latent_core.surveys.simulated import simulate as run

    if sources < 1:
        raise InputError(f"--sources is {sources}; ask for at least one")
    progress = Progress()
    run(
        sources,
        seed,
        out,
        overwrite=overwrite,
        progress=lambda stage, done, total: progress(stage, done, total, ""),
    )
    click.echo(f"{sources:,} simulated sources in {out}")


@cli.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@out_option("survey")
@OVERWRITE
@click.option("--name", help="name of the survey")
def ingest(files: Sequence[Path], out: Path, overwrite: bool, name: str | None) -> None:
    """Read archive files (CSV, ECSV, VOTable, FITS, Parquet, Avro, zip) into a survey."""
    from latent_core.surveys.gaia_files import ingest as run

    progress = Progress()
    report = run(
        files,
        out,
        name=name,
        overwrite=overwrite,
        progress=lambda stage, done, total: progress(stage, done, total, ""),
    )
    click.echo(report.text())


@cli.command()
@click.argument("survey", type=FILE)
@out_option("bundle")
@OVERWRITE
@click.option(
    "--config", type=FILE, help="TOML file of settings, or the name of a shipped one: masked"
)
def build(survey: Path, out: Path, overwrite: bool, config: Path | None) -> None:
    """Train, encode, index, project and evaluate: whatever is missing or stale."""
    from latent_core.pipeline import build as run

    run(survey, out, config=config, overwrite=overwrite, report=Progress())
    click.echo(f"{out} is built; next: gaia-latent serve {out}")


def _stage_command(stage: str, text: str) -> None:
    @cli.command(name=stage, help=text)
    @click.argument("bundle", type=FILE)
    def command(bundle: Path) -> None:
        from latent_core.pipeline import run_stage

        made = run_stage(bundle, stage, report=Progress())
        click.echo(f"{stage}: {', '.join(made)} renewed in {bundle}")


for _stage, _text in {
    "train": "Train all models of a bundle anew.",
    "encode": "Encode all sources of a bundle anew.",
    "index": "Join blocks and build the similarity indices anew.",
    "project": "Make the maps of a bundle anew.",
}.items():
    _stage_command(_stage, _text)


@cli.command()
@click.argument("bundle", type=FILE)
def evaluate(bundle: Path) -> None:
    """Measure a bundle's spaces and models, and write report.html and report.json into it."""
    from latent_core.pipeline import evaluate as run

    page = run(bundle, report=Progress())
    click.echo(f"the report is {page} (and {page.with_suffix('.json').name} beside it)")


@cli.command(name="import-table")
@click.argument("table", type=FILE)
@click.option("--latents", required=True, multiple=True, help="glob of latent columns, 'z_*'")
@click.option("--id", "id_column", help="column of source ids")
@click.option("--label", help="column of class labels")
@click.option("--xy", help="two columns of a map: X,Y (otherwise UMAP makes one)")
@click.option("--name", help="name of the bundle")
@out_option("bundle")
@OVERWRITE
def import_table(
    table: Path,
    latents: Sequence[str],
    id_column: str | None,
    label: str | None,
    xy: str | None,
    name: str | None,
    out: Path,
    overwrite: bool,
) -> None:
    """Bring your own latents: make a bundle of any table with ids and latent columns."""
    from latent_core.pipeline import import_table as run

    run(
        table,
        out,
        latents=latents,
        id_column=id_column,
        label=label,
        xy=_two_columns(xy),
        name=name,
        overwrite=overwrite,
        report=Progress(),
    )
    click.echo(f"{out} is built; next: gaia-latent serve {out}")


@cli.command(name="import-model")
@click.argument("kind", type=click.Choice(["huijse-2025", "scatter-vae-2024"]))
@click.argument("folder", type=FILE)
@click.option("--survey", type=FILE, help="scatter-vae-2024: the survey whose spectra to encode")
@click.option("--normalisation", type=FILE, help="scatter-vae-2024: CSV or npz of mu and sig")
@out_option("bundle")
@OVERWRITE
def import_model(
    kind: str,
    folder: Path,
    survey: Path | None,
    normalisation: Path | None,
    out: Path,
    overwrite: bool,
) -> None:
    """Make a bundle of published weights: huijse-2025 with its table, or scatter-vae-2024."""
    from latent_core import published

    if kind == published.HUIJSE:
        if survey or normalisation:
            raise InputError("--survey and --normalisation belong to scatter-vae-2024")
        published.import_huijse(folder, out, overwrite=overwrite, report=Progress())
    else:
        options = {"survey": survey, "normalisation": normalisation}
        published.import_scatter(folder, out, **options, overwrite=overwrite, report=Progress())
    click.echo(f"{out} is built; next: gaia-latent serve {out}")


@cli.command()
@click.argument("bundle", type=FILE)
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--space", help="which space (default: the first)")
@click.option("--out", type=FILE, required=True, help="table to write: .parquet or .csv")
@OVERWRITE
def place(
    bundle: Path, files: Sequence[Path], space: str | None, out: Path, overwrite: bool
) -> None:
    """Encode new sources into an existing space and place them on its map."""
    from latent_core import Bundle
    from latent_core.placing import place_files, rejected_file

    opened = Bundle.open(bundle).space(space)
    progress = Progress()
    placed, report = place_files(
        opened,
        files,
        out,
        overwrite=overwrite,
        progress=lambda stage, done, total: progress(stage, done, total, ""),
    )
    click.echo(f"{out}: {placed.text()}")
    if report.rows_rejected:
        click.echo(f"{report.rows_rejected:,} rows rejected: see {rejected_file(out)}")


def _two_columns(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    columns = [part.strip() for part in text.split(",")]
    if len(columns) != 2 or not all(columns):
        raise InputError(f"--xy is {text!r}; name two columns with a comma between, X,Y")
    return columns[0], columns[1]


@cli.command()
@click.argument("bundles", nargs=-1, required=True, type=FILE)
@click.option("--port", default=5006, show_default=True)
@click.option("--public", is_flag=True, help="listen to other machines as well; needs --origin")
@click.option("--origin", multiple=True, help="HOST:PORT as browsers write it, with --public")
def serve(bundles: Sequence[Path], port: int, public: bool, origin: Sequence[str]) -> None:
    """Show bundles in the browser."""
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
        bundle.folder.verify()
    click.echo("starting the server ...")
    from dashboard.app import serve as run

    named = _told_apart(paths, opened)
    local = f"127.0.0.1:{port}"
    said = ", ".join(f"http://{host}" for host in (local, *origins))
    run(
        named,
        port=port,
        public=bool(origins),
        websocket_origin=[local, f"localhost:{port}", *origins],
        on_ready=lambda: click.echo(f"Gaia Latent Explorer: {said}  (Ctrl-C ends)"),
    )


def _told_apart(paths: Sequence[Path], opened: Sequence[Any]) -> dict[str, Any]:
    """Name bundles as they name themselves, those of one survey after their folders."""
    own = [bundle.name for bundle in opened]
    names = [p.stem if own.count(n) > 1 else n for p, n in zip(paths, own, strict=True)]
    named = dict(zip(names, opened, strict=True))
    if len(named) < len(opened):
        raise InputError("two bundles have the same name; serve them apart")
    return named


@cli.command()
@click.argument("bundle", type=FILE)
@click.argument("source_id")
@click.option("-k", "count", default=10, show_default=True, help="how many")
@click.option("--space", help="which space (default: the first)")
@click.option("--weights", help="weights of blocks: xp=1,folded=0.5")
@click.option("--json", "as_json", is_flag=True, help="machine-readable; ids are strings")
def similar(
    bundle: Path, source_id: str, count: int, space: str | None, weights: str | None, as_json: bool
) -> None:
    """List the sources most like one source: exact distances in latent space."""
    from latent_core import Bundle
    from latent_core.catalog import parse_source_id

    wanted = parse_source_id(source_id)
    opened = Bundle.open(bundle).space(space)
    hits = opened.similar(wanted, count, weights=_weights(weights))
    if as_json:
        click.echo(json.dumps(_as_json(hits, wanted, opened.name), indent=1))
        return
    hits["source_id"] = hits["source_id"].astype(str)
    click.echo(hits.drop(columns="row").to_string(index=False, float_format=lambda x: f"{x:.4f}"))


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


def _as_json(hits: Any, source_id: int, space: str) -> dict[str, Any]:
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
    return {"source_id": str(source_id), "space": space, "exact": True, "neighbors": neighbors}


@cli.command()
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


@cli.command()
@click.argument("bundle", type=FILE)
def verify(bundle: Path) -> None:
    """Check every file of a bundle or survey against its manifest."""
    from latent_core.bundle import Folder

    folder = Folder.open(bundle)
    click.echo(f"{folder.verify()} files of {bundle} are as they were written")


def _say_fault(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    """Say a fault of ours in one sentence; Python then exits with code 1."""
    click.echo(
        f"gaia-latent failed: {kind.__name__}: {error} - a fault of ours; "
        "please report it with the output of the same command under gaia-latent --debug",
        err=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    debug = "--debug" in (arguments if arguments is not None else sys.argv)
    if not debug:
        sys.excepthook = _say_fault
    try:
        cli.main(
            args=arguments and list(arguments), prog_name="gaia-latent", standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; the same command goes on from here", err=True)
        sys.exit(130)
    except (LatentError, OSError) as error:
        if debug:
            raise
        _refuse(error)


def _refuse(error: LatentError | OSError) -> None:
    if isinstance(error, LatentError):
        click.echo(f"gaia-latent: {error}", err=True)
        sys.exit(error.exit_code)
    click.echo(f"gaia-latent: {error.filename or 'the disk'}: {error.strerror or error}", err=True)
    sys.exit(StorageError.exit_code)


if __name__ == "__main__":
    main()
