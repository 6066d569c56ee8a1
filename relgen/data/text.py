"""Words of a text in any script: comparing texts by them, counting them, finding a mention.

Boundaries are those of Unicode (UAX #29): words where a script puts spaces between them, single
characters where it does not (Chinese, Japanese, Thai, Khmer, …). Texts are compared without case,
punctuation and invisible characters, and in one form (NFC) of accented letters. Marks and signs
count: `C`, `C++` and `C#` are different words, as are `5` and `5%`.
"""

from __future__ import annotations

import re
import unicodedata
from operator import add

import regex

from relgen.common import InputError

CHARACTERS_PER_WORD = 3
"""How many characters of a script without spaces count as a word against an upper limit."""

# the letters that UAX #29 does not group into words
_UNSPACED = r"[\p{L}--[\p{WB=ALetter}\p{WB=Hebrew_Letter}\p{WB=Katakana}]]"
# a minus and other signs belong to the word that they touch
_WORD = r"(?:[{signs}]|(?<![\w-])-(?=\d))*{letter}+(?:[{signs}{more}]+|-(?![\w-]))?|[{signs}]+"
_UNIT = regex.compile(
    rf"(?V1){_UNSPACED}\p{{M}}*|\p{{WB=Katakana}}+|"
    + _WORD.format(
        signs=r"\p{Sm}\p{Sc}\p{So}#%‰＃％",
        letter=rf"[[\p{{L}}\p{{N}}\p{{M}}]--{_UNSPACED}--\p{{WB=Katakana}}]",
        more="′″*",
    )
)
# the same for ASCII, three times as fast
_ASCII_UNIT = re.compile(_WORD.format(signs="$+<=>|~#%", letter="[a-z0-9]", more="*"), re.ASCII)
_UNSPACED_UNIT = regex.compile(rf"(?V1){_UNSPACED}\p{{M}}*")
_UNSPACED_LETTER = regex.compile(rf"(?V1)[{_UNSPACED}--\p{{Han}}]\p{{M}}*")
_COMPARED_UNIT = regex.compile(rf"(?V1)(?:[{_UNSPACED}--\p{{Han}}]\p{{M}}*)+|{_UNIT.pattern[5:]}")
# with the punctuation of these scripts, which is wide in East Asia
_UNSPACED_SCRIPT = regex.compile(
    rf"(?V1)[{_UNSPACED}\p{{Katakana}}\p{{Thai}}\p{{Lao}}\p{{Khmer}}\p{{Myanmar}}"
    r"[[\p{East_Asian_Width=W}\p{East_Asian_Width=F}]--[\p{Hangul}\p{So}\p{Sk}]]]"
)
_HAN = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
# of a word that is joined by hyphens and apostrophes; with the invisible letters of some scripts
_LETTERS = rf"[[\p{{L}}\p{{M}}\u200c\u200d]--{_UNSPACED}]+"
_LETTERS_UNIT = regex.compile(rf"(?V1){_UNSPACED}\p{{M}}*|{_LETTERS}(?:['’-]{_LETTERS})*")
_INVISIBLE = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
# East Asian widths, Thai and Lao vowels in one or two characters, the stroke of Arabic
_ALIKE: dict[int, str | None] = {
    code: unicodedata.normalize("NFKC", chr(code))
    for code in (0xE33, 0xEB3, *range(0xFF01, 0xFFEF))
} | {0x640: None}
_CHARACTER = regex.compile(r"\X")
_NON_JOINER = "\u200c"  # joins a suffix to a word in Persian
_IN_WORD = regex.compile(r"(?<=[\p{L}\p{N}\p{M}\p{Pc}])\B(?=[\p{L}\p{N}\p{M}\p{Pc}])", regex.WORD)
_BETWEEN_CASED = regex.compile(r"(?<=\p{LC}\p{M}*)(?=\p{LC})|(?<=\p{N})(?=\p{N})")


# written for each other: apostrophes, quotation marks, dashes
_ALIKE_MARKS = ("'’‘ʼ‛`´′", '"“”„‟«»″', "-\u2010\u2011‒–—−")
_ALIKE_MARK = {mark: f"[{re.escape(marks)}]" for marks in _ALIKE_MARKS for mark in marks}


# these join or part letters of the scripts that write them, and are invisible elsewhere
_JOINED = (
    r"[\p{Arabic}\p{Syriac}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}"
    r"\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Khmer}\p{Myanmar}\p{Mongolian}]"
)
INVISIBLE = regex.compile(
    rf"(?<={_JOINED})[\u200C\u200D](?={_JOINED})(*SKIP)(*FAIL)|\p{{Default_Ignorable_Code_Point}}"
)


def clean_label(label: str, field: str | None = None) -> str:
    """Return a label in one form (NFC) of accented letters.

    Raises InputError for a line break, a tab, or a character that cannot be seen, by which two
    labels would look the same.
    """
    if label.isprintable() and label.isascii():
        return label
    if found := re.search(r"[\t\n\r]", label) or INVISIBLE.search(label):
        raise InputError(
            f"a label with the character U+{ord(found[0]):04X}, which cannot be seen",
            field=field,
            value=label,
            remedy="remove it",
        )
    return unicodedata.normalize("NFC", label)


