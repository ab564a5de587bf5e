"""The command `gaia-latent`: its group and its end; `commands` holds one short function each.

Errors that a user can fix end in one sentence and exit code 2 (74 for the disk); a fault of ours
ends in one sentence and exit code 1. `--debug` adds the traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType

import click

from latent_core.commands import bundles, comparing, fetching, labelling, looking, surveys
from latent_core.errors import LatentError, StorageError
from latent_core.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 99})
@click.version_option(__version__, prog_name="gaia-latent")
@click.option("--debug", is_flag=True, help="show the traceback of an error")
def cli(debug: bool) -> None:
    """Train, map and explore the latent spaces of Gaia spectra and light curves.

    \b
    gaia-latent demo                                       see it work
    gaia-latent fetch --class RR --limit 2000 --out rr.survey   online archive -> survey
    gaia-latent ingest *.csv.gz --out my.survey            archive files -> survey
    gaia-latent build my.survey --out my.bundle            survey -> bundle
    gaia-latent serve my.bundle                            bundle -> the screen in a browser
    """


for _command in (
    looking.demo,
    surveys.simulate,
    surveys.ingest,
    fetching.fetch,
    labelling.labels,
    bundles.build,
    *bundles.STAGE_COMMANDS,
    bundles.evaluate,
    bundles.import_table,
    bundles.import_model,
    bundles.place,
    comparing.compare,
    looking.serve,
    looking.similar,
    looking.info,
    looking.verify,
):
    cli.add_command(_command)


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
