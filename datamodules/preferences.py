"""Batches of packed prefix trees, from `chains.jsonl`.

The chains are tokenised once, into an Arrow table that `datasets` caches under a fingerprint of
everything the tokens depend on.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from itertools import chain as joined
from typing import Any

from datasets import Dataset, Features, Sequence, Value
from datasets.exceptions import DatasetGenerationError
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only
from torch.utils.data import DataLoader

from datamodules.utils.batching import TokenBatchSampler, ignore_signals, position, token_batches
from relgen.common import (
    BelowOne,
    InputError,
    NonNegativeInt,
    PositiveInt,
    checks_numbers,
    content_hash,
    counted,
    text_hash,
)
from relgen.data import Sample, foreign_language, load_schema, parse_schema
from relgen.dpo import ChainTokens, TreeBatch, pack, read_chains, tokenise_chain
from relgen.models import EMBEDDED_LANGUAGE_MODEL, load_tokenizer, model_window, unknown_language
from relgen.prompting import PromptWriter, prompt_format

_LOG = logging.getLogger(__name__)
# `datasets` does not notice changes in functions: raise this number when the tokens change
_VERSION = 3

_IDS = Sequence(Value("int32"))
CHAIN_FEATURES = Features(
    {
        "id": Value("string"),
        "prefix": _IDS,
        "demonstrations": Sequence(_IDS),
        "cue": _IDS,
        "chosen": Sequence(_IDS),
        "rejected": Sequence(_IDS),
        "kinds": Sequence(Value("int8")),
        "cut": Value("int32"),
    }
)


class PreferenceDataModule(LightningDataModule):
    """Chains of preference pairs for DPO.

    Args:
        chains: path of `chains.jsonl`.
        schema: path or shipped name of the schema, for the relations' explanations.
        validation_chains: path of the chains to validate on, or null.
        validation_share: share of `chains` to hold out when there are no validation chains.
        model: name of the model whose tokenizer is used; always that of the module.
        max_length: the longest path from root to leaf, in tokens, limited by the model's positions.
            A longer chain is cut before the first pair that does not fit.
        token_budget: packed tokens of a batch; a larger tree has a batch to itself.
        diverse: put the diversity instruction into the prompts.
        types: write entity types into the tags.
        seed: random seed of the order, and of the choice of held-out chains.
        workers: number of processes that pack batches; 0 packs them in the training's process.
    """

    @checks_numbers
    def __init__(
        self,
        chains: str,
        schema: str,
        validation_chains: str | None = None,
        validation_share: BelowOne = 0.0,
        model: str = EMBEDDED_LANGUAGE_MODEL,
        max_length: PositiveInt = 1024,
        token_budget: PositiveInt = 2048,
        diverse: bool = True,
        types: bool = False,
        seed: int = 0,
        workers: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        if validation_share and validation_chains:
            raise InputError(
                "cannot be combined with validation_chains",
                field="validation_share",
                value=validation_share,
                remedy="set one of the two",
            )
        self.chains = chains
        self.schema = schema
        self.validation_chains = validation_chains
        self.validation_share = validation_share
        self.model = model
        self.max_length = max_length
        self.token_budget = token_budget
        self.diverse = diverse
        self.types = types
        self.seed = seed
        self.workers = workers
        self.training: Dataset | None = None
        self.validation: Dataset | None = None

    def prepare_data(self) -> None:
        """Tokenise into the cache on one process; `setup` opens the cache on all."""
        for path in filter(None, (self.chains, self.validation_chains)):
            self._table(path)

    def setup(self, stage: str) -> None:
        table = self._table(self.chains)
        self._warn_of_language()
        _report_cuts(table, self.max_length, self._window)
        self.training = table
        if self.validation_chains:
            self.validation = self._table(self.validation_chains)
        elif self.validation_share:
            held_out = _held_out(len(table), self.validation_share, self.seed)
            kept = [index for index in range(len(table)) if index not in held_out]
            self.training = table.select(kept)
            self.validation = table.select(sorted(held_out))

    def train_dataloader(self) -> DataLoader[TreeBatch]:
        assert self.training is not None
        sampler = self._sampler(_sizes(self.training))
        sampler.epoch, sampler.skip = position(self.trainer, len(sampler))
        return self._loader(self.training, sampler)

    def val_dataloader(self) -> DataLoader[TreeBatch] | list[Any]:
        if self.validation is None:
            return []
        return self._loader(self.validation, self._sampler(_sizes(self.validation), shuffle=False))

    def heaviest_batch(self, epochs: int, processes: int = 1) -> TreeBatch:
        """Return the training batch with the most tokens of the first epochs, after `setup`."""
        assert self.training is not None
        sizes = _sizes(self.training)
        batches = joined.from_iterable(
            token_batches(
                sizes, self.token_budget, seed=self.seed, epoch=epoch, processes=processes
            )
            for epoch in range(epochs)
        )
        rows = max(batches, key=lambda rows: sum(sizes[row] for row in rows))
        return collate_chains(self.training[rows])

    def _sampler(self, sizes: list[int], **options: Any) -> TokenBatchSampler:
        if self.trainer is not None:
            options |= {"rank": self.trainer.global_rank, "processes": self.trainer.world_size}
        return TokenBatchSampler(sizes, self.token_budget, seed=self.seed, **options)

    def _loader(self, table: Dataset, sampler: TokenBatchSampler) -> DataLoader[TreeBatch]:
        return DataLoader(
            table,
            batch_size=None,
            sampler=sampler,
            num_workers=self.workers,
            worker_init_fn=ignore_signals,
            collate_fn=collate_chains,  # type: ignore[arg-type]  # a batch of the table is a dict
        )

    @cached_property
    def _window(self) -> int | None:
        return model_window(self.model)

    @rank_zero_only
    def _warn_of_language(self) -> None:
        shown = _shown(self.chains)
        if advice := unknown_language(load_tokenizer(self.model), shown, model=self.model):
            _LOG.warning(advice)

    def _table(self, path: str) -> Dataset:
        schema = load_schema(self.schema)
        tokenizer = load_tokenizer(self.model)
        core = tokenizer.backend_tokenizer.to_str() if tokenizer.is_fast else repr(tokenizer)
        # report errors in the file before `datasets` wraps them
        for chain in read_chains(path):
            try:
                schema.check_label(chain.relation)
            except InputError as error:
                raise InputError(f"chain '{chain.id}': {error}", path=path) from error
        settings = {
            "version": _VERSION,
            "chains": path,
            "content": content_hash(path),
            "schema": schema.to_dict(),
            "model": self.model,
            "tokenizer": text_hash(f"{core}{tokenizer.chat_template}"),
            "max_length": self.max_length,
            "window": self._window,
            "diverse": self.diverse,
            "types": self.types,
        }
        try:
            return Dataset.from_generator(
                tokenised_rows, features=CHAIN_FEATURES, gen_kwargs={"settings": settings}
            )
        except DatasetGenerationError as error:
            if isinstance(error.__cause__, InputError):
                raise error.__cause__ from None
            raise


def _shown(chains: str) -> Iterator[Sample]:
    """Yield the samples that the prompts of chains show."""
    for chain in read_chains(chains):
        yield from chain.demonstrations(len(chain.pairs))


def tokenised_rows(settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the Arrow table, for the settings of `PreferenceDataModule._table`."""
    schema = parse_schema(settings["schema"])
    tokenizer = load_tokenizer(settings["model"])
    chains = read_chains(settings["chains"])
    writer = PromptWriter(
        prompt_format(tokenizer),
        diverse=settings["diverse"],
        types=settings["types"],
        language=foreign_language(_shown(settings["chains"])),
    )
    for chain in chains:
        tokens = tokenise_chain(
            chain,
            schema[chain.relation],
            writer,
            tokenizer,
            max_length=settings["max_length"],
            window=settings["window"],
        )
        yield asdict(tokens)


