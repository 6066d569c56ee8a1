"""Likelihoods of the embedded model, in one pass and sentence by sentence, name by name."""

import pytest
import torch

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation, RelationSchema
from relgen.evaluation.direct.answers import mean_log_likelihoods
from relgen.evaluation.direct.reader import DirectReader
from relgen.models.causal_lm import load_language_model
from relgen.prompting.prompts import encode

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


def test_constrained_decoding_is_greedy_among_the_names(reader: DirectReader) -> None:
    trie = reader.trie
    samples = [SHORT, LONG, SHORT]
    for descent, row in zip(reader.decode(samples), reader.log_probabilities(samples), strict=True):
        # the same from all likelihoods: token by token the likeliest that leads to a name
        node, chance = -1, 1.0
        while followers := [i for i, parent in enumerate(trie.parents.tolist()) if parent == node]:
            chances = row[followers].softmax(-1)
            node, chance = followers[int(chances.argmax())], chance * float(chances.max())
        assert descent.answer is not None
        assert trie.paths[descent.answer][-1] == node
        assert descent.probabilities[descent.answer] == pytest.approx(chance, rel=1e-3)
        assert sum(descent.probabilities) == pytest.approx(1.0)


def test_decoding_leaves_the_prefix_as_it_is(reader: DirectReader) -> None:
    first = reader.decode([SHORT])[0].probabilities
    reader.decode([LONG, SHORT])
    assert reader.decode([SHORT])[0].probabilities == pytest.approx(first, rel=1e-5)


def test_a_question_beyond_the_models_window_is_refused(
    reader: DirectReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = len(reader.prefix) + len(reader.question(LONG)) + reader._longest
    monkeypatch.setattr(reader, "_window", needed)
    assert reader.decode([LONG])[0].answer is not None
    monkeypatch.setattr(reader, "_window", needed - 1)
    with pytest.raises(InputError, match="shorten sentence '2'"):
        reader.decode([LONG])
    assert reader.decode([SHORT])[0].answer is not None


def test_the_names_share_their_beginnings(reader: DirectReader) -> None:
    assert len(reader.trie.ids) < sum(map(len, reader.trie.paths))


def test_a_second_question_finds_the_prefix_as_the_first_did(reader: DirectReader) -> None:
    first = reader.log_probabilities([SHORT])
    reader.log_probabilities([LONG, SHORT, LONG])
    torch.testing.assert_close(reader.log_probabilities([SHORT]), first)
