"""Each reason for which a draft is rejected, by a draft that has it."""

from __future__ import annotations

import pytest

from relgen.data.samples import Sample
from relgen.generation.acceptance import CHECKS, DraftContext, KnownTexts, judge
from relgen.generation.backends.base import Finish
from relgen.generation.settings import GenerationSettings
from tests import tiny

SETTINGS = GenerationSettings(min_words=5, max_words=12, max_entity_chars=20, one_sentence=True)
FORBIDDEN = [tiny.sentence("A leak", " under the sink ruined the whole ", "kitchen floor")]
OTHER = tiny.sentence(
    "vase", " on the shelf had been blown from green ", "glass", relation="made_of"
)
ACCEPTED = tiny.sentence("frost", " killed nearly all of the early ", "apricots")


def verdict(raw: str, relation: str = "causes", finish: Finish = "stop") -> Sample | str:
    pool = KnownTexts(SETTINGS, tiny.labelled(), FORBIDDEN)
    pool.add(OTHER)
    pool.add(ACCEPTED)
    shown = [sample for sample in tiny.labelled() if sample.relation == relation][:1]
    context = DraftContext(tiny.typed_schema()[relation], shown, pool)
    return judge(raw, finish, context, CHECKS)


def test_accepts() -> None:
    found = verdict("  Late <tail> panic </tail>broke out because of a <head>rumour</head>. ")
    assert isinstance(found, Sample)
    assert found.text == "Late  panic broke out because of a rumour."
    assert (found.head_text, found.tail_text) == ("rumour", "panic")
    assert (found.relation, found.source) == ("causes", "generated")


def test_white_space_in_entities_at_the_ends_is_dropped() -> None:
    found = verdict("<tail> Panic</tail> broke out because of a <head>rumour </head>")
    assert isinstance(found, Sample)
    assert found.text == "Panic broke out because of a rumour"
    assert (found.head_text, found.tail_text) == ("rumour", "Panic")


REJECTED = [
    ("no tags in this line", "no_head"),
    ("<head>one</head> brought <tail>two</tail> to <tail>three</tail>", "several_tails"),
    ("<head>one</head> brought a <tail>?!</tail> to the whole town", "empty_tail"),
    ("The <head>Rain</head> here brought more of the <tail>rain</tail>.", "same_entities"),
    ("The <head>rain</head>y day gave us all a <tail>cold</tail>.", "entity_inside_word"),
    ("<head>a head of far too many letters</head> gave us all a <tail>cold</tail>", "long_head"),
    ("<head>Rain</head> brought <tail>floods</tail>.", "too_short"),
    (f"The <head>rain</head> {'very ' * 12} caused <tail>floods</tail>.", "too_long"),
    (
        "THE <head>drought</head> left the <tail>farmers</tail> without a harvest",
        "copy_of_demonstration",
    ),
    (
        "The <head>hail</head> left the farmers without a <tail>roof</tail>.",
        "near_copy_of_demonstration",
    ),
    ("The <head>storm</head> on Monday brought about a long <tail>power cut</tail>.", "duplicate"),
    (
        "The <head>vase</head> on the shelf had been blown from green <tail>glass</tail>.",
        "duplicate",
    ),
    ("The <head>hail</head> killed nearly all of the early <tail>figs</tail>.", "near_duplicate"),
    (
        "The <head>a leak</head> under the sink ruined the whole <tail>kitchen</tail> floor",
        "test_leak",
    ),
    ("The <head>pipe</head> under the sink ruined the whole <tail>cellar</tail>.", "test_leak"),
    ("The head is the <head>rain</head> and the tail is the <tail>flood</tail>.", "about_the_task"),
    ("All of the <head>дождь</head> brought us a great <tail>flood</tail>.", "other_script"),
    (f"<head>Rain</head> caused {'heavyand' * 5} and sudden <tail>floods</tail>.", "long_word"),
    ("<head>Rain in one town</head> brought us a great <tail>flood</tail>.", "long_head"),
]


@pytest.mark.parametrize(
    ("raw", "reason"), REJECTED, ids=[f"{r}-{i}" for i, (_, r) in enumerate(REJECTED)]
)
def test_rejects(raw: str, reason: str) -> None:
    assert verdict(raw) == reason


def test_unfinished_comes_before_everything() -> None:
    assert verdict("The <head>rain</head> bro", finish="length") == "unfinished"
    assert verdict("The <head>rain</head> bro", finish="grammar") == "dead_end"


def test_a_near_copy_of_another_relations_sample_is_allowed() -> None:
    raw = "The <head>dust</head> on the shelf had been blown from green <tail>allergies</tail>."
    assert isinstance(verdict(raw), Sample)
    assert verdict(raw, "made_of") == "near_duplicate"


