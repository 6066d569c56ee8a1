"""The shipped classifier presets are instantiated as the command line would, without training."""

from functools import partial

import pytest
import torch
from lightning import LightningDataModule, LightningModule
from lightning.pytorch.cli import LightningCLI
from transformers import PreTrainedModel

from datamodules.relations import RelationDataModule
from lightning_modules.relation_classifier import RelationClassifierModule
from relgen.common.presets import find_config
from relgen.data.schema import load_schema
from tests.tiny.encoders import save_encoder, save_masked


@pytest.mark.parametrize(
    ("preset", "family", "save"),
    [
        ("entity_marker", "bert", save_encoder),
        ("entity_marker_roberta", "roberta", save_encoder),
        ("entity_marker_punctuation", "roberta", partial(save_encoder, extra=list("@*#^"))),
        ("knowprompt", "roberta", save_masked),
        ("knowprompt_small", "bert", save_encoder),
        ("retrieval", "roberta", save_masked),
        ("retrieval_small", "bert", save_encoder),
    ],
)
def test_preset_instantiates(preset, family, save, tmp_path):
    encoder = save(tmp_path / "encoder", family=family)
    cli = LightningCLI(
        LightningModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        run=False,
        save_config_callback=None,
        auto_configure_optimizers=False,
        trainer_defaults={"accelerator": "cpu", "logger": False},
        args=[
            f"--config={find_config(f'classifier/{preset}', 'classifier')}",
            f"--model.classifier.model={encoder}",
        ],
    )
    assert isinstance(cli.model, RelationClassifierModule)
    assert isinstance(cli.datamodule, RelationDataModule)
    optimizer = cli.model.build_optimizer([torch.nn.Parameter(torch.zeros(1))])
    assert isinstance(optimizer, torch.optim.AdamW)
    schema = load_schema("everyday")
    (network,) = (
        child
        for child in cli.model.build_classifier(schema).children()
        if isinstance(child, PreTrainedModel)
    )
    assert network.config.model_type == family


def test_every_shipped_preset_is_instantiated():
    (mark,) = test_preset_instantiates.pytestmark
    shipped = {path.stem for path in find_config("classifier/entity_marker").parent.glob("*.yaml")}
    assert {preset for preset, _, _ in mark.args[1]} == shipped
