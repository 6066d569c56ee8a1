"""Finds samples in a language that a model's tokenizer, and so likely the model, does not know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from relgen.data import Sample, foreign_language
from relgen.data.corpora import read_split
from relgen.models.names import MULTILINGUAL_LANGUAGE_MODEL

_SAMPLES = 200
_RATIO, _UNKNOWN = 1.25, 0.01


def unknown_language(
    tokenizer: Any,
    samples: Iterable[Sample],
    *,
    model: str,
    remedy: str = MULTILINGUAL_LANGUAGE_MODEL,
) -> str | None:
    """Return a warning if samples are not English, and the tokenizer splits them badly; or None.

    Badly is at least 1.25 times as many tokens per UTF-8 byte of letters and digits as in the
    everyday corpus, or 1% of tokens that it does not know. Bytes compare scripts: those with more
    letters or words for the same content have fewer bytes in each. `remedy` names another model.
    """
    some = list(islice(samples, _SAMPLES))
    if not some:
        return None
    tokens, unknown = _tokens(tokenizer, [one.text for one in some])
    ratio = tokens / _tokens(tokenizer, [one.text for one in read_split("dev")])[0]
    # the language last: what tells it takes a second to load
    if (ratio < _RATIO and unknown < _UNKNOWN) or (language := foreign_language(some)) is None:
        return None
    seen = (
        f"its tokenizer does not know {unknown:.0%} of their tokens"
        if unknown >= _UNKNOWN
        else f"its tokenizer needs {ratio:.1f} times as many tokens for them as for English"
    )
    return (
        f"the sentences are in {language or 'a language other than English'}, which {model} hardly "
        f"knows ({seen}), so that results will be poor; use a multilingual model, such as {remedy}"
    )


def _tokens(tokenizer: Any, texts: Sequence[str]) -> tuple[float, float]:
    """Return the tokens per byte of letters and digits, and the share of unknown tokens."""
    rows = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    ids = [token for row in rows for token in row]
    size = sum(len(letter.encode()) for text in texts for letter in text if letter.isalnum())
    unknown = sum(token == tokenizer.unk_token_id for token in ids)
    return len(ids) / max(1, size), unknown / max(1, len(ids))
