"""Function words of several languages, and what is left of sentences without them."""

from __future__ import annotations

import pytest

from relgen.data.text import words
from relgen.evaluation.diversity.function_words import function_words
from relgen.evaluation.diversity.text import word_repetition

pytestmark = pytest.mark.compute

SENTENCES = {
    # content words: feuer verursachte rauch | regen verursachte flut
    "de": ("Das Feuer verursachte den Rauch.", "Der Regen verursachte die Flut.", 2 / 6),
    # incendie provoqué fumée | pluie provoqué inondation, and the auxiliary that both lists hold
    "fr": ("L'incendie a provoqué la fumée.", "La pluie a provoqué l'inondation.", 2 / 6),
    "ru": ("Пожар вызвал дым в доме.", "Дождь вызвал потоп на поле.", 2 / 8),
    "el": ("Η φωτιά έφερε τον καπνό.", "Η βροχή έφερε την πλημμύρα.", 2 / 6),
    "he": ("האש גרמה את העשן", "הגשם הביא את השיטפון", 0.0),
    # राम जन्म दिल्ली | सीता जन्म पटना
    "hi": ("राम का जन्म दिल्ली में हुआ।", "सीता का जन्म पटना में हुआ।", 2 / 6),
    # characters, without particles: 雨 雲 | 火 雲
    "ja": ("雨は雲を", "火は雲を", 2 / 4),
    "zh": ("雨的云", "火的山", 0.0),
    "nb": ("Brannen og røyken", "Regnet og flommen", 0.0),
}


@pytest.mark.parametrize(("language", "case"), SENTENCES.items())
def test_function_words_do_not_count_as_repeated(
    language: str, case: tuple[str, str, float]
) -> None:
    first, second, expected = case
    sentences = [words(first), words(second)]
    assert word_repetition(sentences, function_words(language)) == pytest.approx(expected)
    assert word_repetition(sentences, ()) != pytest.approx(expected)


@pytest.mark.parametrize("language", [None, "tlh"])
def test_an_unknown_language_has_none(language: str | None) -> None:
    assert function_words(language) == frozenset()
