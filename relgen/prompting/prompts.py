"""Prompts of three modules (Li, Dai, Li, ACL 2025), written as segments.

1. *Task Description*: the parts of a sample, its notation, and the instruction to make it different
   from those shown (the diversity instruction).
2. *Relation Explanation*: the meaning of the target relation.
3. *Sample Demonstration*: samples of the target relation.

A prompt is `prefix, demonstration, …, demonstration, cue`. Training and generation tokenise its
segments one by one, so that a new demonstration never changes the tokens of an earlier one. The
prefix tree and the key/value cache depend on this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from relgen.common import InputError, text_hash
from relgen.data import Relation, Sample, render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SYSTEM_MARK = "relgen-task-description"
_USER_MARK = "relgen-relation-and-demonstrations"
_ANSWER_MARK = "relgen-answer"


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """Text of a model's chat template around the modules."""

    opening: str  # before the Task Description
    middle: str  # between the Task Description and the Relation Explanation
    cue: str  # after the last demonstration, before the model's answer
    terminator: str  # after the answer; its first token stops the generation

    def prompt(self, task: str, request: str, demonstrations: Iterable[str]) -> Prompt:
        """Return the prompt of a Task Description, a request, and a line for each demonstration."""
        lines = tuple(f"{line}\n" for line in demonstrations)
        prefix = f"{self.opening}{task}{self.middle}{request}"
        return Prompt(prefix, lines, self.cue, self.terminator)


PLAIN = PromptFormat(opening="", middle="\n\n", cue="\nNew:\n", terminator="\n")
"""The format of base models, which have no chat template."""

CHAT = PromptFormat(opening="", middle="\n\n", cue="", terminator="")
"""The format for servers that apply the model's chat template themselves."""


def prompt_format(tokenizer: PreTrainedTokenizerBase) -> PromptFormat:
    """Return the parts of a model's chat template, or the plain format if it has none.

    If the template has no system role, the Task Description is part of the user's turn. Raises
    InputError if the template fails, or changes what it is given.
    """
    if not getattr(tokenizer, "chat_template", None):
        bos = tokenizer.bos_token if _starts_with_bos(tokenizer) else None
        return replace(PLAIN, opening=bos or "")
    try:
        return _chat_format(tokenizer)
    except Exception as error:  # a template may raise any exception
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"this model's chat template cannot be used ({type(error).__name__}: {reason})",
            field="model",
            value=tokenizer.name_or_path,
            remedy="correct chat_template and eos_token in its folder, or use another model",
        ) from error


def _chat_format(tokenizer: PreTrainedTokenizerBase) -> PromptFormat:
    user = {"role": "user", "content": _USER_MARK}
    try:
        text = _chat(tokenizer, [{"role": "system", "content": _SYSTEM_MARK}, user])
    except Exception:  # a template may raise any exception
        text = ""
    if _SYSTEM_MARK not in text:
        user = {"role": "user", "content": f"{_SYSTEM_MARK}\n\n{_USER_MARK}"}
        text = _chat(tokenizer, [user])
    opening, rest = text.split(_SYSTEM_MARK)
    middle, cue = rest.split(_USER_MARK)
    return PromptFormat(opening, middle, cue, _terminator(tokenizer, user))


def server_format(tokenizer: PreTrainedTokenizerBase) -> PromptFormat:
    """Return the format for a server's raw completions: the server adds begin-of-sequence."""
    found = prompt_format(tokenizer)
    if _starts_with_bos(tokenizer):
        found = replace(found, opening=found.opening.removeprefix(str(tokenizer.bos_token)))
    return found


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as segments."""

    prefix: str
    demonstrations: tuple[str, ...]
    cue: str
    terminator: str

    @property
    def segments(self) -> tuple[str, ...]:
        """Return the segments, which are tokenised one by one."""
        return (self.prefix, *self.demonstrations, self.cue)

    @property
    def text(self) -> str:
        """Return the prompt as one text."""
        return "".join(self.segments)

    @property
    def hash(self) -> str:
        """Return the 16 hex digits by which a sample's provenance identifies the prompt."""
        return text_hash(self.text)[:16]


