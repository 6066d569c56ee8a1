"""Likelihoods of the embedded model, in one pass and sentence by sentence, name by name."""

import pytest
import torch

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation, RelationSchema
from relgen.evaluation.direct.answers import greedy_answer, mean_log_likelihoods
from relgen.evaluation.direct.reader import DirectReader
from relgen.models.causal_lm import load_language_model
from relgen.prompting.prompts import encode

pytestmark = pytest.mark.compute

SCHEMA = RelationSchema(
    "s",
    (
        Relation("Cause-Effect(e1,e2)", "The head brings about the tail."),
        Relation("Cause-Effect(e2,e1)", "The tail brings about the head."),
        Relation("Other", "Neither."),
    ),
)
SHORT = Sample("1", "Rain caused floods.", Entity(0, 4), Entity(12, 18), "Cause-Effect(e1,e2)")
LONG = Sample(
    "2",
    "The old bridge, which the flood of 1910 destroyed, had linked two valleys.",
    Entity(8, 14),
    Entity(26, 31),
    "Cause-Effect(e2,e1)",
)


@pytest.fixture(scope="module")
def reader() -> DirectReader:
    return DirectReader(
        "smollm2-135m-instruct", SCHEMA, [LONG], dtype="float32", device=torch.device("cpu")
    )


def test_one_pass_gives_what_every_name_by_itself_gives(reader: DirectReader) -> None:
    found = mean_log_likelihoods(reader.trie, reader.log_probabilities([SHORT, LONG]))
    model = load_language_model("smollm2-135m-instruct")
    prompt = reader.prompt
    for row, sample in zip(found, [SHORT, LONG], strict=True):
        segments = (prompt.prefix, prompt.question(sample), prompt.cue)
        asked = [token for part in segments for token in encode(reader.tokenizer, part)]
        for value, label in zip(row, SCHEMA.labels, strict=True):
            answer = encode(reader.tokenizer, prompt.answer(label))
            with torch.no_grad():
                logits = model(torch.tensor([[*asked, *answer]])).logits[0, len(asked) - 1 : -1]
            plain = logits.log_softmax(-1)[range(len(answer)), answer].mean()
            torch.testing.assert_close(value, plain, atol=1e-4, rtol=1e-4)


def test_constrained_decoding_asks_for_one_token_after_another(reader: DirectReader) -> None:
    trie, prompt = reader.trie, reader.prompt
    model = load_language_model("smollm2-135m-instruct")
    answers = [encode(reader.tokenizer, prompt.answer(label)) for label in SCHEMA.labels]
    for sample, row in zip([SHORT, LONG], reader.log_probabilities([SHORT, LONG]), strict=True):
        segments = (prompt.prefix, prompt.question(sample), prompt.cue)
        asked = [token for part in segments for token in encode(reader.tokenizer, part)]
        decoded: list[int] = []
        chance = 1.0
        while decoded not in answers:
            size = len(decoded)
            allowed = sorted({a[size] for a in answers if a[:size] == decoded})
            with torch.no_grad():
                logits = model(torch.tensor([[*asked, *decoded]])).logits[0, -1]
            chances = logits[allowed].softmax(-1)
            decoded.append(allowed[int(chances.argmax())])
            chance *= float(chances.max())
        answer, probabilities = greedy_answer(trie, row)
        assert answers[answer] == decoded
        assert probabilities[answer] == pytest.approx(chance, rel=1e-3)
        assert sum(probabilities) == pytest.approx(1.0)


def test_a_question_beyond_the_models_window_is_refused(
    reader: DirectReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = len(reader.prefix) + len(reader.question(LONG)) + reader._longest
    monkeypatch.setattr(reader, "_window", needed)
    assert reader.log_probabilities([LONG]).isfinite().all()
    monkeypatch.setattr(reader, "_window", needed - 1)
    with pytest.raises(InputError, match="shorten sentence '2'"):
        reader.log_probabilities([LONG])
    assert reader.log_probabilities([SHORT]).isfinite().all()


def test_the_names_share_their_beginnings(reader: DirectReader) -> None:
    assert len(reader.trie.ids) < sum(map(len, reader.trie.paths))


def test_a_second_question_finds_the_prefix_as_the_first_did(reader: DirectReader) -> None:
    first = reader.log_probabilities([SHORT])
    reader.log_probabilities([LONG, SHORT, LONG])
    torch.testing.assert_close(reader.log_probabilities([SHORT]), first)
