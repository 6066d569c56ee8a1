"""K-shot splits: independence of order, seed and relation; nothing shared with dev."""

import json
import random
from collections import Counter
from dataclasses import replace

import pytest

from relgen.common.errors import InputError
from relgen.common.files import text_hash
from relgen.data.corpora import find_corpus, read_corpus
from relgen.data.pools import Pool
from relgen.data.samples import Entity, Sample
from relgen.data.schema import parse_schema
from relgen.data.splits import hold_out, split
from relgen.data.text import normalised
from relgen.data.validation import RecordChecks
from tests.tiny.languages import corpus

SCHEMA = parse_schema(
    {
        "name": "s",
        "relations": {label: {"explanation": f"Head and tail, {label}."} for label in "cba"},
    }
)


def _sample(label: str, number: int, text: str | None = None) -> Sample:
    text = text or f"Ann met Bob, {label} {number}."
    return Sample(f"{label}-{number}", text, Entity(0, 3), Entity(8, 11), label)


POOL = [_sample(label, number) for label in "abc" for number in range(20)]


def _ids(samples):
    return [sample.id for sample in samples]


def test_k_samples_a_relation_and_the_rest_for_dev():
    result = split(POOL, shots=4, seed=1)
    assert Counter(sample.relation for sample in result.train) == {"a": 4, "b": 4, "c": 4}
    assert len(result.dev) == 48
    assert sorted(_ids(result.train + result.dev)) == sorted(_ids(POOL))
    assert result.warnings == []


def test_dev_k_and_none():
    result = split(POOL, shots=4, seed=1, dev="K")
    assert Counter(sample.relation for sample in result.dev) == {"a": 4, "b": 4, "c": 4}
    assert not set(_ids(result.train)) & set(_ids(result.dev))
    assert split(POOL, shots=4, seed=1, dev="none").dev == []


def test_the_choice_is_fixed_for_all_time():
    assert _ids(split(POOL, SCHEMA, shots=2, seed=1).train) == [
        "c-19",
        "c-2",
        "b-15",
        "b-4",
        "a-0",
        "a-17",
    ]


def test_the_file_s_order_does_not_matter():
    shuffled = random.Random(5).sample(POOL, len(POOL))
    assert split(shuffled, shots=4, seed=1) == split(POOL, shots=4, seed=1)


def test_seeds_differ_and_repeat():
    choices = [tuple(_ids(split(POOL, shots=4, seed=seed).train)) for seed in (1, 2, 3, 1)]
    assert len(set(choices)) == 3
    assert choices[0] == choices[3]


def test_relations_are_chosen_independently():
    without_b = [sample for sample in POOL if sample.relation != "b"]
    both = split(POOL, shots=4, seed=1).train
    assert split(without_b, shots=4, seed=1).train == [s for s in both if s.relation != "b"]
    a, c = (
        [int(sample.id[2:]) for sample in both if sample.relation == label] for label in ("a", "c")
    )
    assert a != c


def test_more_shots_begin_with_fewer():
    few, many = (split(POOL, SCHEMA, shots=shots, seed=1).train for shots in (4, 8))
    assert [s for s in many if s in few] == few


def test_the_schema_gives_the_order_and_refuses_unknown_labels():
    assert [s.relation for s in split(POOL, SCHEMA, shots=1, seed=1).train] == ["c", "b", "a"]
    with pytest.raises(InputError, match="not a relation of schema 's'"):
        split([*POOL, _sample("d", 1)], SCHEMA, shots=1, seed=1)


def test_a_small_relation_gives_what_there_is_and_a_warning():
    pool = [sample for sample in POOL if sample.id not in {f"b-{n}" for n in range(2, 20)}]
    result = split(pool, SCHEMA, shots=4, seed=1, dev="K")
    assert Counter(sample.relation for sample in result.train) == {"a": 4, "b": 2, "c": 4}
    assert result.warnings == [
        "b: only 2 of 4 training samples",
        "b: only 0 of 4 development samples",
    ]


def test_a_relation_without_samples_is_warned_of():
    pool = [sample for sample in POOL if sample.relation != "b"]
    result = split(pool, SCHEMA, shots=4, seed=1)
    assert result.warnings == [
        "b: only 0 of 4 training samples; label some, or leave the relation out of the schema"
    ]


def test_more_shots_than_any_relation_has():
    with pytest.raises(InputError, match=r"largest relation has 20 .*got 21.*at most 20"):
        split(POOL, shots=21, seed=1)
    assert len(split(POOL, shots=20, seed=1).train) == 60
    with pytest.raises(InputError, match="must be a whole number above 0"):
        split(POOL, shots=0, seed=1)


def test_nothing_left_for_dev_is_said():
    result = split(POOL, shots=20, seed=1)
    assert result.dev == []
    assert result.warnings == ["no sample is left for the development set"]