@dataclass(frozen=True, slots=True)
class PromptWriter:
    """Writes prompts, optionally with the diversity instruction and with entity types in tags.

    `language` is that of the samples, if it is not English (see `foreign_language`).
    """

    format: PromptFormat
    diverse: bool = True
    types: bool = False
    language: str | None = None

    def prompt(
        self, relation: Relation, demonstrations: Iterable[Sample], number: int = 1
    ) -> Prompt:
        """Return a prompt for one sample (OBO), or several in one answer (AAO), one per line."""
        order = f"Answer with {number} new samples, one on each line."
        if number == 1:
            order = "Answer with one new sample on one line."
        diversity = [_DIVERSITY] if self.diverse else []
        task = " ".join([_TASK, *diversity, *language_instruction(self.language), order])
        shown = map(self.completion, demonstrations)
        return self.format.prompt(task, relation_explanation(relation, self.language), shown)

    def completion(self, sample: Sample) -> str:
        """Return the model's answer for a sample, without the terminator."""
        return render(sample, types=self.types)


_TASK = (
    "You write training samples for relation extraction. A sample is one sentence that mentions a "
    "head entity and a tail entity between which the target relation holds. Write the head as "
    "<head>…</head> and the tail as <tail>…</tail>, each once, in either order."
)
_DIVERSITY = (
    "Make the new sample as different as possible from all samples shown: other entities, another "
    "topic, other words, another sentence structure."
)


_TERM = re.compile(
    r"\b(head|tail|relation|sample|sentence|entit)(?:(?<=entit)(?:y|ies)|(?<!entit)s?)\b",
    re.IGNORECASE,
)


def task_terms(text: str) -> set[str]:
    """Return those words of a text, in one form, by which the prompt speaks of the task."""
    return {found.lower() for found in _TERM.findall(text)}


def language_instruction(language: str | None) -> list[str]:
    """Return the sentence that asks for a language, which may have no name; none for English."""
    if language is None:
        return []
    return [f"Write in {f'{language}, ' if language else ''}the language of the samples shown."]


def relation_explanation(relation: Relation, language: str | None = None) -> str:
    """Return the Relation Explanation: the relation's name, meaning and entity types.

    The language of the samples is named if it is given.
    """
    lines = [f"Target relation: {relation.shown}", f"Meaning: {relation.explanation}"]
    if relation.head_types or relation.tail_types:
        head = " or ".join(relation.head_types) or "any"
        tail = " or ".join(relation.tail_types) or "any"
        lines.append(f"Entity types: head {head}; tail {tail}")
    samples = f"Samples in {language}:\n" if language else "Samples:\n"
    return "\n".join([*lines, samples])


def shared_length(sequences: Sequence[Sequence[int]]) -> int:
    """Return the length of the longest common prefix of all sequences; 0 for no sequences."""
    columns = zip(*sequences, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def encode(tokenizer: PreTrainedTokenizerBase, segment: str) -> list[int]:
    """Return the token ids of one segment, without special tokens at its ends."""
    return list(tokenizer(segment, add_special_tokens=False)["input_ids"])


def stop_ids(tokenizer: PreTrainedTokenizerBase, terminator: str, *, lines: int) -> list[int]:
    """Return the tokens that end a draft: the terminator's first, and the end of sequence.

    A line break does not end an answer of several lines. The space that SentencePiece tokenisers
    insert before a line break is skipped.
    """
    stops = set() if tokenizer.eos_token_id is None else {int(tokenizer.eos_token_id)}
    if lines == 1 or "\n" not in terminator:
        ids = encode(tokenizer, terminator)
        own = [token for token in ids if str(tokenizer.decode([token])).strip(" ")]
        stops.add((own or ids)[0])
    return sorted(stops)


def _chat(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], **options: Any) -> str:
    options = {"add_generation_prompt": True, **options}
    # `enable_thinking` is an option of Qwen3's template, which others ignore
    text = tokenizer.apply_chat_template(turns, tokenize=False, enable_thinking=False, **options)
    return str(text)


def _terminator(tokenizer: PreTrainedTokenizerBase, user: dict[str, str]) -> str:
    turns = [user, {"role": "assistant", "content": _ANSWER_MARK}]
    after = _chat(tokenizer, turns, add_generation_prompt=False).split(_ANSWER_MARK)[-1]
    special = [token for token in tokenizer.all_special_tokens if token in after]
    if special:
        return min(special, key=after.index)
    if not tokenizer.eos_token:
        raise ValueError(
            "it ends an answer without a special token, and there is no end-of-sequence token"
        )
    return str(tokenizer.eos_token)


def _starts_with_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    return tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [
        tokenizer.bos_token_id
    ]
