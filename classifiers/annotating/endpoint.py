"""An endpoint that speaks the chat-completions protocol of OpenAI: one question, one answer, and what it cost.

The key comes from an environment variable, goes into one header and nowhere else: redirects are refused (they would
carry it to another host), and it is blotted out of whatever an endpoint says before that is kept or told.
"""

from __future__ import annotations

import email.utils
import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hanji.errors import RecipeError, RunError

TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
STOP = frozenset({401, 402, 403, 404, 405})
LONGEST_ANSWER = 4_000_000
LONGEST_WAIT = 120.0
"""Seconds: a Retry-After beyond this is waited for no longer than this at a time."""
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
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecipeError(f"endpoint: {self.url!r} is no http(s) URL, such as https://api.example.com/v1")
        if parts.username or parts.password or parts.query:
            raise RecipeError("endpoint: the URL may hold no key; put it in an environment variable")
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
        deadline = time.monotonic() + self.timeout
        try:
            with urllib.request.build_opener(_NoRedirects()).open(request, timeout=self.timeout) as response:
                content = _read(response, deadline)
        except urllib.error.HTTPError as error:
            with error:
                return self._refused(error)
        except TimeoutError:
            return Answer(None, f"no answer in {self.timeout:g} s", again=True, charged=True)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            late = isinstance(reason, TimeoutError)
            return Answer(None, self.blotted(f"connection failed: {reason}"), again=True, charged=late)
        return self._read(content)

    def _refused(self, error: urllib.error.HTTPError) -> Answer:
        try:
            said = error.read(10_000).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            said = ""
        told = self.blotted(f"HTTP {error.code}: {' '.join(said.split())[:_TOLD]}")
        if error.code in STOP or 300 <= error.code < 400:
            raise RunError(f"{self.url}: {told}")
        return Answer(
            None, told, again=error.code in TRY_AGAIN, wait=retry_after(error.headers.get("Retry-After"))
        )

    def _read(self, content: bytes) -> Answer:
        try:
            answer = json.loads(content)
            message = answer["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            said = self.blotted(" ".join(content[:_TOLD].decode("utf-8", "replace").split()))
            return Answer(None, f"not an answer of the protocol: {said}", again=True, charged=True)
        usage = answer.get("usage")
        tokens = usage if isinstance(usage, dict) else {}
        counts = (_count(tokens.get("prompt_tokens")), _count(tokens.get("completion_tokens")))
        if not isinstance(message, str):
            return Answer(None, "an answer without text", *counts, charged=True)
        return Answer(self.blotted(message), None, *counts, charged=True)

    def blotted(self, said: str) -> str:
        """What was said, without the key."""
        return said.replace(self.key, "***") if self.key else said


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, in seconds or as a date; None if it asks for nothing."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, moment - (time.time() if now is None else now))


def backoff(tries: int, key: bytes, first: float = 1.0) -> float:
    """Seconds to wait after so many tries: doubling, up to a minute, spread by a hash of what is asked."""
    spread = hashlib.blake2b(key + bytes([tries % 256]), digest_size=1).digest()[0] / 255
    return float(min(60.0, first * 2 ** (tries - 1)) * (0.5 + spread / 2))


def _read(response: Any, deadline: float) -> bytes:
    """The body, by a deadline however slowly it comes. Raises TimeoutError, or ValueError for one without end."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > LONGEST_ANSWER:
            raise ValueError(f"an answer of more than {LONGEST_ANSWER} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(parts)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
