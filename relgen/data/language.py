"""The language of samples, which prompts and cards name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

from relgen.data.samples import Sample

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_SAMPLES = 200  # enough to be certain
# of languages that a few sentences do not tell apart
_VARIETIES = {"ary": "ar", "arz": "ar", "grc": "el", "hbo": "he", "pcm": "en", "wuu": "zh"}
_ALIKE = {"bs": "hr", "sr": "hr", "nb": "no", "nn": "no", "ms": "id"}  # a single sentence
_CERTAIN, _LIKELY, _POSSIBLE = 0.9, 0.25, 0.01
_STRAY = 0.05  # of single sentences, the share that may be taken for another language


def language_code(samples: Iterable[Sample]) -> str | None:
    """Return the ISO 639 code of the language of samples, English or not; None if uncertain.

    For statements about the samples; `likely_language` is for what must be chosen in any case.
    """
    code, probability = _ranked(samples)[0]
    return code if probability >= _CERTAIN and code != "zxx" else None


def likely_language(samples: Iterable[Sample]) -> str | None:
    """Return `en` if samples may be English, else the code of a certain other language, or None.

    English is assumed where it is possible at all, and for samples that are in no language.
    """
    ranked = _ranked(samples)
    code, probability = ranked[0]
    # `zxx` is for what is no language
    if code == "zxx" or probability < _LIKELY or dict(ranked)["en"] > _POSSIBLE:
        return "en"
    return code if probability >= _CERTAIN else None


def foreign_language(samples: Iterable[Sample]) -> str | None:
    """Return the English name of the language of samples; None if it may be English.

    It is empty if it is not certain which one it is.
    """
    code = likely_language(samples)
    return None if code == "en" else language_name(code) if code else ""


def several_languages(*parts: Sequence[Sample]) -> str | None:
    """Return the languages of samples with their numbers, looking at some of each part.

    None if they are in one language, apart from single samples that are taken for another.
    """
    codes, looked_at = Counter[str](), 0
    for part in parts:
        for place in range(0, len(part), -(-len(part) // _SAMPLES) or 1):
            looked_at += 1
            sample = [part[place]]
            code = language_code(sample)
            if code is not None and code == likely_language(sample):
                codes[_ALIKE.get(code, code)] += 1
    common = [(code, n) for code, n in codes.most_common() if n > max(1, _STRAY * looked_at)]
    if len(common) < 2:
        return None
    return ", ".join(f"{language_name(code) or code} {number}" for code, number in common)


def language_name(code: str) -> str:
    """Return the English name of an ISO 639 code; empty if it has none here."""
    # transformers has a table of names
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    return LANGUAGES.get(code, "").title()


def _ranked(samples: Iterable[Sample]) -> list[tuple[str, float]]:
    text = "\n".join(sample.text for sample in islice(samples, _SAMPLES))
    found: defaultdict[str, float] = defaultdict(float)
    for code, probability in _identifier().rank(text):
        found[_VARIETIES.get(code, code)] += float(probability)
    return sorted(found.items(), key=lambda item: -item[1])


@cache
def _identifier() -> LanguageIdentifier:
    # takes a second to load
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
