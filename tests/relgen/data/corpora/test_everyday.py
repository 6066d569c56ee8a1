"""The shipped corpus: counts, leaks, copies, types, spans."""

from collections import Counter
from itertools import chain

import pytest

from relgen.data.corpora.everyday import DATA_CARD, SPLITS, read_split
from relgen.data.schema import load_schema
from relgen.data.text import normalised

SCHEMA = load_schema("everyday")
SAMPLES = {name: read_split(name) for name in SPLITS}
ALL = list(chain.from_iterable(SAMPLES.values()))


def _pair(sample):
    return frozenset((sample.head_text.casefold(), sample.tail_text.casefold()))


def test_the_schema_has_the_nine_labels():
    assert SCHEMA.labels == (
        "child_of",
        "founded_by",
        "located_in",
        "created_by",
        "part_of",
        "causes",
        "treats",
        "made_of",
        "no_relation",
    )
    assert SCHEMA.negative == "no_relation"


@pytest.mark.parametrize(("name", "count"), [("train", 24), ("dev", 8), ("test", 24)])
def test_counts_and_ids(name, count):
    samples = SAMPLES[name]
    assert Counter(s.relation for s in samples) == dict.fromkeys(SCHEMA.labels, count)
    assert [s.id for s in samples] == [f"everyday-{name}-{n + 1}" for n in range(9 * count)]


@pytest.mark.parametrize("name", SPLITS)
def test_labels_are_interleaved(name):
    labels = [sample.relation for sample in SAMPLES[name]]
    for begin in range(0, len(labels), 9):
        assert set(labels[begin : begin + 9]) == set(SCHEMA.labels)


def test_no_sentence_stands_twice():
    assert len({normalised(sample.text) for sample in ALL}) == len(ALL) == 504


def test_test_sentences_share_no_entity_pair_with_train_or_dev():
    known = {_pair(sample) for name in ("train", "dev") for sample in SAMPLES[name]}
    assert not [sample.id for sample in SAMPLES["test"] if _pair(sample) in known]


def test_sentences_have_8_to_35_words():
    lengths = [len(sample.text.split()) for sample in ALL]
    assert (min(lengths), max(lengths)) == (8, 34)


@pytest.mark.parametrize("label", SCHEMA.labels)
def test_head_and_tail_come_in_both_orders(label):
    first = [sample.head.start < sample.tail.start for sample in ALL if sample.relation == label]
    assert 0.3 <= sum(first) / len(first) <= 0.7


def test_the_schema_allows_all_types():
    for sample in ALL:
        relation = SCHEMA[sample.relation]
        assert sample.head.type in relation.head_types, sample.id
        assert sample.tail.type in relation.tail_types, sample.id


def test_no_relation_has_the_type_pairs_of_the_others_in_equal_shares():
    def pairs(samples):
        return Counter((sample.head.type, sample.tail.type) for sample in samples)

    negative = pairs(sample for sample in ALL if sample.relation == "no_relation")
    assert set(negative) == set(pairs(s for s in ALL if s.relation != "no_relation"))
    assert set(negative.values()) == {7}


def test_entities_are_whole_words():
    for sample in ALL:
        for entity in (sample.head, sample.tail):
            around = sample.text[: entity.start][-1:] + sample.text[entity.end :][:1]
            mention = sample.text[entity.start : entity.end]
            assert mention == mention.strip(), sample.id
            assert not any(character.isalnum() for character in around), sample.id


def test_the_data_card_counts_what_is_there():
    card = DATA_CARD.read_text("utf-8")
    for label in SCHEMA.labels:
        row = next(line for line in card.splitlines() if line.startswith(f"| `{label}` |"))
        assert row.endswith("| 24 | 8 | 24 |")
    assert "504 English sentences" in card
    assert "license: cc0-1.0" in card


@pytest.mark.weights
def test_no_two_sentences_are_close():
    import torch
    from transformers import AutoModel, AutoTokenizer

    from relgen.models.causal_lm import resolve_model

    folder = resolve_model("all-minilm-l6-v2")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    # by length, so that batches hold little padding
    texts, vectors = sorted((sample.text for sample in ALL), key=len), []
    with torch.no_grad():
        for begin in range(0, len(ALL), 32):
            batch = tokenizer(texts[begin : begin + 32], padding=True, return_tensors="pt")
            mask = batch["attention_mask"][..., None]  # (B, T, 1)
            states = model(**batch).last_hidden_state  # (B, T, D)
            vectors.append((states * mask).sum(1) / mask.sum(1))
    units = torch.nn.functional.normalize(torch.cat(vectors), dim=-1)  # (N, D)
    cosines = (units @ units.T).fill_diagonal_(-1)
    assert 0.5 < cosines.max() < 0.6
