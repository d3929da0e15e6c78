"""How an identifier is recognised: a regular expression over every spelling of it, and plain fragments to look for first.

Pure. Case is folded here, character by character, and word boundaries are spelt out as Unicode ranges: what a server's locale
takes for a letter, or for its capital, differs from server to server. The expressions hold no character of an identifier but
ASCII letters and digits as themselves, so no metacharacter can be smuggled in.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from pgerase.errors import UsageError

LONGEST = 300
"""Characters of an identifier: names, addresses and numbers are far shorter, and the server compiles an expression of it."""
SHORTEST = 3
FEWEST_DIGITS = 7
_SHORT_FRAGMENT = 3

# Scripts without blanks between words: there every character ends the word before it.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3021, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0xFE00, 0xFE0F),  # variation selectors, which follow signs as well
    (0x1B000, 0x1B16F),
    (0x20000, 0x10FFFF),  # Han; then selectors and private use
)
_WORD_CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "No"})
_BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
_BLANK = re.compile(f"[{_BLANKS}]+")
_WORD = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_ASCII_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})
_NUMBER = re.compile(r"\+?[0-9][0-9 ().\-/]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Spelling:
    """`pattern` finds whole words; `fragments` are lower-case ASCII, all in every spelling.

    Those that tell most come first; `telling` are they without what many share, such as the domain of an address. No
    fragments: nothing in it is spelt the same everywhere; then `gate` is an expression for a piece of it, as short as can be:
    the server builds its automaton anew for every row. It is for texts with ASCII letters in lower case.
    """

    text: str
    pattern: str
    gate: str
    fragments: tuple[str, ...]
    telling: tuple[str, ...]
    number: str
    """Its digits where it is a number such as a phone's, else empty."""

    @property
    def weak(self) -> str:
        """Why it cannot decide anything, or ''."""
        if len(_BLANK.sub("", self.text)) < SHORTEST:
            return f"shorter than {SHORTEST} characters"
        if self.number and len(self.number) < FEWEST_DIGITS:
            return f"a number of fewer than {FEWEST_DIGITS} digits"
        return ""

    @property
    def is_strong(self) -> bool:
        """Whether it is more than one word of letters, which could be any word of a program or a comment."""
        return not self.text.isalpha()


def spell(value: str, name: str) -> Spelling:
    """The spellings of one identifier called `name`. Raises UsageError, without the value, for one that no text can hold."""
    if "\x00" in value or any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise UsageError(f"{name}: it holds a character that no text in PostgreSQL can hold")
    text = _BLANK.sub(" ", unicodedata.normalize("NFC", value)).strip(" ")
    if not text:
        raise UsageError(f"{name}: it is empty", hint="leave out what the person does not have")
    if len(text) > LONGEST:
        raise UsageError(f"{name}: it has more than {LONGEST} characters", hint="search for the part that is personal")
    number = re.sub(r"[^0-9]", "", text) if _NUMBER.fullmatch(text) else ""
    # As given too: some characters have no composed form of their own that normalising would keep.
    as_given = _BLANK.sub(" ", value).strip(" ")
    forms = list(dict.fromkeys((text, as_given)))
    if len(number) >= FEWEST_DIGITS and number not in forms:
        forms.append(number)
    runs = [_runs(form) for form in forms]
    shared = [run for run in runs[0] if all(any(run in other for other in others) for others in runs[1:])]
    before_at = _runs(text[: text.rfind("@")]) if "@" in text else ()
    telling = [run for run in shared if run in before_at] or shared
    ordered = sorted(set(shared), key=lambda run: (run not in telling, -len(run), run))
    return Spelling(
        text=text,
        pattern="|".join(_whole_words(form) for form in forms),
        gate="|".join(_gate(form) for form in forms),
        fragments=tuple(ordered),
        telling=tuple(run for run in ordered if run in telling),
        number=number,
    )


def covering(spellings: Sequence[Spelling]) -> tuple[str, ...]:
    """Few fragments, one of which is in every spelling of every identifier that has fragments: what a scan looks for first."""
    left: list[tuple[str, ...]] = [spelling.telling for spelling in spellings if spelling.fragments]
    chosen: list[str] = []
    while left:
        candidates = sorted({fragment for fragments in left for fragment in fragments})
        best = max(candidates, key=lambda one: (sum(_covers(one, fragments) for fragments in left), len(one)))
        chosen.append(best)
        left = [fragments for fragments in left if not _covers(best, fragments)]
    return tuple(chosen)


def _covers(fragment: str, fragments: Iterable[str]) -> bool:
    return any(fragment in other for other in fragments)


def _runs(text: str) -> tuple[str, ...]:
    """Letters and digits of ASCII; short ones only where there are no longer ones."""
    runs = [run.lower() for run in _WORD.findall(text)]
    return tuple(run for run in runs if len(run) >= _SHORT_FRAGMENT) or tuple(run for run in runs if len(run) > 1)


# --- regular expressions, in the common subset of PostgreSQL's and Python's ---


def _whole_words(text: str) -> str:
    before = _not_inside_word() if _is_word(text[0]) else ""
    after = f"(?![{_word_ranges()}])" if _is_word(text[-1]) else ""
    return f"(?:{before}{_core(text)}{after})"


def _core(text: str) -> str:
    return "".join(_character(character) for character in text)


