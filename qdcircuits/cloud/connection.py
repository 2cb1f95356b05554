"""What happened to a connection: a whole answer in time, a pause that was asked for, and what an error tells."""

import queue
import ssl
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests
from urllib3.exceptions import NewConnectionError, ProxyError

Result = TypeVar("Result")
LARGEST_ANSWER = 16_000_000  # bytes; the counts of 10,240 shots of 11 bits have 60,000 at most


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What `work` returns or raises; requests.Timeout where it takes longer (it is then left to itself)."""
    done: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(1)

    def run() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except queue.Empty:
        raise requests.Timeout("no whole answer in time") from None
    if error is not None:
        raise error
    return result


def retry_after(header: str | None) -> float:
    """Seconds of a Retry-After header, a number or a date; 0 without one that can be understood."""
    if not header:
        return 0.0
    if header.strip().isascii() and header.strip().isdigit():
        return float(header.strip()[:9])
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def causes(error: BaseException) -> list[BaseException]:
    """An error and all that stand behind it."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            behind = (
                one.__cause__,
                one.__context__,
                getattr(one, "reason", None),
                getattr(one, "original_error", None),
            )
            waiting += [*one.args, *behind]
    return found


def untrusted(error: BaseException) -> bool:
    """Whether the service's certificate was refused: nothing but a greeting has left this machine."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))


def never_arrived(error: BaseException) -> bool:
    """Whether no connection was made at all."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, ProxyError):
        reason = reason.original_error
    nothing = (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, requests.exceptions.InvalidSchema)
    return isinstance(error, (requests.ConnectTimeout, *nothing)) or isinstance(reason, NewConnectionError)


def said(error: BaseException, host: str) -> str:
    """What went wrong with a connection, in a few words."""
    if untrusted(error):
        return f"the certificate of {host} is not valid; check the address and this machine's clock"
    if "too large" in str(error):
        return f"its answer has more than {LARGEST_ANSWER:,} bytes"
    if isinstance(error, requests.Timeout):
        return f"it gave no whole answer in time ({type(error).__name__})"
    return f"the connection failed ({type(error).__name__})"
