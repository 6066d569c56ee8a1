"""Function words of a language, which repeat in every text and say nothing of its diversity.

English has a list of its own: that of Stopwords ISO, which gives those of other languages, holds
many content words. Of scripts without spaces, whose characters are counted, words of one character
count, such as Japanese particles.
"""

from __future__ import annotations

from functools import cache

from relgen.data import words

_ENGLISH = (
    "a about above after again against all also am an and any are as at be because been before "
    "being below between both but by can could did do does doing down during each few for from "
    "further had has have having he her here hers herself him himself his how i if in into is it "
    "its itself just may me might more most must my myself no nor not now of off on once only or "
    "other our ours ourselves out over own s same shall she should so some such t than that the "
    "their theirs them themselves then there these they this those through to too under until up "
    "upon very was we were what when where which while who whom whose why will with within "
    "without would you your yours yourself yourselves"
)
_OTHER_CODES = {"nb": "no", "nn": "no"}


@cache
def function_words(language: str | None) -> frozenset[str]:
    """Return the function words of a language (ISO 639 code); none if no list has it."""
    if language == "en":
        return frozenset(_ENGLISH.split())
    from stopwordsiso import stopwords

    entries = map(words, stopwords(_OTHER_CODES.get(language or "", language or "")))
    return frozenset(entry[0] for entry in entries if len(entry) == 1)
