"""The question, literally, and which samples are shown."""

from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation, RelationSchema
from relgen.evaluation.direct.prompt import DirectPrompt, draw_demonstrations
from relgen.prompting.prompts import PLAIN, PromptFormat

SCHEMA = RelationSchema(
    "s", (Relation("lives_in", "The head lives in the tail."), Relation("o", "No."))
)
ANN = Sample("1", "Ann lives in Bern.", Entity(0, 3), Entity(13, 17), "lives_in")
BOB = Sample("2", "Bob saw Rome.", Entity(0, 3), Entity(8, 12), "o")


def test_a_base_model_continues_the_text() -> None:
    prompt = DirectPrompt(PLAIN, SCHEMA, (BOB,))
    assert prompt.prefix.endswith(
        "name and nothing else.\n- lives_in: The head lives in the tail.\n- o: No.\n\n"
        "Sentence: <head>Bob</head> saw <tail>Rome</tail>.\nRelation: o\n\n"
    )
    assert prompt.question(ANN) == (
        "Sentence: <head>Ann</head> lives in <tail>Bern</tail>.\nRelation:"
    )
    assert (prompt.cue, prompt.answer("o")) == ("", " o\n")


def test_a_chat_model_answers_in_its_turn() -> None:
    chat = PromptFormat("<s>system\n", "<e>\n<s>user\n", "<e>\n<s>assistant\n", "<e>")
    prompt = DirectPrompt(chat, SCHEMA, ())
    assert prompt.prefix.startswith("<s>system\nYou classify relations.")
    assert prompt.prefix.endswith("- o: No.<e>\n<s>user\n")
    assert (prompt.cue, prompt.answer("o")) == ("<e>\n<s>assistant\n", "o<e>")


def test_as_many_relations_as_there_are_are_shown() -> None:
    many = [
        ANN,
        BOB,
        *(Sample(f"a{i}", ANN.text, ANN.head, ANN.tail, "lives_in") for i in range(9)),
    ]
    shown = draw_demonstrations(many, 3, seed=1)
    assert {sample.relation for sample in shown[:2]} == {"lives_in", "o"}
    assert shown[2].relation == "lives_in"
    assert draw_demonstrations(many, 3, seed=1) == shown
    assert len({draw_demonstrations(many, 3, seed=seed) for seed in range(8)}) > 1
    assert draw_demonstrations(many, 0, seed=1) == ()
    assert len(draw_demonstrations([BOB], 3, seed=1)) == 1