def collate_chains(rows: dict[str, list[Any]]) -> TreeBatch:
    """Pack rows of the table, given as columns, into one batch."""
    cells = zip(*rows.values(), strict=True)
    return pack([ChainTokens(**dict(zip(rows, row, strict=True))) for row in cells])


def _sizes(table: Dataset) -> list[int]:
    return [ChainTokens(**row).tree_tokens for row in table]


def _held_out(number: int, share: float, seed: int) -> set[int]:
    wanted = max(1, round(number * share))
    if wanted >= number:
        raise InputError(
            f"holding out {wanted} of {counted(number, 'chain')} leaves none for training",
            field="validation_share",
            value=share,
            remedy="lower it, or give more chains",
        )
    return set(random.Random(f"validation/{seed}").sample(range(number), wanted))


def _report_cuts(table: Dataset, max_length: int, window: int | None) -> None:
    cuts = [cut for cut in table["cut"] if cut]
    pairs = sum(map(len, table["kinds"]))
    rank_zero_info(f"{counted(len(table), 'chain')} with {counted(pairs, 'pair')}")
    if cuts:
        limit, remedy = f"max_length={max_length}", "raise max_length to keep them"
        if window is not None and window < max_length:
            limit = f"the {window} positions of this model"
            remedy = "a model that takes longer texts keeps them"
        rank_zero_only(_LOG.warning)(
            f"longer than {limit}: {len(cuts)} of {counted(len(table), 'chain')}, of which the "
            f"last pairs are dropped ({sum(cuts)}); {remedy}"
        )
