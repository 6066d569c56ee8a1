"""Loads samples files as batches for a relation classifier: training data, their mix and order.

The encoding comes from the classifier that is trained (`trainer.lightning_module.classifier`), so
that model and data agree about tokens. The loss weight of generated samples belongs to the module.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import copy
from functools import partial
from typing import Any, Literal

from datasets import Dataset, concatenate_datasets
from lightning import LightningDataModule
from torch.utils.data import DataLoader

from datamodules.utils.batching import ignore_signals, position
from datamodules.utils.relation_checks import TRAINING, check_training, untyped_notice
from datamodules.utils.relation_tables import collate_columns, encode_table, sentences_of
from datamodules.utils.reviewed import Reviewed
from relgen.classifiers import Batch, Encoding, MarkerEncoding, TrainingBatches, evaluation_batches
from relgen.common import (
    ClosedUnitInterval,
    InputError,
    NonNegativeInt,
    PositiveInt,
    checks_numbers,
    content_hash,
    statement,
)
from relgen.data import (
    RelationSchema,
    check_samples,
    fold_of_rows,
    iter_samples,
    joined_rows,
    load_schema,
    load_table,
    repeated_rows,
)
from relgen.models import MULTILINGUAL_ENCODER, unknown_language

Mix = Literal["human", "pure", "mix"]
Order = Literal["together", "side_by_side", "generated_first"]
_LOG = logging.getLogger(__name__)


class RelationDataModule(LightningDataModule):
    """Samples for training from up to three files; validation, test and prediction files.

    What is said of generated samples below holds for `unlabelled` ones too: a model labelled them.
    Samples of these files with a `review` whose source is `human` count as human ones, except with
    `mix: pure`.

    Args:
        schema: path or name of the schema.
        human: samples file written by people.
        generated: samples file written by a language model.
        unlabelled: samples file written by people and labelled by a language model, for mixes.
        reviewed: file that `relgen review` wrote: its reviewed samples take the place of those of
            the same id and text, those that it rejected are left out, and those that people added
            are trained on as well.
        validation: samples file for validation during training.
        test: samples file for `test`; it must not contain a training sentence (`on_leak`).
        predict: samples file for `predict` (labels are ignored, and may be missing); by default
            the file of `test`.
        mix: train on the `human` file, on the generated one (`pure`), or on all (`mix`); by default
            on those that are given.
        order: `together` draws from both files alike; `side_by_side` gives each its share of every
            batch, if both are given; `generated_first` trains on generated samples, then on human
            ones.
        generated_share: the generated samples' share: of a batch with `side_by_side`, of all steps
            with `generated_first`.
        balanced: draw all relations equally often (with `order: side_by_side`, only among the human
            rows of a batch).
        exchange: train also on every sample with head and tail exchanged, with the inverse label,
            for those relations of the schema that have one.
        one_direction: train also on every sample of the other relations with head and tail
            exchanged, with the negative label: for raw text, of which both directions are asked,
            and relations that never hold in both.
        on_leak: refuse (raise) or drop training sentences that are also test sentences.
        batch_size: samples per step and process.
        evaluation_batch_size: samples per batch in validation, test and prediction.
        steps_per_epoch: batches between two validations; the length of an epoch for training sets
            of any size.
        seed: random seed of the order of the training samples.
        workers: processes that collate batches; 0 collates in the training process.
    """

    @checks_numbers
    def __init__(
        self,
        schema: str,
        human: str | None = None,
        generated: str | None = None,
        unlabelled: str | None = None,
        reviewed: str | None = None,
        validation: str | None = None,
        test: str | None = None,
        predict: str | None = None,
        mix: Mix | None = None,
        order: Order = "together",
        generated_share: ClosedUnitInterval = 0.5,
        balanced: bool = True,
        exchange: bool = False,
        one_direction: bool = False,
        on_leak: Literal["raise", "drop"] = "raise",
        batch_size: PositiveInt = 8,
        evaluation_batch_size: PositiveInt = 64,
        steps_per_epoch: PositiveInt = 50,
        seed: int = 0,
        workers: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        self.schema_name = schema
        self.files = {
            "human": human if mix in (None, "human", "mix") else None,
            "generated": generated if mix in (None, "pure", "mix") else None,
            "unlabelled": unlabelled if mix in (None, "mix") else None,
            "reviewed": reviewed if mix != "human" else None,
            "validation": validation,
            "test": test,
            "predict": predict or test,
        }
        self.mix = mix
        self.order = order
        self.generated_share = generated_share
        self.balanced = balanced
        self.exchange = exchange
        self.one_direction = one_direction
        self.on_leak = on_leak
        self.batch_size = batch_size
        self.evaluation_batch_size = evaluation_batch_size
        self.steps_per_epoch = steps_per_epoch
        self.seed = seed
        self.workers = workers
        self.truncated: dict[str, int] = {}
        self.leaked: dict[str, int] = {}
        self.reviewed: int | None = None
        self._schema: RelationSchema | None = None
        self._tables: dict[str, Dataset] = {}

    @property
    def schema(self) -> RelationSchema:
        if self._schema is None:
            self._schema = load_schema(self.schema_name)
        return self._schema

    def validation_overlap(self) -> str | None:
        """Return `test` or `training` if validation sentences are also among these."""
        if (validation := self._tables.get("validation")) is None:
            return None
        own = sentences_of(validation)
        others = {"test": ["test"], "training": self._training_names()}
        for kind, names in others.items():
            tables = [self._tables[name] for name in names if name in self._tables]
            if any(repeated_rows(own, sentences_of(table)) for table in tables):
                return kind
        return None

    def prepare_data(self) -> None:
        """Read every file once; raise InputError for the first problem."""
        for purpose, file in self.files.items():
            # labels of sentences to predict are ignored, and may be missing
            labelled = purpose != "predict"
            if file is not None and (labelled or file != self.files["test"]):
                check_samples(file, self.schema if labelled else None, labelled=labelled)

    def setup(self, stage: str) -> None:
        """Map the tables into memory; raise InputError for unusable training data."""
        stage = getattr(stage, "value", stage)  # Lightning gives an enumeration's member
        purpose = "validation" if stage == "validate" else stage
        names = [*TRAINING, "validation", "test"] if stage == "fit" else [purpose]
        for name in names:
            file = self.files[name]
            if file is not None and name not in self._tables:
                self._tables[name] = load_table(file, labelled=name != "predict")
        if stage == "fit":
            self._take_reviewed()
            if self.mix != "pure":
                self._join_human()
            self._remove_leaks()
            check_training(self._tables, self.mix, self.order, self.files)
            self._exchanged_labels()  # an error before weights load
        elif purpose not in self._tables:
            raise InputError(
                f"`{stage}` needs a samples file",
                field=f"data.{purpose}",
                value=None,
                remedy=f"give --data.{purpose} FILE",
            )

    def sample_ids(self, name: str) -> list[str]:
        """Return the ids of a split's samples, in the file's order."""
        return list(self._tables[name]["id"])

    def sentences(self, name: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return text, head and tail of some samples of a split, by id."""
        table, wanted = self._tables[name], set(ids)
        rows = [row for row, sample_id in enumerate(table["id"]) if sample_id in wanted]
        columns = table.select_columns(["id", "text", "head", "tail"])
        return {row.pop("id"): row for row in map(dict, columns.select(rows))}

    def describe(self) -> dict[str, Any]:
        """Describe the training data: files, hashes, counts, and the models that generated it."""
        described: dict[str, Any] = {
            "mix": self.mix,
            "order": self.order,
            "exchange": self.exchange,
            "one_direction": self.one_direction,
            "files": {},
        }
        for name in (*TRAINING, "validation"):
            file = self.files[name]
            if file is None or name not in self._tables:
                continue
            table = self._tables[name]
            entry = {"file": file, "sha256": content_hash(file), "samples": len(table)}
            if name == "generated":
                provenance = table["provenance"]
                entry["models"] = sorted({p["model"] for p in provenance if p and p["model"]})
                entry["adapters"] = sorted({p["adapter"] for p in provenance if p and p["adapter"]})
            described["files"][name] = entry
        if self.reviewed is not None:
            file = self.files["reviewed"]
            entry = {"file": file, "sha256": content_hash(str(file)), "samples": self.reviewed}
            described["files"]["reviewed"] = entry
        return {**described, "truncated": self.truncated, "leaked": self.leaked}

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return batches of similar lengths, in the configured mix and order."""
        names = self._training_names()
        encoding = self._encoding
        if isinstance(encoding, MarkerEncoding) and encoding.types:
            tables = {name: self._tables[name] for name in names}
            if notice := untyped_notice(tables, encoding.types):
                _LOG.warning(notice)
        if self._trainer.is_global_zero and "held" not in self._tables:
            self._warn_of_language(next(file for file in map(self.files.get, names) if file))
        epoch, done = position(self._trainer, self.steps_per_epoch)
        table, mixed = self._encoded(names), "human" in names[:-1]
        batches = TrainingBatches(
            table["label"][:],
            table["length"][:],
            table["generated"][:],
            batch_size=self.batch_size,
            steps=self.steps_per_epoch,
            seed=self.seed,
            balanced=self.balanced,
            generated_rows=self._generated_rows() if mixed else None,
            generated_steps=self._generated_steps()
            if mixed and self.order == "generated_first"
            else None,
            rank=self._trainer.global_rank,
            world=self._trainer.world_size,
            skip=done,
        )
        batches.set_epoch(epoch)  # workers fetch before Lightning sets it
        return self._loader(table, batches)

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """Return the validation file's batches; none without such a file."""
        return self._evaluation(["validation"]) if "validation" in self._tables else []

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._evaluation(["test"])

    def predict_dataloader(self) -> DataLoader[Batch]:
        return self._evaluation(["predict"])

    def every_training_sample(self) -> DataLoader[Batch]:
        """Return a loader over all training samples, with exchanged copies, in every process."""
        return self._evaluation(self._training_names(), shared=False)

    def every_validation_sample(self) -> DataLoader[Batch] | None:
        """Return a loader over the whole validation file in every process; None without one."""
        if "validation" not in self._tables:
            return None
        return self._evaluation(["validation"], shared=False)

    def can_fold(self, folds: int) -> bool:
        """Return whether every one of so many parts has human samples to leave out."""
        return set(range(folds)) <= set(self._folds(folds))

    def fold(self, number: int, folds: int) -> RelationDataModule:
        """Return a data module that trains without one of `folds` parts of the human samples."""
        table, parts = self._tables["human"], self._folds(folds)
        made = copy(self)
        made.files = {**self.files, "validation": None, "test": None, "held": self.files["human"]}
        made.truncated = dict(self.truncated)
        made._tables = {name: self._tables[name] for name in self._training_names()}
        for name, left_out in (("held", True), ("human", False)):
            rows = [row for row, part in enumerate(parts) if (part == number) == left_out]
            made._tables[name] = table.select(rows)
        return made

    def every_held_out_sample(self) -> DataLoader[Batch]:
        """Return a loader over the human samples that a `fold` does not train on."""
        return self._evaluation(["held"], shared=False)

    def _folds(self, folds: int) -> list[int | None]:
        if (table := self._tables.get("human")) is None:
            return []
        return fold_of_rows(table["relation"], joined_rows(sentences_of(table)), folds)

    def _training_names(self) -> list[str]:
        # a table is empty once people have reviewed all of its sentences
        return [name for name in TRAINING if self._tables.get(name)]

    def _evaluation(self, names: list[str], *, shared: bool = True) -> DataLoader[Batch]:
        """Return a loader over each sample once, across (`shared`) or in all processes."""
        table = self._encoded(names)
        rank, world = (self._trainer.global_rank, self._trainer.world_size) if shared else (0, 1)
        batches = evaluation_batches(
            table["length"][:], self.evaluation_batch_size, rank=rank, world=world
        )
        return self._loader(table, batches)

    def _loader(self, table: Dataset, batches: Any) -> DataLoader[Batch]:
        trainer = self._trainer
        if trainer.world_size > 1 and trainer._accelerator_connector.use_distributed_sampler:
            raise InputError(
                "the trainer's own sampler would give some samples twice",
                field="trainer.use_distributed_sampler",
                value=True,
                remedy="set it to false: this data module divides the batches itself",
            )
        # batches as the sampler: the table reads a list of rows at once, and Lightning rebuilds
        # batch samplers for prediction, but not samplers
        return DataLoader(
            table,
            sampler=batches,
            batch_size=None,
            collate_fn=partial(collate_columns, pad_id=self._encoding.pad_id),
            num_workers=self.workers,
            worker_init_fn=ignore_signals,
        )

    def _encoded(self, names: list[str]) -> Dataset:
        """Return token ids, from the cache if files, encoding and labels are the same."""
        trainer, tables = self._trainer, []
        for name in names:
            if not trainer.is_global_zero:
                trainer.strategy.barrier("encode")  # the main process fills the cache first
            table = encode_table(
                self._tables[name],
                self._encoding,
                labels=() if name == "predict" else self.schema.labels,
                generated=name in ("generated", "unlabelled"),
                inverses=self._exchanged_labels() if name in TRAINING else None,
            )
            if trainer.is_global_zero:
                trainer.strategy.barrier("encode")
            self._count_truncated(name, table)
            tables.append(table)
        return concatenate_datasets(tables)

    def _exchanged_labels(self) -> dict[str, str]:
        """Return the labels of training samples with head and tail exchanged, by their own."""
        inverses, negative = self.schema.inverses(), self.schema.negative
        found = inverses if self.exchange else {}
        if self.one_direction:
            if negative is None:
                raise InputError(
                    "the schema has no negative label for the other direction",
                    field="data.one_direction",
                    value=True,
                    remedy="name one in the schema, or leave one_direction off",
                )
            others = [one for one in self.schema.positive_labels if one not in inverses]
            found = found | dict.fromkeys(others, negative)
        return found

    def _count_truncated(self, name: str, encoded: Dataset) -> None:
        warned = name in self.truncated
        self.truncated[name] = sum(encoded["truncated"])
        if self.truncated[name] and not warned:
            _LOG.warning(
                "%d of %d texts of %s are longer than %d tokens (max_length, or what the encoder "
                "takes if that is less) and were cut around both entities",
                self.truncated[name],
                len(encoded),
                self.files[name],
                self._encoding.max_length,
            )

    def _take_reviewed(self) -> None:
        """Replace samples by their reviewed versions, and add those that reviewers wrote."""
        if (file := self.files["reviewed"]) is None or self.reviewed is not None:
            return
        reviewed = Reviewed(file)
        names = [name for name in ("generated", "unlabelled") if name in self._tables]
        self.reviewed = 0
        for name in names:
            self._tables[name], number = reviewed.applied(self._tables[name])
            self.reviewed += number
        added = reviewed.written()
        if not self.reviewed and not len(added):
            raise InputError(
                f"none of the {len(reviewed)} reviewed samples are among those to train on "
                "(by id and text)",
                path=file,
                remedy="name what relgen review made of --data.generated or --data.unlabelled",
            )
        if names and len(added):
            self._tables[names[0]] = concatenate_datasets([self._tables[names[0]], added])
        if self.reviewed < len(reviewed):
            _LOG.warning(
                "%d of the %d samples that people decided on in %s are among those to train on",
                self.reviewed,
                len(reviewed),
                file,
            )

    def _join_human(self) -> None:
        """Move what people wrote and reviewed from the other files to the human samples."""
        for name in ("generated", "unlabelled"):
            if (table := self._tables.get(name)) is None:
                continue
            # files of other tools may name no source: only a review is certain to be a person's
            pairs = zip(table["source"], table["review"], strict=True)
            theirs = [
                row
                for row, (source, review) in enumerate(pairs)
                if source == "human" and review["reviewer"]
            ]
            if theirs:
                human = [self._tables["human"]] if "human" in self._tables else []
                self._tables["human"] = concatenate_datasets([*human, table.select(theirs)])
                kept = sorted(set(range(len(table))) - set(theirs))
                self._tables[name] = table.select(kept)

    def _remove_leaks(self) -> None:
        if "test" not in self._tables:
            return
        tested = sentences_of(self._tables["test"])
        for name in self._training_names():
            leaks = repeated_rows(sentences_of(self._tables[name]), tested)
            if leaks and self.on_leak == "raise":
                first = self._tables[name][leaks[0]]
                reviewed = self.files["reviewed"]
                added = reviewed is not None and first["review"]["decision"] == "added"
                raise InputError(
                    f"{statement(len(leaks), 'training sentence', 'are')} in the test set as well "
                    f"(ignoring case and punctuation); first: id '{first['id']}'",
                    path=reviewed if added else self.files[name],
                    remedy="split again (relgen data split --exclude TEST), or drop them with "
                    "--data.on_leak drop",
                )
            kept = set(range(len(self._tables[name]))) - set(leaks)
            self.leaked[name] = len(leaks)
            self._tables[name] = self._tables[name].select(sorted(kept))

    def _warn_of_language(self, file: str) -> None:
        tokenizer = self._encoding.tokenizer
        settings = self._trainer.lightning_module.classifier.config()
        model = settings.get("model", tokenizer.name_or_path)
        samples = iter_samples(file, labelled=False)
        remedy = MULTILINGUAL_ENCODER
        if advice := unknown_language(tokenizer, samples, model=model, remedy=remedy):
            _LOG.warning(advice)

    def _generated_rows(self) -> int | None:
        if self.order != "side_by_side":
            return None
        if self.batch_size < 2:
            raise InputError(
                "`side_by_side` needs room for a sample from each file",
                field="data.batch_size",
                value=self.batch_size,
                remedy="set it to 2 or more",
            )
        return min(max(1, round(self.generated_share * self.batch_size)), self.batch_size - 1)

    def _generated_steps(self) -> int:
        trainer = self._trainer
        total = trainer.max_steps * trainer.accumulate_grad_batches
        if trainer.max_steps < 0:
            if not trainer.max_epochs or trainer.max_epochs < 0:
                raise InputError(
                    "`generated_first` needs a fixed length of training",
                    field="trainer.max_steps",
                    value=trainer.max_steps,
                    remedy="set trainer.max_steps or trainer.max_epochs",
                )
            total = trainer.max_epochs * self.steps_per_epoch
        return round(self.generated_share * total)

    @property
    def _trainer(self) -> Any:
        assert self.trainer is not None, "dataloaders are built by a Trainer"
        return self.trainer

    @property
    def _encoding(self) -> Encoding:
        return self._trainer.lightning_module.classifier.encoding