@pytest.mark.parametrize("dev", ["full", "K"])
def test_train_and_dev_share_no_sentence(dev):
    copies = [_sample("b", 100 + n, f"ANN met BOB , a {n} !") for n in range(20)]
    for seed in range(10):
        result = split([*POOL, *copies], shots=8, seed=seed, dev=dev)
        train = {normalised(sample.text) for sample in result.train}
        assert not train & {normalised(sample.text) for sample in result.dev}


def test_a_relation_is_not_given_the_same_pair_twice():
    # the same words, spaced otherwise
    pool = [_sample("a", n, f"Ann met Bob {n % 5}.{' ' * n}") for n in range(50)]
    result = split(pool, shots=5, seed=1)
    assert len({sample.text.strip() for sample in result.train}) == 5
    assert result.warnings[0] == "45 samples repeat a pair of a sentence: it counts once a relation"
    with pytest.raises(InputError, match="has 5 usable samples") as caught:
        split(pool, shots=6, seed=1)
    assert "(a has 50 samples of 5 pairs: a pair of a sentence counts once for a relation)" in str(
        caught.value
    )
    assert "give samples of other pairs" in str(caught.value)


def _of_document(number: int, head: int, tail: int, label: str) -> Sample:
    """Return a pair of a sentence with three entities; every document has two such sentences."""
    spans = [(0, 3), (8, 11), (16, 19)]
    text = f"Ann met Bob and Cem {number}."
    name = f"{number}-{head}{tail}"
    return Sample(
        name, text, Entity(*spans[head]), Entity(*spans[tail]), label, group=f"d{number // 2}"
    )


DOCUMENTS = [
    _of_document(number, *pair, label)
    for number in range(8)
    for *pair, label in ((0, 1, "a"), (0, 2, "a"), (1, 2, "b"))
]


def test_shots_count_the_pairs_of_a_sentence():
    result = split(DOCUMENTS[:6], shots=4, seed=1, dev="none")
    assert sorted(_ids(result.train)) == ["0-01", "0-02", "0-12", "1-01", "1-02", "1-12"]
    assert result.warnings == ["b: only 2 of 4 training samples"]


@pytest.mark.parametrize(("by", "attribute"), [("sentence", "text"), ("group", "group")])
def test_parts_share_no_sentence_and_no_group(by, attribute):
    result = split(DOCUMENTS, shots=2, seed=1, by=by)
    train, dev = ({getattr(s, attribute) for s in part} for part in (result.train, result.dev))
    assert dev
    assert not train & dev
    left_out = sum(int(text.split()[0]) for text in result.warnings)
    assert len(result.train) + len(result.dev) + left_out == 24
    held_out = split(DOCUMENTS, shots=2, seed=1, by=by, exclude=DOCUMENTS[:3])
    first = "0" if by == "sentence" else ("0", "1")
    assert not [key for key in _ids(held_out.train + held_out.dev) if key.startswith(first)]


@pytest.mark.parametrize(("by", "attribute"), [("sentence", "text"), ("group", "group")])
def test_a_share_is_held_out_whole_and_of_each_relation(by, attribute):
    pool, test, warnings = hold_out(DOCUMENTS, 0.25, by=by)
    assert len(pool) + len(test) + sum(int(text.split()[0]) for text in warnings) == 24
    assert not {getattr(s, attribute) for s in pool} & {getattr(s, attribute) for s in test}
    assert Counter(sample.relation for sample in test) == {"a": 4, "b": 2}
    assert hold_out(random.Random(5).sample(DOCUMENTS, 24), 0.25, by=by)[1] != []
    assert {s.id for s in hold_out(DOCUMENTS[::-1], 0.25, by=by)[1]} == {s.id for s in test}


def test_the_pool_has_no_sentence_of_another_documents_test_set():
    same = "Ann met Bob."
    samples = [
        replace(_sample("a", number, same if number % 3 == 0 else None), group=f"d{number // 3}")
        for number in range(30)
    ]
    pool, test, warnings = hold_out(samples, 0.3, by="group")
    assert len(test) == 9
    assert not {s.text for s in pool} & {s.text for s in test}
    assert warnings == [
        "7 samples left out of the pool: their sentences are among the held out samples"
    ]


def test_rare_relations_are_held_out_as_often_as_others():
    many = [_sample("a", number) for number in range(90)]
    pool, test, _ = hold_out([*many, *(_sample("b", number) for number in range(10))], 0.3)
    assert Counter(sample.relation for sample in test) == {"a": 27, "b": 3}
    assert len(pool) == 70


def _sentences(*labels: str) -> list[Sample]:
    """Return a sample for each letter of each sentence's labels."""
    return [
        replace(_sample(label, n, f"Ann met Bob {n}."), id=f"{n}-{place}")
        for n, several in enumerate(labels)
        for place, label in enumerate(several)
    ]


