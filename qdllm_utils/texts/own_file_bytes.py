"""The bytes of a user's file: unpacked, recognised and decoded, or refused with what they are."""

import codecs
import gzip
import re
import zlib
from pathlib import Path

from qdcircuits.errors import InputError

FORMATS = "CSV, TSV, JSON lines or Parquet, plain or as .gz"
REFUSED = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive: save the sheet as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save the sheet as CSV"),
    (b"BZh", "packed by bzip2: unpack it"),
    (b"\xfd7zXZ", "packed by xz: unpack it"),
    (b"\x28\xb5\x2f\xfd", "packed by zstandard: unpack it"),
    (b"ARROW1", "an Arrow file: save it as Parquet or CSV"),
    (b"version https://git-lfs", "a Git LFS pointer, not the data: run `git lfs pull`"),
    (b"%PDF", "a PDF: save the table as CSV"),
    (b"{\\rtf", "a rich text document: save it as plain text"),
)
MARKS = (  # UTF-32 first: its mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
WESTERN = re.compile("[\xa0\xa3-\xac\xb0\xb4\xb7\xba-\xff€‚„…†‰ŠŒŽ‘’“”•–—™šœžŸ\x00-\x7f]*")


def read_bytes(path: str) -> tuple[bytes, list[str]]:
    """The unpacked bytes of a file and what was assumed; an InputError where they can be no table."""
    if not path.strip():
        raise InputError("The path of the file is empty: pass the path of a file, " + FORMATS + ".")
    file = Path(path).expanduser()
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "is not there"
        raise InputError(f"There is no file {path!r} (it {what}): pass the path of a file, {FORMATS}.")
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file.name} cannot be read ({error.strerror}): check its permissions.") from None
    notices = []
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = gzip.decompress(raw)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise InputError(f"{file.name} is a damaged or cut .gz file: copy or pack it again.") from None
        notices.append("The file was unpacked (gz).")
    for magic, what in REFUSED:
        if raw.startswith(magic):
            raise InputError(f"{file.name} is {what}; {FORMATS} can be read.")
    if re.match(rb"\s*<(!doctype|html|\?xml)", raw[:200], re.IGNORECASE):
        raise InputError(f"{file.name} is a web page or XML, not a table: download the data itself; {FORMATS}.")
    return raw, notices


def decode(raw: bytes, encoding: str | None, name: str) -> tuple[str, str, list[str]]:
    """The characters of a text file, its encoding, and what was assumed about it."""
    if encoding:
        return decode_as(raw, encoding, name)
    for mark, marked in MARKS:
        if raw.startswith(mark):
            content, _, _ = decode_as(raw[len(mark) :], marked, name)
            return content, marked, [f"The file begins with a byte order mark: read as {marked.upper()}."]
    if b"\0" in raw[:100_000]:
        wide = without_mark(raw)
        if wide is None:
            raise InputError(f"{name} holds zero bytes, so it is no text file: pass {FORMATS}, or `encoding`.")
        content, _, _ = decode_as(raw, wide, name)
        return content, wide, [f"Encoding: {wide.upper()}, guessed from its zero bytes (there is no mark)."]
    try:
        return raw.decode("utf-8"), "utf-8", []
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(f"{name} is not UTF-8 (line {line}): {advice(raw)}.") from None


def decode_as(raw: bytes, encoding: str, name: str) -> tuple[str, str, list[str]]:
    """Decode with an encoding that was given or found; an InputError where it does not fit."""
    try:
        content = raw.decode(encoding)
    except LookupError:
        raise InputError(
            f"Unknown encoding {encoding!r}: pass a name that Python knows, such as utf-8, cp1252, latin-1 or gb18030."
        ) from None
    except UnicodeError as error:
        line = raw[: getattr(error, "start", 0)].count(b"\n") + 1
        raise InputError(f"{name} is not {encoding} (line {line}): leave `encoding` out or pass another.") from None
    notices = []
    plain = codecs.lookup(encoding).name
    if plain not in ("utf-8", "ascii") and not plain.startswith("utf") and not raw.isascii():
        try:
            raw.decode("utf-8")
            notices.append(f"The file is also valid UTF-8: is encoding={encoding} meant? Look at its letters.")
        except UnicodeDecodeError:
            pass
    return content.removeprefix("\ufeff"), plain, notices


def without_mark(raw: bytes) -> str | None:
    """The wide encoding of a file without a byte order mark: the one that finds most line ends and separators."""
    found = {}
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        try:
            content = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in content:
            found[encoding] = sum(map(content.count, "\n,;\t\r"))
    best = max(found, key=lambda encoding: found[encoding], default=None)
    return best if best and found[best] > 1 else None


def advice(raw: bytes) -> str:
    """What to do about bytes that are not UTF-8, with the encoding that they look like."""
    replaced = raw.decode("utf-8", errors="replace")
    damaged = replaced.count("\ufffd")
    sound = sum(character > "\x7f" for character in replaced) - damaged
    if sound > 2 * damaged:
        return f"the rest of it is, {damaged:,} characters are damaged; repair them, or pass the true `encoding`"
    guess = guess_encoding(raw)
    if guess is None:
        return "save it as UTF-8, or pass its encoding, such as encoding=cp1252 or cp1250"
    return f"it may be {guess}; save it as UTF-8, or pass encoding={guess} and look at its letters"


def guess_encoding(raw: bytes) -> str | None:
    """The likely encoding of bytes that are not UTF-8: cp1252 where Western letters are a few among ASCII."""
    try:
        western = raw.decode("cp1252")
        few = sum(byte > 127 for byte in raw) < 0.25 * len(raw)
        if few and WESTERN.fullmatch(western):
            return "cp1252"
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    best = from_bytes(raw[:200_000]).best()
    return best.encoding if best and best.encoding != "cp1252" else None
