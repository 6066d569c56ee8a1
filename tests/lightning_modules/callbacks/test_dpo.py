"""What DPO's callbacks write: the adapter's folder, hyper-parameters, texts of the policy."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from peft import PeftModel
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from relgen.dpo.logps import tree_log_probabilities
from relgen.dpo.prefix_tree import pack
from relgen.models.causal_lm import load_language_model
from tests import tiny
from tests.lightning_modules.dpo_runs import Losses, data, module, trainer, write_files
from tests.relgen.dpo.dense import dense_log_probabilities


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    return write_files(tmp_path)


def test_adapter_folder_loads_with_peft(files, tmp_path):
    dpo = module(files)
    trainer(tmp_path / "run").fit(dpo, data(files))
    base = load_language_model(files["model"], attention="sdpa")
    loaded = PeftModel.from_pretrained(base, str(tmp_path / "run/adapter")).eval()
    batch = pack([tiny.chain_tokens(3)])
    with torch.no_grad():
        got = dense_log_probabilities(loaded, batch)
        wanted = tree_log_probabilities(dpo.policy, batch)
    torch.testing.assert_close(got.chosen, wanted.chosen, rtol=1e-5, atol=1e-5)


def test_samples_are_written_and_do_not_disturb_the_run(files, tmp_path):
    plain, sampled = Losses(), Losses()
    torch.manual_seed(7)
    trainer(tmp_path / "a", plain).fit(module(files, lora_dropout=0.2), data(files))
    torch.manual_seed(7)
    board = TensorBoardLogger(tmp_path / "b", default_hp_metric=False)
    options = {"sample_every_n_steps": 1, "sample_count": 2, "gradient_checkpointing": True}
    trainer(tmp_path / "b", sampled, logger=board).fit(
        module(files, lora_dropout=0.2, **options), data(files)
    )
    assert sampled.values == pytest.approx(plain.values, rel=1e-4)
    events = EventAccumulator(board.log_dir)
    events.Reload()
    texts = [tag for tag in events.Tags()["tensors"] if tag.startswith("samples/")]
    assert sorted(texts) == ["samples/0/text_summary", "samples/1/text_summary"]
    assert "rewards/margins" in events.Tags()["scalars"]
    assert "hp/reward_accuracy" in events.Tags()["scalars"]
