"""HTTP to the Quafu services: the token, time-outs, back-off, and what is known after a request that failed.

pyquafu's own requests have no time-out and it writes the token readable for everybody, so they are not used. Here the
token comes from the environment or from a file that only its owner can read; it is sent in a header to the one
address of the service (https, no redirects) and is taken out of every message.
"""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError

from qdcircuits.errors import InputError

TOKENS = ("QDLLM_QUAFU_TOKEN", "QPU_API_TOKEN")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
NOT_TAKEN = (429, 503)  # a service that answers so has not accepted the task: sending it again is safe


class Unknown(InputError):
    """A task was sent and no clear answer came: it may or may not have been accepted."""


class NotTaken(InputError):
    """The service has certainly not accepted a task."""


def read_token(path: str | None = None) -> str:
    """The token from QDLLM_QUAFU_TOKEN or QPU_API_TOKEN, else from a file with mode 0600; raises InputError."""
    for name in TOKENS:
        if os.environ.get(name, "").strip():
            return os.environ[name].strip()
    if not path:
        raise InputError(f"No token: set {TOKENS[0]} (or {TOKENS[1]}), or give a token_file that only you can read.")
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(f"There is no token file {path!r}: create it with mode 0600, the token its only line.")
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise InputError(f"The token file {file.name} can be read by others: run chmod 600 on it and use a new token.")
    token = file.read_text(encoding="utf-8").strip()
    if not token or "\n" in token:
        raise InputError(f"The token file {file.name} must hold the token as its only line.")
    return token


class Http:
    """Requests to one address with the token in a header; time-outs, back-off, and no token in any message.

    retries: further tries after 429, 5xx, a broken connection or half an answer, `pause` seconds apart, doubling.
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
    ) -> None:
        """Refuse an address to which the token would go unencrypted."""
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise InputError(
                f"The service's address is {url!r}: it must begin with https://, or be this machine's own."
            )
        self.url, self.host, self.timeout = url.rstrip("/"), parts.hostname or "", timeout
        self.retries, self.pause, self.sleep = retries, pause, sleep
        self._token, self._headers = token, {header: token}

    @property
    def source(self) -> str:
        """Who answers: a stand-in on this machine, or the service's host."""
        return "stand-in" if self.host in LOOPBACK else self.host

    def clean(self, text: Any) -> str:
        """A message on one line, at most 200 characters, without the token."""
        return " ".join(str(text).replace(self._token, "<token>").split())[:200].rstrip(". ")

    def once(self, method: str, path: str, **content: Any) -> requests.Response:
        """One request. A refused token ends in an InputError; redirects are not followed."""
        response = requests.request(
            method, f"{self.url}/{path}", headers=self._headers, timeout=self.timeout, allow_redirects=False, **content
        )
        if response.status_code in (401, 403):
            raise NotTaken(
                f"{self.host} refused the token ({response.status_code}): it is wrong or has expired; get a new one "
                "from the service's site and set it again."
            )
        return response

    def read(self, method: str, path: str, **content: Any) -> Any:
        """A request that changes nothing, repeated until its answer is whole JSON; raises InputError."""
        trouble = ""
        for attempt in range(self.retries + 1):
            if attempt:
                self.sleep(self.pause * 2 ** (attempt - 1))
            try:
                response = self.once(method, path, **content)
                if response.status_code == 200:
                    return response.json()
                trouble = f"it answered {response.status_code}"
                if response.status_code < 500 and response.status_code != 429:
                    break
            except InputError:
                raise
            except ValueError:
                trouble = "its answer is not JSON"
            except requests.RequestException as error:
                trouble = f"the connection failed ({type(error).__name__})"
        raise InputError(f"{self.host} could not be read: {trouble}; try again later, nothing that was sent is lost.")

    def send(self, path: str, **content: Any) -> Any:
        """A request that starts a task. Repeated only where the service has certainly not accepted it.

        Raises NotTaken, or Unknown where the answer was lost, unclear, or an error after which nobody can know.
        """
        trouble = ""
        for attempt in range(self.retries + 1):
            if attempt:
                self.sleep(self.pause * 2 ** (attempt - 1))
            try:
                response = self.once("post", path, **content)
            except requests.RequestException as error:
                if not never_arrived(error):
                    raise Unknown(f"the connection to {self.host} broke after the task was sent") from None
                trouble = f"{self.host} cannot be reached"
                continue
            if response.status_code == 200:
                try:
                    return response.json()
                except ValueError:
                    raise Unknown(f"the answer of {self.host} to the task is not JSON") from None
            trouble = f"{self.host} answered {response.status_code} {self.clean(response.text)}".strip()
            if response.status_code >= 500 and response.status_code not in NOT_TAKEN:
                raise Unknown(trouble)
            if response.status_code not in NOT_TAKEN:
                break
        raise NotTaken(f"The task was not accepted: {trouble}.")


def never_arrived(error: requests.RequestException) -> bool:
    """Whether no connection was made at all."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)
