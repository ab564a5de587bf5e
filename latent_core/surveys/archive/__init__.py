"""From the online Gaia archive to a survey: `fetch` asks by TAP and DataLink and resumes.

TAP goes through pyvo and DataLink through requests, which pyvo brings along. astroquery speaks
both, but makes temporary folders in the current directory, returns from a failed login, prints
to stdout and asks the server for status messages when it is constructed (gaia-archive.md, 2.3).
"""

from __future__ import annotations

from importlib.util import find_spec

from latent_core.errors import LatentError


def require_client() -> None:
    """Raise LatentError, saying how to install them, where the archive's packages are missing."""
    if find_spec("pyvo") is None or find_spec("requests") is None:
        raise LatentError(
            "gaia-latent fetch needs the packages pyvo and requests; "
            "install them with: pip install 'gaia-latent[archive]'"
        )
