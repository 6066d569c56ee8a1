"""Parses the drafts that a model wrote, and checks whether to accept them.

A check maps a sample and its context to a reason to reject it, or None. `judge` runs a
list of checks in order, so that an external scorer is one more entry. No text raises an error.

Reasons: those of `MarkupError` and `read_fields`; `empty`, `only_reasoning`, `unfinished`,
`dead_end` (the grammar allowed no token), `off_grammar` (a server that does not enforce the grammar
returned a text that it forbids), `bad_character` (control, bidirectional or undecodable ones),
`wrong_relation`, `doubtful_beginning` (see `draft_text`); `same_entities`, `entity_inside_word`,
`long_head`, `long_tail`, `too_short`, `too_long`, `long_context` and `long_word` (see `limits`);
`wrong_head_type`, `wrong_tail_type`; `about_the_task`, `other_script`; `copy_of_demonstration`,
`near_copy_of_demonstration`, `duplicate`, `near_duplicate`, `test_leak`. The loop adds `not_chosen`
and `surplus`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from relgen.data import (
    Entity,
    Exclusion,
    MarkupError,
    OverlapIndex,
    Relation,
    Sample,
    context_words,
    is_word,
    jaccard,
    normalised,
    parse,
    word_counts,
)
from relgen.generation.backends.base import Finish
from relgen.generation.draft_text import bare_line, holds_markup
from relgen.generation.grammar.spec import GrammarSpec
from relgen.generation.limits import Limits
from relgen.generation.off_topic import OffTopic
from relgen.generation.settings import GenerationSettings


@dataclass(frozen=True, slots=True)
class DraftContext:
    """The target relation, the demonstrations in the prompt, and the texts not to repeat.

    `labels` are the names and titles of all relations, one of which a model may write first.
    """

    relation: Relation
    demonstrations: Sequence[Sample]
    pool: KnownTexts
    labels: tuple[str, ...] = ()


_CHARS_PER_WORD = 25
"""A text with more characters than this for each of `max_words` is not taken for a sentence."""
Check = Callable[[Sample, DraftContext], str | None]
Read = Callable[[str, Relation], Sample | str]


class KnownTexts:
    """The texts that a draft must not repeat: those of `train`, of `forbidden`, and accepted ones.

    Near copies count within a relation, and for the `forbidden` test samples.
    """

    def __init__(
        self,
        settings: GenerationSettings,
        train: Sequence[Sample],
        forbidden: Sequence[Sample] = (),
    ) -> None:
        self.settings = settings
        self.limits = Limits.of(settings, train)
        self.off_topic = OffTopic(train)
        self.texts = {normalised(sample.text) for sample in train}
        self.forbidden = Exclusion(forbidden, settings.test_overlap)
        self.accepted_words: defaultdict[str, OverlapIndex] = defaultdict(
            lambda: OverlapIndex(settings.near_copy_overlap)
        )

    def add(self, sample: Sample) -> None:
        self.texts.add(normalised(sample.text))
        self.accepted_words[sample.relation].add(context_words(sample))


def read_draft(raw: str, relation: Relation) -> Sample | str:
    """Parse a line of tagged text as a sample with an empty id, or return the reason to reject it.

    White space around the line and the entities is dropped.
    """
    try:
        parsed = parse(raw.strip())
    except MarkupError as error:
        return error.reason
    entities, text = [], parsed.text.strip()
    leading = len(parsed.text) - len(parsed.text.lstrip())
    for role, entity in (("head", parsed.head), ("tail", parsed.tail)):
        mention = parsed.text[entity.start : entity.end]
        if not is_word(mention):
            return f"empty_{role}"
        start = entity.start + len(mention) - len(mention.lstrip()) - leading
        entities.append(Entity(start, start + len(mention.strip()), entity.type))
    head, tail = entities
    return Sample("", text, head, tail, relation.name, "generated")


def judge(
    raw: str,
    finish: Finish,
    context: DraftContext,
    checks: Sequence[Check],
    grammar: GrammarSpec | None = None,
    read: Read = read_draft,
) -> Sample | str:
    """Return the sample in a line of a draft, or the reason to reject it.

    `finish` is the reason why the draft ended if this is its last line, else `stop`.
    The `grammar` is checked again, since not every server enforces it.
    """
    if finish == "length":
        return "unfinished"
    if finish == "grammar":
        return "dead_end"
    relation = context.relation
    if len(raw) > 200 + 4 * _CHARS_PER_WORD * context.pool.limits.max_words:  # with tags
        return "too_long"
    line, problem = bare_line(raw, (relation.name, relation.shown), context.labels)
    if problem:
        return problem
    sample = read(line, relation)
    if isinstance(sample, str):
        return sample
    if grammar is not None and not grammar.matches(line):
        return "off_grammar"
    reasons = (check(sample, context) for check in checks)
    reason = next((reason for reason in reasons if reason is not None), None)
    return _with_types(sample, context) if reason is None else reason


def check_form(sample: Sample, context: DraftContext) -> str | None:
    """Reject tags and emphasis in the text, and texts and types of too many characters."""
    settings = context.pool.settings
    if holds_markup(sample.text):
        return "stray_tag"
    for role, entity in (("head", sample.head), ("tail", sample.tail)):
        if entity.type and (len(entity.type) > settings.max_entity_chars or "<" in entity.type):
            return f"wrong_{role}_type"
    most = _CHARS_PER_WORD * context.pool.limits.max_words
    return "too_long" if len(sample.text) > most else None


def check_entities(sample: Sample, _: DraftContext) -> str | None:
    """Reject a sample whose entities are equal or begin or end inside a word."""
    if normalised(sample.head_text) == normalised(sample.tail_text):
        return "same_entities"
    return "entity_inside_word" if sample.splits_words() else None


def check_lengths(sample: Sample, context: DraftContext) -> str | None:
    """Reject long entities, sentences with too few or too many words, and what exceeds a limit."""
    settings, limits = context.pool.settings, context.pool.limits
    least, most = word_counts(sample.text)
    if len(sample.head_text) > settings.max_entity_chars:
        return "long_head"
    if len(sample.tail_text) > settings.max_entity_chars:
        return "long_tail"
    if least < limits.min_words:
        return "too_short"
    if most > limits.max_words:
        return "too_long"
    return limits.overrun(sample, one_sentence=settings.one_sentence) if settings.grammar else None


def check_types(sample: Sample, context: DraftContext) -> str | None:
    """Reject an entity type that the schema does not allow."""
    head, tail, relation = sample.head.type, sample.tail.type, context.relation
    if head and relation.head_types and head not in relation.head_types:
        return "wrong_head_type"
    wrong = tail and relation.tail_types and tail not in relation.tail_types
    return "wrong_tail_type" if wrong else None


def check_topic(sample: Sample, context: DraftContext) -> str | None:
    """Reject text about the task, and letters of another script than the labelled samples'."""
    pool, relation = context.pool, context.relation
    overlap = pool.settings.near_copy_overlap
    if pool.off_topic.about_task(sample.text, relation, context.labels, overlap):
        return "about_the_task"
    allowed = pool.settings.other_scripts
    foreign = allowed != "accept" and pool.off_topic.is_foreign(sample.text, allowed == "whole")
    return "other_script" if foreign else None


