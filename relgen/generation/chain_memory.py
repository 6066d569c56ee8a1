"""Computes what the chains of a generation take beside the model's weights.

A chain has a row of keys and values, as long as the longest prompt with its draft. Of each draft
the logits are kept, in float32.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from relgen.common import resolved
from relgen.generation.backends.base import Backend
from relgen.generation.backends.cache import STEP, TOKENS_A_PASS
from relgen.generation.backends.loading import Engine
from relgen.generation.backends.sampling import ROWS
from relgen.generation.files.journal import Journal
from relgen.generation.settings import GenerationSettings
from relgen.generation.states import RelationState, waves
from relgen.models import ModelMemory, check_memory, find_device, free_memory, load_config
from relgen.prompting import FieldPromptWriter, PromptWriter, encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_GROWTH = 1.25  # storage grows by a quarter
_SHARE = 0.9  # of free memory, for which the number of chains is chosen
_COPIES = 6 * ROWS  # of logits, while tokens are chosen


class ChainMemory(NamedTuple):
    """The sizes of a generation's chains."""

    tokens: int  # of the longest prompt with its draft
    rows: int  # of keys and values that a chain has: its prompt's, and those of several drafts
    logits: int  # that a chain keeps: after its prompt, and of each draft with masks

    @classmethod
    def of(
        cls,
        settings: GenerationSettings,
        states: Sequence[RelationState],
        writer: PromptWriter | FieldPromptWriter,
        tokenizer: PreTrainedTokenizerBase,
    ) -> ChainMemory:
        """Estimate the sizes, taking what will be written for as long as what is shown."""
        longest, shown = 0, list[int]()
        for state in (state for state in states if state.chains):
            demonstrations = state.chains[0].demonstrations(settings)
            prompt = writer.prompt(state.relation, demonstrations, settings.answer_samples)
            sizes = [len(encode(tokenizer, segment)) for segment in prompt.segments]
            shown += sizes[1:-1]
            longest = max(longest, sum(sizes))
        grown = 0
        if settings.mode == "obo":
            grown = -(-settings.samples // settings.chains) - 1
            grown = grown if settings.window is None else min(grown, settings.window)
        written = round(grown * sum(shown) / max(1, len(shown)))
        most = settings.max_new_tokens * settings.answer_samples
        several = settings.candidates if settings.candidates > 1 else 0
        return cls(longest + written + most, 1 + several, 1 + 2 * settings.candidates)

    def needed(self, memory: ModelMemory, chains: int) -> int:
        """Return the bytes that so many chains take at a time."""
        fixed = TOKENS_A_PASS * memory.activations + _COPIES * memory.logits
        slots = -(-int(_GROWTH * self.tokens) // STEP) * STEP
        cached = slots * self.rows * memory.cached
        return fixed + chains * (cached + self.logits * memory.logits)

    def at_once(self, memory: ModelMemory, there: int) -> int:
        """Return the number of chains for which there is memory, beside the weights."""
        left = int(_SHARE * there) - memory.weights - self.needed(memory, 0)
        return max(0, left // (self.needed(memory, 1) - self.needed(memory, 0)))


def fit_chains(
    settings: GenerationSettings,
    states: Sequence[RelationState],
    writer: PromptWriter | FieldPromptWriter,
    engine: Engine,
    journal: Journal,
) -> tuple[int | None, Callable[[], Backend]]:
    """Return how many chains to run at a time, and how to load the model.

    Unless the settings say so, they are as many as fit into memory, or, in a resumed run, as many
    as it began with. Loading raises InputError if they do not fit.
    """
    if engine.tokenizer is None:  # a server's
        return settings.batch, engine.open
    device = find_device(settings.device)
    memory = ModelMemory.of(load_config(settings.model), settings.dtype, settings.quantization)
    sizes = ChainMemory.of(settings, states, writer, engine.tokenizer)
    batch, total = settings.batch, sum(len(state.chains) for state in states)
    if batch is None:
        fitting = max(1, min(total, sizes.at_once(memory, free_memory(device))))
        batch = journal.keep_batch(fitting)
    most = max(sum(len(state.chains) for state in wave) for wave in waves(states, batch))
    fewer = "run fewer chains at a time (--batch)"
    if settings.batch is None or most > settings.batch:
        fewer = "give each relation fewer --chains or --samples"
    if settings.batch is None and batch < total:
        said = f"{most} of {total} chains at a time, for which there is memory (--batch)"
        print(said, file=sys.stderr)

    def load() -> Backend:
        form = settings.quantization or resolved(settings.dtype)
        needed = sizes.needed(memory, most)
        check_memory(settings.model, memory, device, form, needed, fewer)
        return engine.open()

    return batch, load
