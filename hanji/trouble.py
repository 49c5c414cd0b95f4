"""Trouble of the machine: what an error says of disks, networks and stores, and what of the data.

Everything that decides this asks here, because it decides two things that must never be mixed up: trouble of
the machine is tried again and then ends a run, and a file that is not what it claims to be is a failed
document. The clients of object stores raise errors of their own, most of which are no OSErrors; they are
known by their library and name, so that none of these libraries has to be installed.
"""

from __future__ import annotations

import errno
import gzip
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

PAUSES = (0.5, 2.0, 6.0)
"""Seconds between the tries of one request, each made up to half longer or shorter by chance."""

# Libraries that talk to stores: an error of theirs is never the data's.
_CLIENTS = frozenset(
    {
        "aiobotocore",
        "aiohttp",
        "azure",
        "botocore",
        "gcsfs",
        "google",
        "http",
        "httpcore",
        "httpx",
        "requests",
    }
    | {"urllib3"}
)
# Their classes of errors that pass, where no status tells (or bases of those).
_PASSING = frozenset(
    {
        # botocore
        *("HTTPClientError", "ConnectionError", "IncompleteReadError", "ResponseParserError"),
        *("ChecksumError", "FlexibleChecksumError"),
        *("CredentialRetrievalError", "TokenRetrievalError", "MetadataRetrievalError"),
        # aiohttp
        *("ClientConnectionError", "ClientPayloadError"),
        # requests and urllib3
        *("Timeout", "ChunkedEncodingError", "ContentDecodingError", "RetryError"),
        *("ProtocolError", "TimeoutError", "PoolError"),
        # google-auth, gcsfs, azure-core, httpx, httpcore, http.client
        *("TransportError", "RefreshError", "ServiceRequestError", "ServiceResponseError"),
        *("NetworkError", "TimeoutException", "IncompleteRead", "BadStatusLine"),
    }
)
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 509, 529})
# Names in S3's answers whose status would say otherwise (RequestTimeout comes as 400).
_PASSING_CODES = frozenset(
    {"InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling"}
    | {"ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"}
)
_PASSING_NUMBERS = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.EPIPE, errno.ETIMEDOUT, errno.EREMOTEIO}
    | {errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH}
    | {errno.ENETDOWN, errno.ENETRESET, errno.ESTALE}
)


class MachineTroubleError(OSError):
    """Trouble of a store whose client raised something that is no OSError."""


def is_of_machine(error: BaseException) -> bool:
    """Whether an error is the trouble of a disk, a network or a store, never of what a file holds.

    Decoders (Arrow, gzip) raise bare OSErrors without a number for data that is broken: those are not.
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno is not None or type(error) not in (OSError, gzip.BadGzipFile)
    return _library(type(error)) is not None


def is_passing(error: BaseException) -> bool:
    """Whether it is worth while to ask again: an error of the machine that goes away by itself."""
    if not is_of_machine(error) or isinstance(error, MemoryError):
        return False
    code, status = _answer(error)
    if code in _PASSING_CODES:
        return True
    if status is not None:
        return status in _PASSING_STATUS
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _PASSING_NUMBERS
    if isinstance(error, (TimeoutError, ConnectionError)):
        return True
    return any(one.__name__ in _PASSING and _library(one) is not None for one in type(error).__mro__)


def as_machine_trouble(error: Exception, what: str) -> Exception:
    """The error itself, or an OSError in its place if it is the machine's and none; ``what`` names the file."""
    if isinstance(error, OSError) or not is_of_machine(error) or isinstance(error, MemoryError):
        return error
    return MachineTroubleError(f"{what}: {type(error).__name__}: {error}")


def patiently(call: Callable[[], Result], what: str) -> Result:
    """The result of a request to a store, asked again where its trouble passes.

    Raises what the last try raised, as an OSError if it is the machine's trouble.
    """
    for pause in (*PAUSES, None):
        try:
            return call()
        except Exception as error:
            if pause is None or not is_passing(error):
                trouble = as_machine_trouble(error, what)
                if trouble is error:
                    raise
                raise trouble from error
        time.sleep(pause * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable")


def _library(kind: type) -> str | None:
    """The store client that a class comes from, or None."""
    for one in kind.__mro__:
        head = one.__module__.partition(".")[0]
        if head in _CLIENTS and issubclass(one, Exception):
            return head
    return None


def _answer(error: BaseException) -> tuple[str | None, int | None]:
    """(the store's name for the error, HTTP status), as far as a client tells."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return response.get("Error", {}).get("Code"), status
    if _library(type(error)) is None:
        return None, None
    for holder, name in (
        (error, "status"),
        (error, "status_code"),
        (error, "code"),
        (response, "status_code"),
    ):
        value = getattr(holder, name, None)
        if isinstance(value, str) and value.isdigit():  # gcsfs
            value = int(value)
        if isinstance(value, int) and 100 <= value < 600:
            return None, int(value)
    return None, None