def test_scripts_without_case_need_no_spaces() -> None:
    raw = "一 二 三 四 <head>大雨</head>造成了<tail>洪水</tail>"
    context = DraftContext(tiny.typed_schema()["causes"], [], KnownTexts(SETTINGS, []))
    assert isinstance(judge(raw, "stop", context, CHECKS), Sample)
    assert verdict(raw) == "other_script"  # the labelled samples are English


def test_another_language_can_be_allowed_but_no_mixture() -> None:
    pool = KnownTexts(GenerationSettings(other_scripts="whole"), tiny.labelled())
    context = DraftContext(tiny.typed_schema()["causes"], [], pool)
    whole = "<head>สมชาย</head>อาศัยอยู่ที่<tail>เชียงใหม่</tail>มาตั้งแต่เด็ก"
    mixed = "The rain 造成了 <head>a flood</head> and brought <tail>mud</tail>."
    assert isinstance(judge(whole, "stop", context, CHECKS), Sample)
    assert judge(mixed, "stop", context, CHECKS) == "other_script"


@pytest.mark.parametrize(
    ("raw", "head", "tail"),
    [
        # without spaces, with marks, and with signs; limits of length as nobody gave any
        (
            "南京的邻居都知道<head>郭华涛</head>和<tail>何涛</tail>已经结婚三十年了。",
            "郭华涛",
            "何涛",
        ),
        ("<head>मोहन</head> ने अपनी बहन <tail>सीता</tail> को जन्मदिन पर फूल दिए।", "मोहन", "सीता"),
        ("<head>สมชาย</head>อาศัยอยู่ที่<tail>เชียงใหม่</tail>มาตั้งแต่เด็ก", "สมชาย", "เชียงใหม่"),
        ("<head>আকাশ</head> বহু বছর ধরে <tail>ঢাকা</tail> শহরে থাকে।", "আকাশ", "ঢাকা"),
        (
            "In rats <head>(R)-warfarin</head> slowed the work of <tail>CYP2C9</tail> for a day.",
            "(R)-warfarin",
            "CYP2C9",
        ),
        ("Many ideas of <head>C#</head> were first tried out in <tail>Java</tail>.", "C#", "Java"),
        ("In its first years <tail>C</tail> programs were read by <head>C++</head>.", "C++", "C"),
    ],
)
def test_whole_sentences_and_entities_of_every_script(raw: str, head: str, tail: str) -> None:
    pool = KnownTexts(GenerationSettings(one_sentence=True), [])
    context = DraftContext(tiny.typed_schema()["causes"], [], pool)
    found = judge(raw, "stop", context, CHECKS)
    assert isinstance(found, Sample), found
    assert (found.head_text, found.tail_text) == (head, tail)


def test_types() -> None:
    line = "Whoever made this <head{}>ladle</head> cut it from <tail{}>{}</tail>."
    wrong = verdict(line.format(":PERSON", "", "beech"), "made_of")
    assert wrong == "wrong_head_type"
    typed = verdict(line.format(":OBJECT", ":OBJECT", "beech"), "made_of")
    assert isinstance(typed, Sample)
    assert (typed.head.type, typed.tail.type) == ("OBJECT", "OBJECT")
    # the schema has one type for the head; for the tail a demonstration would have to say it
    untyped = verdict(line.format("", "", "beech"), "made_of")
    assert isinstance(untyped, Sample)
    assert (untyped.head.type, untyped.tail.type) == ("OBJECT", None)


def test_type_of_an_equal_mention_in_the_demonstrations() -> None:
    shown = tiny.sentence(
        "table", " is all ", "oak", relation="made_of", types=("OBJECT", "MATERIAL")
    )
    pool = KnownTexts(SETTINGS, [])
    context = DraftContext(tiny.typed_schema()["made_of"], [shown], pool)
    raw = "He built the <head>sloop</head> from seasoned <tail>Oak</tail>."
    found = judge(raw, "stop", context, CHECKS)
    assert isinstance(found, Sample)
    assert found.tail.type == "MATERIAL"


def test_an_outside_scorer_is_one_more_check() -> None:
    def refuse_oak(sample: Sample, _: DraftContext) -> str | None:
        return "classifier_disagrees" if "oak" in sample.text else None

    context = DraftContext(tiny.typed_schema()["made_of"], [], KnownTexts(SETTINGS, []))
    checks = [*CHECKS, refuse_oak]
    raw = "He built the <head>sloop</head> from seasoned <tail>oak</tail>."
    assert judge(raw, "stop", context, checks) == "classifier_disagrees"
