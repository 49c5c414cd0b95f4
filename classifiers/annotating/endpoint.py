"""An endpoint that speaks the chat-completions protocol of OpenAI: one question, one answer, and what it cost.

The key comes from an environment variable, goes into one header and nowhere else: redirects are refused (they would
carry it to another host), and it is blotted out of whatever an endpoint says before that is cut, kept or told.

Whatever an endpoint sends, and however slowly, one question ends within its timeout.
"""

from __future__ import annotations

import email.utils
import hashlib
import http.client
import json
import math
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from hanji.errors import RecipeError, RunError

TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
STOP = frozenset({401, 402, 403, 404, 405})
LONGEST_ANSWER = 4_000_000
LONGEST_WAIT = 600.0
"""Seconds: a Retry-After beyond this ends the run, which can go on later."""
MOST_TOKENS = 2**31
"""Counts of tokens from here on are taken for none."""
_TOLD = 300


@dataclass(frozen=True)
class Answer:
    """What came back. ``text`` None: no answer, and ``failure`` says why. Tokens None: the endpoint did not say."""

    text: str | None
    failure: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    again: bool = False
    wait: float | None = None
    charged: bool = False
    """Whether it may have cost something without saying how much."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Deadline:
    """Ends connections when the time is over.

    A socket's timeout is for one read of it, and an endpoint that sends a byte now and then never reaches it.
    """

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._at

    def _end(self) -> None:
        for one in self._sockets:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(
                    one, socket.SHUT_RDWR
                )  # not TLS's, which would wait for the other side

    def opener(self) -> urllib.request.OpenerDirector:
        """What opens connections that this ends."""

        def watched(kind: type[http.client.HTTPConnection]) -> type[http.client.HTTPConnection]:
            class Watched(kind):  # type: ignore[valid-type, misc]
                def connect(connection) -> None:
                    super().connect()
                    self._sockets.append(connection.sock)

            return Watched

        class Http(urllib.request.HTTPHandler):
            def do_open(self, http_class: Any, *arguments: Any, **more: Any) -> Any:
                return super().do_open(watched(http_class), *arguments, **more)

        class Https(urllib.request.HTTPSHandler):
            def do_open(self, http_class: Any, *arguments: Any, **more: Any) -> Any:
                return super().do_open(watched(http_class), *arguments, **more)

        return urllib.request.build_opener(_NoRedirects(), Http(), Https())


@dataclass(frozen=True)
class Endpoint:
    """``url`` is the base, as in ``https://api.example.com/v1``. ``timeout``: seconds for a whole answer."""

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    temperature: float = 0.0
    max_tokens: int = 400
    tokens_field: str = "max_tokens"
    timeout: float = 60.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # brackets without an address, a port out of range
            sound = False
        if (
            not sound
            or parts.fragment
            or not (self.url.isascii() and self.url.isprintable())
            or " " in self.url
        ):
            raise RecipeError(f"endpoint: {self.url!r} is no http(s) URL, such as https://api.example.com/v1")
        if parts.username or parts.password or parts.query:
            raise RecipeError("endpoint: the URL may hold no key; put it in an environment variable")
        if not (math.isfinite(self.timeout) and 0 < self.timeout <= threading.TIMEOUT_MAX):
            raise RecipeError(f"timeout: {self.timeout} is not allowed: seconds, above 0")
        if self.key is not None and (not self.key.isascii() or not self.key.isprintable()):
            raise RecipeError("key: an API key has printable ASCII characters alone")

    def settings(self) -> list[Any]:
        """What an answer depends on beside the text and the prompt."""
        return [self.model, self.temperature, self.max_tokens]

    def ask(self, message: str) -> Answer:
        """Ask once. Never raises for what the endpoint or the network does, but for a refusal that will stay.

        Raises RunError for an answer that no later request will better: a wrong key, model or address.
        """
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": message}],
            "temperature": self.temperature,
            self.tokens_field: self.max_tokens,
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url.rstrip('/')}/chat/completions", data, headers)
        with _Deadline(self.timeout) as deadline:
            try:
                with deadline.opener().open(request, timeout=self.timeout) as response:
                    content = _read(response)
            except urllib.error.HTTPError as error:
                with error:
                    return self._refused(error)
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = getattr(error, "reason", error)
                if not (deadline.passed or isinstance(reason, TimeoutError)):
                    return Answer(None, self.blotted(f"connection failed: {reason}"), again=True)
                content = None
            if content is None or deadline.passed:
                return Answer(None, f"no answer in {self.timeout:g} s", again=True, charged=True)
        return self._read(content)

    def _refused(self, error: urllib.error.HTTPError) -> Answer:
        try:
            said = error.read(10_000).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            said = ""
        told = f"HTTP {error.code}: {self._excerpt(said)}".rstrip(": ")
        if 300 <= error.code < 400:
            raise RunError(
                f"{self.url}: {told}: the endpoint redirects, and a redirect is not followed, since the key would "
                "go along; give the address that it redirects to"
            )
        if error.code in STOP:
            raise RunError(f"{self.url}: {told}")
        return Answer(
            None, told, again=error.code in TRY_AGAIN, wait=retry_after(error.headers.get("Retry-After"))
        )

    def _read(self, content: bytes) -> Answer:
        try:
            answer = json.loads(content)
            message = answer["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            said = self._excerpt(content.decode("utf-8", "replace"))
            return Answer(None, f"not an answer of the protocol: {said or 'empty'}", again=True, charged=True)
        usage = answer.get("usage")
        tokens = usage if isinstance(usage, dict) else {}
        counts = (_count(tokens.get("prompt_tokens")), _count(tokens.get("completion_tokens")))
        if not isinstance(message, str):
            return Answer(None, "an answer without text", *counts, charged=True)
        # Half a surrogate pair has no form in UTF-8, in which answers are kept.
        message = message.encode("utf-8", "replace").decode("utf-8")
        return Answer(self.blotted(message), None, *counts, charged=True)

    def blotted(self, said: str) -> str:
        """What was said, without the key, as it is or as JSON and URLs write it."""
        if self.key:
            in_json = json.dumps(self.key)[1:-1]
            for form in (self.key, in_json, in_json.replace("/", "\\/"), quote(self.key, safe="")):
                said = said.replace(form, "***")
        return said

    def _excerpt(self, said: str) -> str:
        """The first of what was said, on one line; a cut could leave a part of the key, so that it goes first."""
        return " ".join(self.blotted(said).split())[:_TOLD]


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, in seconds or as a date; None if it asks for nothing."""
    if not value:
        return None
    try:
        seconds = float(value)
        return None if math.isnan(seconds) else max(0.0, seconds)
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, moment - (time.time() if now is None else now))


def backoff(tries: int, key: bytes, first: float = 1.0) -> float:
    """Seconds to wait after so many tries: doubling, up to a minute, spread by a hash of what is asked."""
    spread = hashlib.blake2b(key + bytes([tries % 256]), digest_size=1).digest()[0] / 255
    return float(min(60.0, first * 2 ** (tries - 1)) * (0.5 + spread / 2))


def _read(response: Any) -> bytes:
    """The body. Raises ValueError for one without end."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > LONGEST_ANSWER:
            raise ValueError(f"an answer of more than {LONGEST_ANSWER} bytes")
    return b"".join(parts)


def _count(value: Any) -> int | None:
    known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_TOKENS
    return int(value) if known else None