def test_sentences_with_several_relations_are_held_out_of_each_alike():
    # `c` is always beside a rarer relation, `b` is in two sentences of twelve
    samples = _sentences(*["ac"] * 4, *["aac"] * 4, "bc", "bcc", "cc", "ccc")
    pool, test, warnings = hold_out(samples, 0.25)
    assert Counter(sample.relation for sample in test) == {"a": 3, "b": 1, "c": 4}
    assert Counter(sample.relation for sample in pool) == {"a": 9, "b": 1, "c": 12}
    assert warnings == []


def test_a_relation_of_two_sentences_is_in_both_parts_and_one_of_one_in_the_pool():
    pool, test, warnings = hold_out(_sentences("a", "ab", *"c" * 30), 0.1)
    assert Counter(sample.relation for sample in test) == {"a": 1, "c": 3}
    assert Counter(sample.relation for sample in pool) == {"a": 1, "b": 1, "c": 27}
    assert warnings == ["no sample of b in the test set: too few sentences have it to spare one"]


def _of_sentences(first: int, last: int) -> Sample:
    """Return a sample from one sentence of a document of 40 to another one."""
    text = " ".join(f"Ann {n} met Bob {n} at {n * n}." for n in range(first, last + 1))
    end = text.rindex("Bob")
    return Sample(f"{first}-{last}", text, Entity(0, 3), Entity(end, end + 3), "a")