def _gate(text: str) -> str:
    """Two characters next to each other, or escapes of one of them; the whole where no two are letters."""
    for first, second in pairwise(text):
        if (first + second).isalpha():
            break
    else:
        return _core(text)
    plain = "".join(f"(?:{'|'.join(dict.fromkeys(map(_plain, _forms(one))))})" for one in (first, second))
    escaped = [
        escape
        for one in (first, second)
        if not one.isascii()
        for form in _forms(one)
        for character in form
        if not character.isascii()
        for escape in (
            f"u{character.encode('utf-16-be')[:2].hex()}",
            "".join(f"%{byte:02x}" for byte in character.encode()),
            "".join(f"\\\\{byte:03o}" for byte in character.encode()[:1]),
        )
    ]
    return "|".join(dict.fromkeys([plain, *escaped]))


def _plain(form: str) -> str:
    return "".join(_code_point(character) for character in form.translate(_ASCII_LOWER))


def _forms(character: str) -> list[str]:
    """A character in both cases, composed and decomposed."""
    forms = [character, character.lower(), character.upper(), character.title(), character.casefold()]
    return list(dict.fromkeys([*forms, *(unicodedata.normalize("NFD", form) for form in forms)]))


@cache
def _character(character: str) -> str:
    if character == " ":
        return _ANY_BLANKS
    if character.isascii() and character.isalnum():
        both = {character.lower(), character.upper()}
        return f"[{''.join(sorted(both))}]" if len(both) > 1 else character
    special = _SPECIAL.get(character)
    if special is not None:
        return special
    return f"(?:{'|'.join('|'.join(_spelt(form)) for form in _forms(character))})"


def _spelt(form: str) -> Iterable[str]:
    """One or several characters: as they are, and escaped in JSON (in text of text, twice), in URLs, in bytea."""
    yield "".join(_code_point(character) for character in form)
    if form.isascii() and form.isalnum():
        return
    units = [character.encode("utf-16-be") for character in form]
    yield "".join(
        _code_point(character) if character.isascii() and character.isalnum() else _json_escapes(unit)
        for character, unit in zip(form, units, strict=True)
    )
    yield "".join(_url_escape(byte) for byte in form.encode())
    if not form.isascii():
        yield "".join(_octal_escape(byte) for byte in form.encode())


def _code_point(character: str) -> str:
    code = ord(character)
    if character.isascii() and character.isalnum():
        return character
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _json_escapes(utf16: bytes) -> str:
    halves = [utf16[start : start + 2].hex() for start in range(0, len(utf16), 2)]
    return "".join(f"\\\\+u{_any_case(half)}" for half in halves)


def _url_escape(byte: int) -> str:
    character = chr(byte)
    return character if character.isascii() and character.isalnum() else f"%{_any_case(f'{byte:02x}')}"


def _octal_escape(byte: int) -> str:
    return chr(byte) if byte < 0x80 else f"\\\\+{byte:03o}"


def _any_case(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


# Arrays, composites and JSON escape quotes and backslashes, each in its way and inside each other; SQL text doubles quotes.
_SPECIAL = {
    '"': '(?:[\\\\"]*"|%22|\\\\+u0022)',
    "'": "(?:\\\\*'{1,2}|%27|\\\\+u0027)",
    "\\": "(?:\\\\+|%5[cC]|\\\\+u005[cC])",
    "/": "(?:\\\\*/|%2[fF]|\\\\+u002[fF])",
}


def _ranges(characters: str) -> str:
    """A bracket's content; `a-b` are ranges already."""
    return "".join("-" if character == "-" else _code_point(character) for character in characters)


_ANY_BLANKS = (
    f"(?:[{_ranges(_BLANKS)}+]|\\\\+[bfnrtv]|\\\\+u(?:00(?:0[9aAbBcCdD]|20|85|[aA]0)|20[0-2][0-9a-fA-F]|3000)"
    "|%(?:0[9aAbBcCdD]|20|[cC]2%(?:[aA]0|85)|[eE]2%80%[89aA][0-9a-fA-F])|\\\\+0(?:11|12|13|14|15|40)|\\\\+302\\\\+240)+"
)


@cache
def _not_inside_word() -> str:
    """Not after a letter or digit, unless that ends an escape of something else: a line break in JSON, a blank in a URL."""
    escapes = (
        "\\\\[bfnrtv]",
        "\\\\u00[0-2][0-9a-fA-F]",
        "\\\\u003[a-fA-F]",
        "\\\\u00[aAbB][0-9a-fA-F]",
        "\\\\u20[0-9a-fA-F][0-9a-fA-F]",
        "\\\\u3000",
        "%[0-2][0-9a-fA-F]",
        "%3[a-fA-F]",
        "%[89a-fA-F][0-9a-fA-F]",
        "\\\\[0-3][0-7][0-7]",
    )
    # The escape is matched, not looked back at: one look back is cheap, ten made the search a hundred times slower.
    return f"(?:(?<![{_word_ranges()}])|{'|'.join(escapes)})"


def _is_word(character: str) -> bool:
    code = ord(character)
    if unicodedata.category(character) not in _WORD_CATEGORIES:
        return False
    return not any(low <= code <= high for low, high in _UNSPACED)


@cache
def _word_ranges() -> str:
    """Letters, marks and digits of spaced scripts as ranges; code points without a character may fall into one."""
    ranges: list[tuple[int, int]] = []
    start = last = -1
    for code in range(0x20000):
        if 0xD800 <= code <= 0xDFFF:
            continue
        character = chr(code)
        if _is_word(character):
            start, last = (code if start < 0 else start), code
        elif start >= 0 and unicodedata.category(character) != "Cn":
            ranges.append((start, last))
            start = -1
    if start >= 0:
        ranges.append((start, last))
    return "".join(
        _code_point(chr(low)) if low == high else f"{_code_point(chr(low))}-{_code_point(chr(high))}"
        for low, high in ranges
    )
