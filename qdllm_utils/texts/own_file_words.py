"""What a reader of a file can see: invisible characters, labels that look the same, texts that read the same."""

import re
import unicodedata

# Format and control characters, and the blank ones among letters, marks and symbols (Hangul fillers, the Braille
# blank, the combining grapheme joiner, variation selectors). Arabic number signs are 'format' too, but are seen.
INVISIBLE = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_invisible = re.compile(f"[{INVISIBLE}]")
_visible = re.compile(rf"[^\s{INVISIBLE}]")
_ends = re.compile(rf"^[\s{INVISIBLE}]+|[\s\xad\u200b-\u200f\u2060\ufeff]+$")  # an emoji's last selector stays
_no_width = re.compile("[\xad\u200b\u2060\ufeff]")  # never part of a spelling, as joiners of emoji and Persian are
_number = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.IGNORECASE)
_latin = re.compile("[A-Za-z]")
_half = re.compile("[\ud800-\udfff]")

# Letters of other alphabets, dashes and quotes that look like those of a keyboard, after casefold.
TWINS = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u03bf"
    "\u2010\u2011\u2012\u2013\u2014\u2212\u2018\u2019\u02bc\u201c\u201d",
    "aeopcyxijshdo------'''\"\"",
)
CAPITALS = str.maketrans(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "ABEKMHOPCTXABEZHIKMNOPTYX",
)


def visible(text: str) -> bool:
    """Whether a text has a character that is seen: neither space nor of zero width."""
    return _visible.search(text) is not None


def broken(text: str) -> bool:
    """Whether a text holds half a surrogate pair, which no UTF-8 file and no tokeniser can hold."""
    return _half.search(text) is not None


def tidy(name: str) -> str:
    """A label or a column's name without what is not seen: spaces at its ends or repeated, zero-width spaces."""
    return " ".join(_ends.sub("", _no_width.sub("", name)).split())


def number(label: str) -> float | None:
    """The number that a label writes in digits; None where it is none."""
    return float(label) if label.isascii() and _number.fullmatch(label) else None


def looks(label: str) -> str:
    """What a label is compared by: two labels with equal looks cannot be told apart on a screen.

    Case, spaces, invisible characters, Unicode normal forms, twins of other alphabets, and 1 beside 1.0 are ignored.
    """
    same = tidy(_invisible.sub("", unicodedata.normalize("NFKC", label)))
    value = number(same)
    if value is not None and "." in same:
        return f"{value:.15g}"
    if _latin.search(same):  # a Latin word with a capital of another alphabet in it
        same = same.translate(CAPITALS)
    return unicodedata.normalize("NFKC", same.casefold()).translate(TWINS)


def reads(text: str) -> str:
    """What two texts are compared by: case, spacing, invisible characters and normal forms are ignored."""
    if not text.isascii():
        text = _invisible.sub("", unicodedata.normalize("NFC", text))
    return " ".join(text.lower().split())


def quoted(text: str, longest: int = 40) -> str:
    """A piece of a user's file inside a sentence: on one line, invisible characters shown, cut to `longest`."""
    shown = text if len(text) <= longest else text[: longest - 1] + "…"
    return ascii(shown) if _invisible.search(shown) or "\xa0" in shown or broken(shown) else repr(shown)


def listed(items: list[str], most: int = 4) -> str:
    """Some items of a list in a sentence, with how many more there are."""
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more:,} more" if more > 0 else "")


def many(count: int, what: str) -> str:
    """1 text, 2 texts."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")
