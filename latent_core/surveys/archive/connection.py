"""A patient connection: time-outs, back-off, Retry-After, and a check of what came.

What can pass is asked for again: a cut connection, a time-out, HTTP 408, 429 and 5xx, a web page
where a table should be, a cut gzip or zip (gaia-archive.md, 2.3). Passwords go to the archive's
log-in and nowhere else.
"""

from __future__ import annotations

import io
import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from latent_core.errors import IncompleteError, InputError, LatentError

T = TypeVar("T")
CONNECT_S, READ_S = 20.0, 120.0  # DataLink collects a batch before it sends the first byte
LONGEST_RETRY_AFTER_S = 600.0
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_WORDS = 300  # letters of an answer that are worth repeating


class PassingError(Exception):
    """A failure that may be gone a moment later; `retry_after` is the server's wish in s."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.retry_after = reason, retry_after


@dataclass
class Patience:
    """How often and how long to try: waits of 1, 2, 4 ... s with seeded jitter.

    `sleep` is an argument so that a test need not wait.
    """

    tries: int = 8
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    jitter: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311

    def insist(self, action: Callable[[], T], what: str) -> T:
        """Return what `action` returns, trying again after every PassingError.

        Raises IncompleteError when the last try failed, or the server asks for a longer pause
        than LONGEST_RETRY_AFTER_S.
        """
        for attempt in range(self.tries):
            try:
                return action()
            except PassingError as error:
                reason = error.reason
                pause = self._pause(attempt, error.retry_after)
            if pause > LONGEST_RETRY_AFTER_S:
                raise IncompleteError(
                    f"{what}: {reason}, and the archive asks to wait {pause:.0f} s; "
                    "give the same command again then"
                )
            if attempt + 1 < self.tries:
                self.sleep(pause)
        raise IncompleteError(f"{what}: {reason}, {self.tries} times; give the same command later")

    def _pause(self, attempt: int, wanted: float | None) -> float:
        wait = min(self.first_wait_s * 2.0**attempt, self.longest_wait_s)
        wait *= self.jitter.uniform(0.75, 1.25)
        return max(wait, wanted or 0.0)


class Connection(requests.Session):
    """A session whose every request is patient; pyvo takes it as its own.

    Answers are read whole before they are handed on, so that a cut one is asked for again.
    """

    def __init__(
        self, patience: Patience | None = None, timeouts: tuple[float, float] = (CONNECT_S, READ_S)
    ) -> None:
        super().__init__()
        self.patience, self.timeouts = patience or Patience(), timeouts

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        """Make one request, as requests does, again and again until it passes."""
        files = options.get("files")
        if files:  # an open file could be sent only once
            options["files"] = {name: _bytes(content) for name, content in files.items()}
        return self.patience.insist(
            lambda: self._once(method, url, *args, **options), f"{method} {_place(url)}"
        )

    def take(
        self,
        method: str,
        url: str,
        check: Callable[[bytes], T],
        data: dict[str, str] | None = None,
    ) -> T:
        """Return what `check` makes of the answer's bytes; it raises PassingError to ask again."""
        return self.patience.insist(
            lambda: check(self._once(method, url, data=data).content), f"{method} {_place(url)}"
        )

    def _once(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        options.update(timeout=self.timeouts, stream=False)
        try:
            response = super().request(method, url, *args, **options)
            content = response.content
        except requests.exceptions.InvalidURL as error:
            raise InputError(f"{url[:120]} is not an address", remedy="check --archive") from error
        except requests.exceptions.Timeout as error:
            raise PassingError("no answer in time") from error
        except requests.exceptions.RequestException as error:
            raise PassingError(f"the connection failed ({type(error).__name__})") from error
        _judge(response, url)
        response.raw = _Replay(content)
        return response

    def forget(self, url: str) -> None:
        """Ask once to delete a job; the archive drops it in days anyway."""
        with suppress(PassingError, LatentError):
            self._once("DELETE", url, allow_redirects=False)

    def log_in(self, url: str, name: str, password: str) -> None:
        """Log in; the session keeps the cookie. Raises InputError where no log-in came about."""
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
            raise InputError(f"{url} is not https: a password would be readable on its way")
        before = len(self.cookies)
        self.post(url, data={"username": name, "password": password})
        if len(self.cookies) == before:
            raise InputError(
                f"the archive did not log {name!r} in", remedy="check name and password"
            )


class _Replay(io.BytesIO):
    """Bytes already read, in the place of urllib3's response, which pyvo reads again."""

    def read(self, size: int | None = -1, decode_content: bool = True) -> bytes:
        return super().read(-1 if size is None else size)


def _bytes(content: Any) -> Any:
    return content.read() if hasattr(content, "read") else content


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"


def _judge(response: Any, url: str) -> None:
    """Raise PassingError for what may pass, InputError for what will not."""
    status = int(response.status_code)
    if status in PASSING:
        raise PassingError(f"HTTP {status}", retry_after(response.headers.get("Retry-After")))
    if status in (401, 403):
        raise InputError(
            f"{_place(url)}: the archive refuses the request (HTTP {status})",
            remedy="log in with --credentials, or ask for public data",
        )
    if status >= 400:
        raise InputError(f"{_place(url)}: HTTP {status}: {plain_words(response.text)}")
    refuse_web_page(response.content)


def refuse_web_page(content: bytes) -> None:
    """Raise PassingError where bytes are a web page: the archive's way to say maintenance."""
    start = content[:1024].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise PassingError("a web page came instead of an answer")


def plain_words(text: str) -> str:
    """Return the words of an error answer, without tags and control characters, cut short."""
    bare = re.sub(r"<[^>]*>", " ", text)
    words = " ".join("".join(c if c.isprintable() else " " for c in bare).split())
    return words[:_WORDS] or "no reason given"


def retry_after(header: str | None) -> float | None:
    """Read Retry-After, seconds or an HTTP date (RFC 9110, 10.2.3); None where it is neither."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
