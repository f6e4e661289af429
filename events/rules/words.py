"""The words of an event, cut by one rule for the index and for questions to it.

A word is letters and digits, in one case and one Unicode form; what stands between them parts
words, so `ord_1001`, `ord-1001` and a UUID are found whole and by their parts. (PostgreSQL's own
parser takes `ord-1001` for `ord` and the number `-1001`, and a UUID for numbers with exponents.)
In the index a word that not everybody may see begins with `=`, and a tenant is `@` and a digest:
no word of a person can hold these signs, so no question reaches what is not asked on purpose.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator

DATA_BYTES = 16_384
"""Of an event's data only the beginning is indexed."""

WORD_MAX = 40
WORDS_MAX = 2_000
ASKED_MAX = 8
BEGINNING = 3
"""Characters from which on a word that is asked for may go on: shorter ones begin too many."""

_WORD = re.compile(r"[^\W_]+")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


def lexemes(*, shown: Iterable[str | None], hidden: Iterable[str], tenant: str | None) -> str:
    """The text of a tsvector: words that everybody may search for, and words that not all may."""
    found = dict.fromkeys(word for text in shown if text for word in _words(text))
    for text in hidden:
        for word in _words(text):
            if len(found) >= WORDS_MAX:
                break
            found[f"={word}"] = None
    return " ".join([*found] if tenant is None else [*found, _tenant(tenant)])


def question(text: str, *, hidden: bool, tenant: str | None) -> str | None:
    """The text of a tsquery for events that have all of the words; None if there is no word.

    `hidden` looks for words that not everybody may see too. A word finds those that begin with it.
    """
    asked = list(dict.fromkeys(_words(text)))[:ASKED_MAX]
    if not asked:
        return None
    parts = [_either(word, hidden=hidden) for word in asked]
    return " & ".join(parts if tenant is None else [*parts, f"'{_tenant(tenant)}'"])


def text_of(data: bytes, *, json: bool) -> str:
    """The beginning of data as text; empty if it is no UTF-8. Escapes of JSON are undone.

    The JSON is not parsed: it may be cut short, and keys and values are words either way.
    """
    try:
        # Without the end, which may be in the middle of a character.
        text = codecs.getincrementaldecoder("utf-8")().decode(data[:DATA_BYTES])
    except UnicodeDecodeError:
        return ""
    if not json or "\\" not in text:
        return text
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", text)
    # Two escapes may be the halves of one character.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _words(text: str) -> Iterator[str]:
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return (word[:WORD_MAX] for word in _WORD.findall(plain.casefold()))


def _either(word: str, *, hidden: bool) -> str:
    more = ":*" if len(word) >= BEGINNING else ""
    return f"('{word}'{more} | '={word}'{more})" if hidden else f"'{word}'{more}"


def _tenant(name: str) -> str:
    return "@" + hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
