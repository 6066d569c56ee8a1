"""Data modules of small samples files, for a classifier that has an encoding only."""

from lightning import Trainer

from datamodules.relations import RelationDataModule
from relgen.classifiers.encoding import MarkerEncoding
from tests.tiny.encoders import tokenizer


class _Classifier:
    encoding = MarkerEncoding(tokenizer(), max_length=16)

    def config(self):
        return {"model": "tiny"}


class _Module:
    classifier = _Classifier()


def made(files, stage="fit", max_steps=20, **options):
    names = {name: str(files / f"{name}.jsonl") for name in options.pop("give", ())}
    data = RelationDataModule(
        str(files / "schema.yaml"), **names, **{"steps_per_epoch": 10, "batch_size": 6, **options}
    )
    data.trainer = Trainer(
        accelerator="cpu", max_steps=max_steps, logger=False, enable_checkpointing=False
    )
    data.trainer.strategy._lightning_module = _Module()
    data.prepare_data()
    data.setup(stage)
    return data


def sources(data):
    return [set(batch.generated.tolist()) for batch in data.train_dataloader()]
