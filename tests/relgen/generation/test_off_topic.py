"""Text about the task, and letters of another script."""

from __future__ import annotations

import pytest

from relgen.data.samples import Entity, Sample
from relgen.data.schema import load_schema
from relgen.generation.off_topic import OffTopic

SEMEVAL = load_schema("semeval")
LABELS = (*SEMEVAL.labels, "P17", "founded_by", "born in")
PRODUCER = SEMEVAL["Product-Producer(e1,e2)"]


def shot(text: str, relation: str = PRODUCER.name) -> Sample:
    return Sample("h", text, Entity(0, 1), Entity(2, 3), relation)


def about_task(text: str, *shots: str) -> bool:
    train = [shot(one) for one in shots or ("A carpenter made the old table.",)]
    return OffTopic(train).about_task(text, PRODUCER, LABELS, 0.7)


@pytest.mark.parametrize(
    "text",
    [
        "The head is the manufacturer and the tail is the table.",
        "Both entities stand in this relation.",
        "The head is the product that we like, such as a knife.",  # as in the explanation
        "In this sample, two Sentences follow.",
        "e2 is a member of the collection.",
        "Bees and swarm, hence it is MEMBER-COLLECTION again.",
        "They chose founded_by for Ann and Acme.",
        "The answer is P17, as France is in Europe.",
        PRODUCER.explanation,
    ],
)
def test_text_about_the_task(text: str) -> None:
    assert about_task(text)


@pytest.mark.parametrize(
    "text",
    [
        "The head of the department ordered a new engine.",
        "Their relations with the tailor were poor.",
        "She was born in a town at the river.",
        "Ann sent the entire letter.",
    ],
)
def test_ordinary_sentences(text: str) -> None:
    assert not about_task(text)


def test_words_of_the_relations_labelled_samples_do_not_count() -> None:
    text = "The snake has a head and a tail."
    assert about_task(text)
    assert not about_task(text, "A dog shook its Head.")
    assert about_task("Take the E2 to Vienna.")
    assert not about_task("Take the E2 to Vienna.", "They paved the E2 last year.")
    # those of another relation do
    other = OffTopic([shot("A dog shook its head.", "Other")])
    assert other.about_task(text, PRODUCER, LABELS, 0.7)


@pytest.mark.parametrize(
    ("text", "shots", "rejected"),
    [
        ("The 工厂 made the table.", "A carpenter made it.", True),
        ("The завод made the table.", "A carpenter made it.", True),
        ("The α-helix and 5 μm of it.", "A carpenter made it.", False),
        ("Ｔｈｅ café cost 5 € in Zürich.", "A carpenter made it.", False),
        ("这家工厂生产了桌子。", "木匠做了一张桌子。", False),
        ("IBM公司生产了桌子。", "木匠做了一张桌子。", False),  # Latin names are at home
        ("The factory made it.", "木匠做了一张桌子。", True),
        ("トヨタは車を作る。", "木匠做了一张桌子。", False),  # kana and characters go together
        ("Завод сделал стол.", "Плотник сделал стол.", False),
        ("Завод made стол.", "Плотник сделал стол.", False),
        ("The завод made it.", "Плотник и carpenter.", False),
        ("الشركة صنعت", "A carpenter made it.", True),
        ("1234 !", "A carpenter made it.", False),
    ],
)
def test_letters_of_another_script(text: str, shots: str, rejected: bool) -> None:
    assert OffTopic([shot(shots)]).is_foreign(text) == rejected


@pytest.mark.parametrize(
    ("text", "rejected"),
    [
        ("मोहन ने अपनी बहन सीता को साइकिल दी।", False),
        ("สมชายอาศัยอยู่ที่เชียงใหม่มาตั้งแต่เด็ก", False),
        ("এটা ঢাকা শহর", False),
        ("The 工厂 made the table.", True),
        ("工厂 made the table.", True),
        ("A carpenter made the table.", False),
    ],
)
def test_a_sentence_wholly_in_another_script_can_be_allowed(text: str, rejected: bool) -> None:
    assert OffTopic([shot("A carpenter made it.")]).is_foreign(text, allow_whole=True) == rejected


def test_without_labelled_samples_every_script_is_allowed() -> None:
    assert not OffTopic([]).is_foreign("工厂 завод")
