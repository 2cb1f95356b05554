"""The token of a service: where it is read from, and what a token can be."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from qdcircuits.errors import InputError

TOKENS = ("QDLLM_QUAFU_TOKEN", "QPU_API_TOKEN")


def check_token(token: str) -> str:
    """The token, if a header can carry it: printable ASCII without blanks; raises InputError that does not quote it."""
    if not token or not all(33 <= ord(character) <= 126 for character in token):
        raise InputError(
            "The token is empty or has a blank, a line break or a character outside ASCII in it: copy it again from "
            "the service's site, on one line."
        )
    return token


def read_token(path: str | None = None, names: Sequence[str] = TOKENS) -> str:
    """The token from one of the environment variables `names`, else from a file with mode 0600; raises InputError."""
    for name in names:
        if os.environ.get(name, "").strip():
            return check_token(os.environ[name].strip())
    if not path:
        raise InputError(f"No token: set {' or '.join(names)}, or give a token_file that only you can read.")
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(f"There is no token file {path!r}: create it with mode 0600, the token its only line.")
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise InputError(f"The token file {file.name} can be read by others: run chmod 600 on it and use a new token.")
    try:
        token = file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The token file {file.name} cannot be read ({type(error).__name__}): it must be a text, the token its "
            "only line."
        ) from None
    if not token or "\n" in token:
        raise InputError(f"The token file {file.name} must hold the token as its only line.")
    return check_token(token)