def words(text: str) -> list[str]:
    """Return the words of a text, or its characters where the script has no spaces.

    They are in lower case, without punctuation, and with the signs that they touch.
    """
    return _ASCII_UNIT.findall(text.lower()) if text.isascii() else _UNIT.findall(_folded(text))


def compared_words(text: str) -> list[str]:
    """Return what the overlap of texts is counted in: words, or letters and pairs of neighbours.

    In a script without spaces two sentences that have nothing to do with each other consist of the
    same few dozen letters: pairs tell them apart. A Chinese character is a word by itself.
    """
    if text.isascii():
        return words(text)
    found: list[str] = []
    for unit in _COMPARED_UNIT.findall(_folded(text)):
        letters = _UNSPACED_LETTER.findall(unit)
        found += [*letters, *map(add, letters, letters[1:])] if letters else [unit]
    return found


def _folded(text: str) -> str:
    """Return a text in lower case, in one form of its letters, without invisible characters."""
    folded = unicodedata.normalize("NFD", text.translate(_ALIKE)).casefold()
    return _INVISIBLE.sub("", unicodedata.normalize("NFC", folded))


def normalised(text: str) -> str:
    """Return the words of a text with single spaces between them, for finding copies."""
    return " ".join(words(text))


def word_counts(text: str) -> tuple[int, int]:
    """Return the numbers of words between spaces for a lower and for an upper limit.

    Where a script has no spaces, each character counts as a word for the lower limit, and
    `CHARACTERS_PER_WORD` do for the upper one.
    """
    characters = 0 if text.isascii() else len(_UNSPACED_UNIT.findall(text))
    if not characters:
        number = len(text.split())
        return number, number
    number = sum(map(is_word, _UNSPACED_UNIT.sub(" ", text).split()))
    return number + characters, number + -(-characters // CHARACTERS_PER_WORD)


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return where the words of letters are (`mother-in-law` is one), or single such characters."""
    return [match.span() for match in _LETTERS_UNIT.finditer(text)]


def scripts(text: str) -> set[str]:
    """Return the scripts of a text's letters, such as LATIN or CYRILLIC; CJK is Chinese or kana.

    A script with spaces counts if two of its letters meet: not the α of `α-helix`.
    """
    if text.isascii():
        return {"LATIN"} if re.search("[A-Za-z]{2}", text) else set()
    found, last = set(), ""
    # full width and mathematical letters are as their plain ones
    for character in unicodedata.normalize("NFKC", text):
        mark = unicodedata.category(character)
        if mark.startswith("M"):
            continue
        name = ""
        if mark.startswith("L") and mark != "Lm":
            first = unicodedata.name(character, "").partition(" ")[0]
            name = "CJK" if is_han(character) else first
            if name and (name == last or is_unspaced(character)):
                found.add(name)
        last = name
    return found


def is_word(text: str) -> bool:
    """Return whether a text has a letter or a digit."""
    return any(character.isalnum() for character in text)


def has_unspaced(text: str) -> bool:
    """Return whether a text has letters of a script without spaces between words."""
    return not text.isascii() and _UNSPACED_UNIT.search(text) is not None


def is_unspaced(character: str) -> bool:
    """Return whether a character belongs to a script without spaces between words."""
    return _UNSPACED_SCRIPT.match(character) is not None


def is_han(character: str) -> bool:
    """Return whether a character is Chinese, or Japanese kana."""
    return _HAN.match(character) is not None


def splits_word(text: str, place: int) -> bool:
    """Return whether a place of a text is certainly inside a word.

    That is inside a letter with its marks, between two letters with case, or between two digits.
    Scripts without case have no spaces, or may join articles and particles to a name.
    """
    if not 0 < place < len(text):
        return False
    if text.isascii():
        around = text[place - 1 : place + 1]
        return around.isalpha() or around.isdigit()
    character = _CHARACTER.match(text, place - 1)
    inside = character is not None and character.end() > place and text[place] != _NON_JOINER
    return inside or _BETWEEN_CASED.match(text, place) is not None


def find_mentions(text: str, mention: str, *, whole: bool = False) -> list[tuple[int, int]]:
    """Return where a mention is in a text, as whole words if it is so anywhere: `C` not in `C++`.

    Otherwise where it touches signs or, in scripts without case, other letters; and if that is
    nowhere, and it need not be `whole`, inside words. Composed and decomposed letters are equal,
    and, where it would be nowhere, all apostrophes, quotation marks, dashes and white spaces.
    """
    forms = dict.fromkeys([mention, *(unicodedata.normalize(f, mention) for f in ("NFC", "NFD"))])
    found = []
    for form in forms:
        start = text.find(form)
        while start >= 0:
            found.append((start, start + len(form)))
            start = text.find(form, start + 1)
    if not found and mention.strip():
        loose = r"\s+".join(
            "".join(_ALIKE_MARK.get(mark) or re.escape(mark) for mark in word)
            for word in mention.split()
        )
        found = [match.span() for match in re.finditer(loose, text)]
    signs = {place for unit in _UNIT.finditer(text) for place in range(*unit.span())[1:]}
    for inside in (
        lambda place: place in signs or _IN_WORD.match(text, place),
        lambda place: _IN_WORD.match(text, place),
        lambda place: splits_word(text, place) or "_" in text[max(0, place - 1) : place + 1],
    ):
        if spans := [span for span in found if not any(map(inside, span))]:
            return spans
    return [] if whole else found