def check_demonstrations(sample: Sample, context: DraftContext) -> str | None:
    """Reject a copy of a demonstration, even with other entities."""
    text, own = normalised(sample.text), context_words(sample)
    if any(text == normalised(shown.text) for shown in context.demonstrations):
        return "copy_of_demonstration"
    threshold = context.pool.settings.near_copy_overlap
    near = any(jaccard(own, context_words(shown)) >= threshold for shown in context.demonstrations)
    return "near_copy_of_demonstration" if near else None


def check_duplicates(sample: Sample, context: DraftContext) -> str | None:
    """Reject a repeated sentence, and a near copy within the relation."""
    pool = context.pool
    if normalised(sample.text) in pool.texts:
        return "duplicate"
    near = pool.accepted_words[sample.relation].has_near(context_words(sample))
    return "near_duplicate" if near else None


def check_test_leak(sample: Sample, context: DraftContext) -> str | None:
    """Reject a copy or a near copy of a test sample."""
    return "test_leak" if context.pool.forbidden.reason(sample) else None


CHECKS: tuple[Check, ...] = (
    check_form,
    check_entities,
    check_lengths,
    check_types,
    check_topic,
    check_demonstrations,
    check_duplicates,
    check_test_leak,
)
"""The standard checks, cheap ones first."""


def _with_types(sample: Sample, context: DraftContext) -> Sample:
    """Give an untyped entity the schema's only type, or the type of an equal mention shown."""
    relation = context.relation
    known = {
        normalised(mention): entity.type
        for shown in reversed(context.demonstrations)  # the first one counts
        for entity, mention in ((shown.tail, shown.tail_text), (shown.head, shown.head_text))
        if entity.type
    }

    def typed(entity: Entity, mention: str, allowed: tuple[str, ...]) -> Entity:
        if entity.type:
            return entity
        if len(allowed) == 1:
            return replace(entity, type=allowed[0])
        kind = known.get(normalised(mention))
        return replace(entity, type=kind if not allowed or kind in allowed else None)

    return replace(
        sample,
        head=typed(sample.head, sample.head_text, relation.head_types),
        tail=typed(sample.tail, sample.tail_text, relation.tail_types),
    )
