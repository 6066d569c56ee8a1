"""Which model is said not to know which language."""

from __future__ import annotations

import pytest

from relgen.data.corpora import read_split
from relgen.models.causal_lm import load_tokenizer
from relgen.models.language import unknown_language
from relgen.models.names import EMBEDDED_ENCODER, EMBEDDED_LANGUAGE_MODEL
from tests.tiny.encoders import samples, tokenizer
from tests.tiny.languages import LANGUAGES, corpus

pytestmark = pytest.mark.weights
EMBEDDED = (EMBEDDED_ENCODER, EMBEDDED_LANGUAGE_MODEL)


@pytest.mark.parametrize("model", EMBEDDED)
def test_embedded_models_know_english_only(model: str) -> None:
    loaded = load_tokenizer(model)

    def warned(samples):  # type: ignore[no-untyped-def]
        return unknown_language(loaded, samples, model=model, remedy="x")

    assert [name for name in LANGUAGES if warned(corpus(name)) is None] == ["English"]
    assert [part for part in ("train", "dev", "test") if warned(read_split(part))] == []
    assert warned([]) is None


def test_the_warning_names_model_language_and_remedy() -> None:
    loaded = load_tokenizer(EMBEDDED_ENCODER)
    options = {"model": EMBEDDED_ENCODER, "remedy": "some/model"}
    assert unknown_language(loaded, corpus("German"), **options) == (
        "the sentences are in German, which all-minilm-l6-v2 hardly knows (its tokenizer needs 1.3 "
        "times as many tokens for them as for English), so that results will be poor; use a "
        "multilingual model, such as some/model"
    )
    assert "(its tokenizer does not know 57% of their tokens)" in str(
        unknown_language(loaded, corpus("Chinese"), **options)
    )


def test_english_that_a_tokenizer_does_not_know_is_no_other_language() -> None:
    assert unknown_language(tokenizer(), samples(9), model="tiny", remedy="x") is None
    assert unknown_language(tokenizer(), corpus("German"), model="tiny", remedy="x")
