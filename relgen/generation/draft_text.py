"""Finds the lines of an answer that may be samples, and takes off what models put around them.

Chat models number their lines, quote or emphasise them, name the relation, and think aloud before.
Invisible characters are dropped; a line with characters that no sentence holds is rejected. Every
expression takes time linear in the length of the text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import lru_cache

import regex

from relgen.data import INVISIBLE, escape

_REASONING = re.compile(
    r"[<\[◁](think|thinking|thought|reasoning|analysis)[>\]▷].*?(?:[<\[◁]/\1[>\]▷]|\Z)",
    re.DOTALL | re.IGNORECASE,
)
# the opening tag may be part of the prompt; gpt-oss writes the answer after its last <|message|>
_THOUGHT_BEFORE = re.compile(
    r"\A.*(?:[<\[◁]/(?:think|thinking|thought|reasoning|analysis)[>\]▷]|<\|message\|>)",
    re.DOTALL | re.IGNORECASE,
)
_SPECIAL_TOKEN = re.compile(r"(?:<\|[\w ]{1,40}\|>|</s>|<eos>|<end_of_turn>)\Z")
# numbers that end in a dot are also ordinals: in front of small letters, months, and these nouns
_ORDINALS = (
    *("Jan", "Januar", "Jänner", "Feb", "Februar", "März", "Mars", "Marts", "Apr", "April", "Mai"),
    *("Maj", "Jun", "Juni", "Jul", "Juli", "Aug", "August", "Sep", "Sept", "September", "Okt"),
    *("Oktober", "Nov", "November", "Dez", "Dec", "Dezember", "December", "Desember", "Ledna"),
    *("Února", "Března", "Dubna", "Května", "Června", "Července", "Srpna", "Září", "Října"),
    *("Listopadu", "Prosince", "Januára", "Februára", "Marca", "Apríla", "Mája", "Júna", "Júla"),
    *("Augusta", "Septembra", "Októbra", "Novembra", "Decembra", "Siječnja", "Veljače", "Ožujka"),
    *("Travnja", "Svibnja", "Lipnja", "Srpnja", "Kolovoza", "Rujna", "Listopada", "Prosinca"),
    *("Jahrhundert", "Reich", "Weltkrieg", "Bundesliga", "Liga", "FC", "Klasse", "Platz", "Mal"),
)
_AFTER = r"(?:\s+|(?=[<*\"“]))"
_HAN = r"[一二三四五六七八九十]{1,3}"
_CLOSE = rf"(?:\s?:{_AFTER}|\s?：\s*|\.?[)\]]{_AFTER}|[）】]\s*)"
_DASH = r"(?:\s[-–—]\s+(?!\p{Nd})|\.?[-–—]\s+(?![\p{Nd}\p{Ll}]))"
_MARK = regex.compile(
    rf"(?:[-–—−*+•·‣⁃→►▶▪■●○◦➤➢✓✔✅★☆>|]|\#{{1,6}})(?:\s+|(?=<))|[①-⓪❶-❿㈠-㈩㊀-㊉]\s*"
    rf"|[(\[（【]?(?:\p{{Nd}}{{1,3}}|{_HAN}|[a-zA-Z]|[ivxIVX]{{2,5}})(?:[)\]]{_AFTER}|[）】]\s*)"
    rf"|(?:\p{{Nd}}{{1,3}}|{_HAN})[、．]\s*(?![\p{{Nd}}一二三四五六七八九十])"
    rf"|(?:\p{{Nd}}{{1,3}}\s?\.(?:{_AFTER}|(?=\p{{Lu}}\p{{Ll}}|\p{{Lo}}))|[a-z]\.{_AFTER})(?!\p{{Ll}}|(?:{'|'.join(_ORDINALS)})\b)"
    rf"|(?:(?:\#|№\s?)?\p{{Nd}}{{1,3}}|[a-zA-Z])(?:{_CLOSE}|{_DASH})"
    rf"|\#\p{{Nd}}{{1,3}}\s+|\p{{Nd}}{{1,3}}/\s+|\p{{Nd}}\u20E3\s*|第(?:\p{{Nd}}{{1,3}}|{_HAN})\p{{Han}}{{0,2}}[:：]\s*"
)
_WORD = (
    r"\p{L}[\p{L}\p{M}'’-]{0,19}\.?\s?(?:[#№]|(?i:n[or]\.?))?\s?"
    r"(?:\p{Nd}{1,3}|[(（]\p{Nd}{1,3}[)）])"
)
_NUMBERED = regex.compile(
    rf"(?:(?i:new|next|another|training)\s)?{_WORD}(?:{_CLOSE}|(?<=[#№]\s?\p{{Nd}}{{1,3}}){_DASH})"
)
_WORDS = (
    "sample|example|sentence|output|answer|response|draft|beispiel|beispielsatz|satz|antwort|"
    "exemple|phrase|réponse|ejemplo|oración|respuesta|frase|esempio|risposta|exemplo|resposta|"
    "voorbeeld|zin|antwoord|przykład|zdanie|örnek|cümle|ví dụ|câu|contoh|kalimat|"
    "пример|предложение|ответ|приклад|речення|παράδειγμα|πρόταση|απάντηση|"
    "مثال|جملة|الجملة|نمونه|דוגמה|משפט|תשובה|उदाहरण|वाक्य|उत्तर|উদাহরণ|বাক্য|উত্তর|"
    "ตัวอย่าง|ประโยค|คำตอบ|样本|樣本|示例|例句|例子|句子|回答|答案|例文|例|文|サンプル|"
    "예문|예시|문장|예|답변"
)
_NUMERAL = "one|two|three|four|five|six|seven|eight|nine|ten"
_NAMED = re.compile(
    rf"(?:(?:new|next|another|training|first|second|third|fourth|fifth)\s)?(?:{_WORDS})s?"
    rf"(?:\s(?:{_NUMERAL})|{_HAN})?\s?[:：]\s*",
    re.IGNORECASE,
)
_ONE_WORD = r"\p{L}[\p{L}\p{M}]{0,19}"
# a name of a relation that is in no schema: no sentence begins in this way
_IDENTIFIER = regex.compile(
    r"[\[({]?(?:(?=[^\s:]{0,60}_)[\w/-]{1,60}|[\w/-]{1,60}(?=\(e[12],))"
    r"(?:\(e[12],e[12]\))?[\])}]?\s?[:：]\s+"
)
# a list's mark or an initial or an ordinal; labels in small letters and around the words above, or
# words of the sentence
_DOUBTFUL = regex.compile(
    rf"(?:[A-EIVX]|I{{2,3}}|IV|VI{{1,3}}|IX|X[IVX]{{1,4}})\.\s+(?!\p{{Lu}}\.)|{_WORD}(?:\.\s+(?!\p{{Ll}})|{_DASH})"
    r"|[a-z][\w/-]{0,40}(?: [a-z][\w/-]{0,40}){0,4}\s?[:：]\s+(?=[\p{Lu}<\"“])"
    rf"|(?i:(?:{_ONE_WORD}\s)?(?:{_WORDS})s?(?:\s{_ONE_WORD})?)\s?[:：]\s*"
)
_PREAMBLE = re.compile(
    r"(?:sure|certainly|of course|okay|ok"
    r"|here(?:'s|’s| is| are) (?:one|an?|another|the|your|my|some|\d+))\b[^<>:]{0,200}:\s*",
    re.IGNORECASE,
)
_QUOTES = dict(zip("\"'`“‘«„「『《", "\"'`”’»“」』》", strict=True))
_EMPHASIS = tuple(
    re.compile(one)
    for one in (
        r"(?<![\w*])\*(?=[^\s*])([^*]*[^\s*])\*(?![\w*])",
        r"(?<![A-Za-z0-9*])\*\*(?=[^\s*])([^*]*[^\s*])\*\*(?![A-Za-z0-9*])",  # x**2 + y**2
        r"(?<![\w_])_(?=[^\s_])([^_]*[^\s_])_(?![\w_])",
        r"(?<!\w)__(?![a-z0-9]+__)(?=[^\s_])([^_]*[^\s_])__(?!\w)",  # __init__
        r"(?<!`)`(?=[^\s`])([^`]*[^\s`])`(?!`)",
    )
)
_REFERENCE = re.compile(
    r"&(?!(?:lt|gt|amp);)(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,31}[0-9]{0,2});", re.IGNORECASE
)
_TAG = re.compile(
    r"</?[a-z][\w.-]{0,40}(?:[\s:/][^<>]*)?>|<\|[^<>|]*\|>|\*\*|(?<!\w)__[^\W_]", re.I
)
_BAD = regex.compile(
    r"[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069\uFFFD]"
    r"|(?!\p{Default_Ignorable_Code_Point})\p{Cf}"
)


def written_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines of an answer that may be samples, each with its place in it.

    Reasoning, blank lines and code fences are left out.
    """
    for before in (_REASONING, _THOUGHT_BEFORE):
        text = before.sub(lambda found: "\n" * found[0].count("\n"), text)
    lines = enumerate(text.split("\n"))
    return [(place, line) for place, line in lines if line.strip(" \t\r`") and "```" not in line]


