"""HTTP to a service of quantum computers: the token, time-outs, back-off, and what is known after a request failed.

pyquafu's own requests have no time-out and it writes the token readable for everybody, so they are not used. Here the
token comes from the environment or from a file that only its owner can read; it is sent in a header to the one
address of the service (https, no redirects) and is taken out of every message. An answer is read as a whole within
a total time and up to a size, however slowly it drips.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from qdcircuits.cloud.connection import LARGEST_ANSWER, never_arrived, retry_after, said, untrusted, within
from qdcircuits.cloud.token import check_token, read_token
from qdcircuits.errors import InputError

__all__ = ["Answer", "Http", "NotTaken", "Unknown", "Unreadable", "read_token", "strict_json"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LONGEST_PAUSE = 300  # seconds; a service that asks for a longer one ends the run in a sentence
AGAIN = (408, 425, 429)  # besides 5xx: a request that changes nothing is repeated after these


class Unknown(InputError):
    """A task was sent and no clear answer came: it may or may not have been accepted."""


class NotTaken(InputError):
    """The service has certainly not accepted a task."""


class Unreadable(InputError):
    """An answer that came whole and is not JSON; `text` is what came."""

    text = ""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer that came whole. body: its JSON; `is_json` is False, and body None, where it is none."""

    status: int
    text: str
    body: Any = None
    is_json: bool = False
    pause: float = 0.0


def strict_json(text: str) -> Any:
    """JSON without NaN and without a name that stands twice in an object; raises ValueError."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice")
        return found

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


class Http:
    """Requests to one address with the token in a header; time-outs, back-off, and no token in any message.

    timeout: seconds for a connection and between two pieces of an answer; `total` for a whole answer (default: twice
    that). retries: further tries of a request that changes nothing, after 408, 425, 429, 5xx, a broken connection or
    half an answer, `pause` seconds apart, doubling, or as long as the service's Retry-After says.
    """

    def __init__(
        self,
        url: str,
        header: str,
        token: str,
        timeout: float = 30,
        retries: int = 4,
        pause: float = 1,
        sleep: Callable[[float], None] = time.sleep,
        total: float | None = None,
        scheme: str = "",
    ) -> None:
        """Refuse an address to which the token would go unencrypted, and a token that no header can carry.

        scheme: what stands before the token in the header, such as 'Bearer '.
        """
        check_url(url)
        self.url, self.host, self.timeout = url.rstrip("/"), urlsplit(url).hostname or "", timeout
        self.retries, self.pause, self.sleep, self.total = retries, pause, sleep, total or 2 * timeout
        self._token, self._headers = check_token(token), {header: f"{scheme}{token}"}

    @property
    def source(self) -> str:
        """Who answers: a stand-in on this machine, or the service's host."""
        return "stand-in" if self.host in LOOPBACK else self.host

    def clean(self, text: Any) -> str:
        """A message on one line, at most 200 characters, without the token."""
        text = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False, default=str)
        for form in (self._token, json.dumps(self._token)[1:-1], quote(self._token), quote(self._token, safe="")):
            text = text.replace(form, "<token>")
        return " ".join(text.split())[:200].rstrip(". ")

    def exchange(self, method: str, path: str, **content: Any) -> Answer:
        """One request and its whole answer, whatever its status; redirects are not followed.

        Raises requests.RequestException.
        """
        return within(self.total, lambda: self._exchange(method, path, **content))

    def _exchange(self, method: str, path: str, **content: Any) -> Answer:
        end = time.monotonic() + self.total

        def sign(request: Any) -> Any:  # as `auth`, so that nobody's ~/.netrc takes the header's place
            request.headers.update(self._headers)
            return request

        response = requests.request(
            method, f"{self.url}/{path}", auth=sign, timeout=self.timeout, allow_redirects=False, stream=True, **content
        )
        raw = bytearray()
        with response:
            for piece in response.iter_content(65536):
                raw += piece
                if len(raw) > LARGEST_ANSWER:
                    raise requests.ConnectionError("the answer is too large")
                if time.monotonic() > end:
                    raise requests.Timeout("the answer drips")
        text = raw.decode("utf-8", errors="replace")
        pause = retry_after(response.headers.get("Retry-After"))
        sized = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
        try:
            body = strict_json(raw.decode("utf-8"))
            if sized or not isinstance(body, int | float):  # a number without its length may have been cut off
                return Answer(response.status_code, text, body, True, pause)
            return Answer(response.status_code, text, pause=pause)
        except ValueError:
            return Answer(response.status_code, text, pause=pause)

    def read(self, method: str, path: str, retries: int | None = None, **content: Any) -> Any:
        """A request that changes nothing, repeated until its answer is whole JSON.

        Raises InputError where the service cannot be read, and Unreadable where its last answer is not JSON.
        """
        trouble, text, pause = "", None, 0.0
        for attempt in range((self.retries if retries is None else retries) + 1):
            if attempt:
                if pause > LONGEST_PAUSE:
                    break
                self.sleep(max(self.pause * 2 ** (attempt - 1), pause))
            text, pause = None, 0.0
            try:
                answer = self.exchange(method, path, **content)
            except requests.RequestException as error:
                trouble = said(error, self.host)
                if untrusted(error):
                    break
                continue
            if answer.status in (401, 403):
                raise InputError(refused_token(self, str(answer.status)))
            if answer.status == 200 and answer.is_json:
                return answer.body
            pause = answer.pause
            if answer.status == 200:
                trouble, text = "its answer is not JSON, or names something twice", answer.text
                continue
            trouble = f"it answered {answer.status}"
            if pause > LONGEST_PAUSE:
                trouble += f" and asks to wait {pause:,.0f} seconds"
            if answer.status < 500 and answer.status not in AGAIN:
                break
        sentence = f"{self.host} could not be read: {trouble}; try again later, nothing that was sent is lost."
        if text is None:
            raise InputError(sentence)
        unreadable = Unreadable(sentence)
        unreadable.text = text
        raise unreadable

    def send(self, path: str, **content: Any) -> Answer:
        """A request that starts a task, repeated only while no connection comes about; its answer.

        Raises NotTaken where nothing has left this machine, Unknown where the answer was lost.
        """
        trouble = ""
        for attempt in range(self.retries + 1):
            if attempt:
                self.sleep(self.pause * 2 ** (attempt - 1))
            try:
                return self.exchange("post", path, **content)
            except Exception as error:  # whatever it is: once bytes may have left, nobody knows
                if untrusted(error):
                    raise NotTaken(f"The task was not sent: {said(error, self.host)}.") from None
                if not never_arrived(error):
                    raise Unknown(f"{said(error, self.host)} after the task was sent to {self.host}") from None
                trouble = f"{self.host} cannot be reached"
        raise NotTaken(f"The task was not sent: {trouble}.")


def check_url(url: str) -> None:
    """https, or http to this machine; a host, no user name, no query; raises InputError."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("https", "http") or (parts.scheme == "http" and host not in LOOPBACK) or not host:
        raise InputError(f"The service's address is {url!r}: it must begin with https://, or be this machine's own.")
    if parts.username or parts.password or parts.query or parts.fragment or any(c.isspace() for c in url):
        raise InputError("The service's address must be https://host/path and no more: no user name, no query.")


def refused_token(http: Http, why: str) -> str:
    """The sentence for a refused token."""
    return (
        f"{http.host} refused the token ({http.clean(why)}): it is wrong or has expired; get a new one from the "
        "service's site and set it again."
    )