def test_relations_across_sentences_share_no_sentence_with_another_part():
    samples = [_of_sentences(n, last) for n in range(40) for last in (n, n + n % 4 // 2)]
    samples = list({sample.id: sample for sample in samples}.values())
    pool, test, _ = hold_out(samples, 0.3)
    result = split(pool, shots=4, seed=1, exclude=test)
    sentences = [
        {sentence.strip(".") for sample in part for sentence in sample.text.split(". ")}
        for part in (pool, test, result.train, result.dev)
    ]
    held, tested, drawn, developed = sentences
    assert min(map(len, sentences)) > 3
    assert not held & tested
    assert not drawn & developed


def test_what_groups_leave_out_is_said():
    result = split(DOCUMENTS, shots=1, seed=1, by="group")
    assert _ids(result.train) == ["6-02", "5-12"]
    assert result.warnings == [
        "6 development samples left out: their groups are in the training set already",
        "4 development samples left out: their sentences are in the training set already",
    ]
    for given in ((POOL, ()), (DOCUMENTS, POOL[:1])):
        with pytest.raises(InputError, match=r"without a group \(got 'a-0'\); give each sample"):
            split(given[0], shots=1, seed=1, by="group", exclude=given[1])


@pytest.mark.data
def test_the_draws_of_semeval_are_fixed_for_all_time():
    path = find_corpus("semeval2010_task8/TRAIN_FILE.TXT")
    if not path.exists():
        pytest.skip("SemEval is not below $RELGEN_DATA")
    pool = list(read_corpus("semeval", RecordChecks(path)))
    drawn = {seed: " ".join(_ids(split(pool, shots=8, seed=seed).train)) for seed in (1, 2, 11)}
    assert {seed: text_hash(ids)[:12] for seed, ids in drawn.items()} == {
        1: "3e2c915445b5",
        2: "654e133e7a03",
        11: "154d0f1d07eb",
    }


def test_excluded_sentences_are_in_neither_part():
    held_out = [sample for sample in POOL if int(sample.id[2:]) < 15]
    same_text = [replace(s, id=f"test-{s.id}", text=s.text.upper()) for s in held_out]
    result = split(POOL, shots=3, seed=1, exclude=same_text)
    assert all(int(sample.id[2:]) >= 15 for sample in result.train + result.dev)
    assert (len(result.train), len(result.dev)) == (9, 6)
    assert result.warnings == [
        "45 samples left out: their sentences are among the excluded samples"
    ]


def test_near_copies_of_excluded_sentences_are_not_drawn():
    def walkers(name: str, text: str) -> Sample:
        return Sample(name, text, Entity(0, 3), Entity(10, 13), "n")

    near = [walkers(f"n-{n}", f"Cem {n} saw Eva as they walked home.") for n in range(3)]
    other = walkers("n-4", "Cem 0 saw Eva through the shop window.")
    test = walkers("t", "Bob 9 saw Leo as they walked home.")
    for seed in range(5):
        result = split([*near, other], shots=1, seed=seed, exclude=[test])
        assert _ids(result.train) == ["n-4"]
    result = split([*near, other], shots=4, seed=1, exclude=[test])
    assert _ids(result.train) == ["n-4"]
    assert result.warnings[:2] == [
        "n: only 1 of 4 training samples",
        "3 samples passed over: nearly the same as excluded ones",
    ]
    with pytest.raises(InputError, match="all samples nearly repeat excluded ones"):
        split(near, shots=1, seed=1, exclude=[test])


def test_everything_excluded_is_said_with_its_cause():
    with pytest.raises(
        InputError, match="all samples are left out: 60 samples, their ids are among"
    ):
        split(POOL, shots=1, seed=1, exclude=POOL)


def test_excluded_ids_are_in_neither_part_and_counted():
    held_out = [sample for sample in POOL if int(sample.id[2:]) < 15]
    same_id = [replace(s, text=f"quite another sentence {s.id}") for s in held_out]
    result = split(POOL, shots=3, seed=1, exclude=same_id)
    assert all(int(sample.id[2:]) >= 15 for sample in result.train + result.dev)
    assert result.warnings == ["45 samples left out: their ids are among the excluded samples"]


def test_dev_from_samples_of_its_own():
    dev = [_sample(label, number) for label in "abc" for number in range(18, 30)]
    result = split(POOL, shots=15, seed=1, dev_samples=dev)
    chosen = set(_ids(result.train))
    assert _ids(result.dev) == sorted(set(_ids(dev)) - chosen)
    left_out = len(set(_ids(dev)) & chosen)
    assert left_out == 6
    assert result.warnings == [
        "6 development samples left out: their ids are in the training set already"
    ]
    assert len(split(POOL, shots=5, seed=1, dev="K", dev_samples=dev).dev) == 15


def test_no_sample_is_left_out_without_a_word():
    repeated = [_sample("a", 100 + n, "ANN met BOB!") for n in range(6)]
    result = split([*POOL, *repeated], shots=20, seed=1)
    said = [int(text.split()[0]) for text in result.warnings if "their sentences are in" in text]
    assert len(result.train) + len(result.dev) + sum(said) == 66
    dev = [_sample("a", number, f"Cem saw Dan {number}.") for number in range(200, 203)]
    excluded = [dev[0], replace(dev[1], id="other")]
    result = split(POOL, shots=20, seed=1, dev_samples=dev, exclude=excluded)
    assert _ids(result.dev) == ["a-202"]
    assert result.warnings == [
        "1 development sample left out: their ids are among the excluded samples",
        "1 development sample left out: their sentences are among the excluded samples",
        "no sample of b, c in the development set",
    ]


@pytest.mark.parametrize("dev", ["full", "K"])
def test_near_copies_of_training_samples_are_not_in_the_development_set(dev):
    def walkers(name: str, text: str, label: str = "n") -> Sample:
        return Sample(name, text, Entity(0, 3), Entity(10, 13), label)

    shot = walkers("n-0", "Cem 1 saw Eva as they walked home.")
    near = walkers("n-1", "Bob 2 saw Leo as they walked home.")
    other = walkers("n-2", "Bob 2 saw Leo through the shop window.", "m")
    result = split(
        [shot, other], shots=1, seed=1, dev=dev, dev_samples=[near, replace(other, id="n-3")]
    )
    # the words but the entities: 1 saw as they walked home | 2 saw as they walked home: 5 of 7
    assert result.dev == []
    assert result.warnings[:2] == [
        "1 development sample left out: near copies of them are in the training set already",
        "1 development sample left out: their sentences are in the training set already",
    ]
    far = walkers("n-4", "Bob 2 saw Leo as they were leaving home.")  # 5 of 9
    assert split([shot], shots=1, seed=1, dev=dev, dev_samples=[near, far]).dev == [far]


def test_the_languages_of_both_parts_are_compared():
    english, german = corpus("English"), corpus("German")
    assert split(english, shots=2, seed=1).warnings == []
    assert split(english, shots=5, seed=1, dev_samples=german).warnings == [
        "the sentences are in several languages: English 10, German 10"
    ]
    assert split([*english, german[0]], shots=2, seed=1).warnings == []  # one may be a mistake


def test_a_pool_on_disk_gives_the_same_split(tmp_path):
    lines = [json.dumps(sample.to_json()) for sample in DOCUMENTS]
    (tmp_path / "p.jsonl").write_text("\ufeff" + "\n\n".join(lines) + "\n", encoding="utf-8")
    pool = Pool.of_file(RecordChecks(tmp_path / "p.jsonl"))
    assert list(pool) == DOCUMENTS
    ours, theirs = split(pool, shots=2, seed=1), split(DOCUMENTS, shots=2, seed=1)
    assert (ours.train, list(ours.dev), ours.warnings) == (
        theirs.train,
        theirs.dev,
        theirs.warnings,
    )
    assert [list(part) for part in hold_out(pool, 0.25)[:2]] == [
        list(part) for part in hold_out(DOCUMENTS, 0.25)[:2]
    ]
