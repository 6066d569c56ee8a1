"""The three modules: exact texts for a chat model and a base model, and growth at the end only."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation
from relgen.prompting.prompts import PLAIN, PromptFormat, PromptWriter, encode, prompt_format

FOUNDED = Relation("founded_by", "The head was founded by the tail.", ("ORG",), ("PERSON",))
ACME = Sample("1", "Ann started Acme.", Entity(12, 16), Entity(0, 3), "founded_by")
BOLT = Sample("2", "Bolt is Cem's firm.", Entity(0, 4), Entity(8, 11), "founded_by")

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# like Gemma's: no system role, a turn's content is trimmed, and a token opens the text
NO_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "<turn>{{ m['role'] }}\n{{ m['content'] | trim }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>model\n{% endif %}"
)


def tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    special = ["<s>", "<|im_end|>", "<end>"]
    vocabulary = {
        token: i for i, token in enumerate([*special, "[UNK]", *map(chr, range(32, 127))])
    }
    model = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    model.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made = PreTrainedTokenizerFast(
        tokenizer_object=model,
        bos_token="<s>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<end>"],
    )
    made.chat_template = template
    return made


TASK = (
    "You write training samples for relation extraction. A sample is one sentence that mentions a "
    "head entity and a tail entity between which the target relation holds. Write the head as "
    "<head>…</head> and the tail as <tail>…</tail>, each once, in either order."
)
DIVERSITY = (
    " Make the new sample as different as possible from all samples shown: other entities, another "
    "topic, other words, another sentence structure."
)
EXPLANATION = """Target relation: founded_by
Meaning: The head was founded by the tail.
Entity types: head ORG; tail PERSON
Samples:
"""


def test_one_by_one_prompt_of_a_chat_model() -> None:
    writer = PromptWriter(prompt_format(tokenizer(CHATML)))
    assert writer.prompt(FOUNDED, [ACME, BOLT]).text == (
        f"<|im_start|>system\n{TASK}{DIVERSITY} Answer with one new sample on one line.<|im_end|>\n"
        f"<|im_start|>user\n{EXPLANATION}"
        "<tail>Ann</tail> started <head>Acme</head>.\n"
        "<head>Bolt</head> is <tail>Cem</tail>'s firm.\n"
        "<|im_end|>\n<|im_start|>assistant\n"
    )


def test_all_at_once_prompt_of_a_chat_model_without_the_diversity_instruction() -> None:
    writer = PromptWriter(prompt_format(tokenizer(CHATML)), diverse=False)
    assert writer.prompt(FOUNDED, [ACME], 16).text == (
        f"<|im_start|>system\n{TASK} Answer with 16 new samples, one on each line.<|im_end|>\n"
        f"<|im_start|>user\n{EXPLANATION}"
        "<tail>Ann</tail> started <head>Acme</head>.\n"
        "<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("language", "sentence", "samples"),
    [
        ("German", " Write in German, the language of the samples shown.", "Samples in German:"),
        ("", " Write in the language of the samples shown.", "Samples:"),
        (None, "", "Samples:"),
    ],
)
def test_the_language_of_the_samples_is_named(
    language: str | None, sentence: str, samples: str
) -> None:
    writer = PromptWriter(PLAIN, language=language)
    assert writer.prompt(FOUNDED, [ACME]).prefix == (
        f"{TASK}{DIVERSITY}{sentence} Answer with one new sample on one line.\n\n"
        f"{EXPLANATION.replace('Samples:', samples)}"
    )


def test_prompts_of_a_base_model() -> None:
    writer = PromptWriter(prompt_format(tokenizer(None)))
    shown = "<tail>Ann</tail> started <head>Acme</head>.\n"
    assert writer.prompt(FOUNDED, [ACME]).text == (
        f"{TASK}{DIVERSITY} Answer with one new sample on one line.\n\n{EXPLANATION}{shown}\nNew:\n"
    )
    assert writer.prompt(FOUNDED, [ACME], 2).text == (
        f"{TASK}{DIVERSITY} Answer with 2 new samples, one on each line.\n\n"
        f"{EXPLANATION}{shown}\nNew:\n"
    )
    assert writer.format == PLAIN


def test_a_template_without_system_role_takes_the_task_into_the_users_turn() -> None:
    assert prompt_format(tokenizer(NO_SYSTEM)) == PromptFormat(
        opening="<s><turn>user\n", middle="\n\n", cue="<end>\n<turn>model\n", terminator="<end>"
    )


@pytest.mark.weights
def test_format_of_the_embedded_model() -> None:
    from relgen.models.causal_lm import load_tokenizer

    assert prompt_format(load_tokenizer("smollm2-135m-instruct")) == PromptFormat(
        opening="<|im_start|>system\n",
        middle="<|im_end|>\n<|im_start|>user\n",
        cue="<|im_end|>\n<|im_start|>assistant\n",
        terminator="<|im_end|>",
    )


@pytest.mark.weights
def test_a_further_demonstration_changes_no_earlier_token() -> None:
    from relgen.models.causal_lm import load_tokenizer

    model = load_tokenizer("smollm2-135m-instruct")
    writer = PromptWriter(prompt_format(model))
    one = writer.prompt(FOUNDED, [ACME])
    two = writer.prompt(FOUNDED, [ACME, BOLT])
    assert two.demonstrations == (*one.demonstrations, f"{writer.completion(BOLT)}\n")
    ids = [[encode(model, segment) for segment in prompt.segments] for prompt in (one, two)]
    assert ids[1][:2] == ids[0][:2]
    assert ids[1][3] == ids[0][2]
    # joined tokens decode to the prompt: nothing is added or lost at the seams
    assert model.decode([token for segment in ids[1] for token in segment]) == two.text


def test_the_hash_tells_prompts_apart() -> None:
    writer = PromptWriter(PLAIN)
    assert writer.prompt(FOUNDED, [ACME]).hash != writer.prompt(FOUNDED, [BOLT]).hash
    assert len(writer.prompt(FOUNDED, [ACME]).hash) == 16


def test_types_enter_the_demonstrations_on_request() -> None:
    typed = Sample("1", "Ann left Acme", Entity(9, 13, "ORG"), Entity(0, 3, "PERSON"), "founded_by")
    writer = PromptWriter(PLAIN, types=True)
    assert writer.completion(typed) == "<tail:PERSON>Ann</tail> left <head:ORG>Acme</head>"