def bare_line(raw: str, relation: Sequence[str], labels: Sequence[str]) -> tuple[str, str | None]:
    """Return a line without what a model put around the sample, and a reason to reject it.

    Args:
        raw: the line.
        relation: the names of the target relation.
        labels: the names of all relations.

    Returns:
        The line, and None, `bad_character`, `wrong_relation` where it begins with another label, or
        `doubtful_beginning` where a mark or a label in front may also be a part of the sentence.
    """
    line = _REFERENCE.sub(lambda found: escape(html.unescape(found[0])), raw)
    line = re.sub("\t|&#1[03];", " ", line.strip())
    if _BAD.search(line):
        return line, "bad_character"
    line = INVISIBLE.sub("", line)
    label, named = _label(tuple(labels)), None
    for _ in range(8):
        before = line
        line = _SPECIAL_TOKEN.sub("", line.strip())
        for mark in (_MARK, _NUMBERED, _NAMED, _PREAMBLE):
            if found := mark.match(line):
                line = line[found.end() :]
        if label and (found := label.match(line)):
            named, line = found[1], line[found.end() :]
        elif _IDENTIFIER.match(line):
            return line, "wrong_relation"
        for emphasis in _EMPHASIS:
            line = emphasis.sub(r"\1", line)
        line = _unquoted(line)
        if line == before:
            break
    if named is not None and named.casefold() not in {name.casefold() for name in relation}:
        return line, "wrong_relation"
    return line, "doubtful_beginning" if _DOUBTFUL.match(line) else None


def holds_markup(text: str) -> bool:
    """Return whether a finished text holds a tag, a special token or an emphasis."""
    return _TAG.search(text) is not None


@lru_cache(maxsize=64)
def _label(names: tuple[str, ...]) -> re.Pattern[str] | None:
    """Return an expression for a label and a colon; the longest label first."""
    if not names:
        return None
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"[\[({{]?({either})[\])}}]?\s?[:：]\s*", re.IGNORECASE)


def _unquoted(line: str) -> str:
    """Return a line without quotation marks around all of it."""
    line = line.removesuffix(",") if line.endswith(('",', "',", "”,")) else line
    if len(line) < 2 or _QUOTES.get(line[0]) != line[-1]:
        return line
    inside = line[1:-1]
    if line[0] == line[-1]:
        # "A," said B, "C": the first mark closes before the end, after a letter or a comma
        place = inside.find(line[0])
        wraps = place < 0 or inside[max(0, place - 1) : place] in ("", " ", "(")
        if line[0] == "'" and place > 0:  # an apostrophe
            wraps = inside[place + 1 : place + 2].isalnum()
    else:
        opened = inside.find(line[0])
        closed = inside.find(line[-1])
        wraps = closed < 0 or 0 <= opened < closed
    return inside if wraps else line
