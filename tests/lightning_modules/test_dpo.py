"""DPO from end to end on a tiny model: learning, resuming, checkpoints, what a run leaves."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

import lightning_modules.dpo as dpo_module
from lightning_modules.dpo import DPOModule, check_base_in_eval
from relgen.common.errors import InputError
from relgen.dpo.logps import tree_log_probabilities
from relgen.dpo.prefix_tree import micro_batches, pack
from relgen.kernels import in_use
from tests import tiny
from tests.lightning_modules.dpo_runs import Losses, data, module, trainer, write_files


class InterruptedRunError(Exception):
    """What stops a run half-way."""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    return write_files(tmp_path)


def history(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_constructor_loads_nothing(tmp_path):
    assert list(DPOModule(model=str(tmp_path / "nowhere")).parameters()) == []


def test_learns_to_prefer_the_chosen(files, tmp_path):
    losses = Losses()
    dpo = module(files)
    trainer(tmp_path / "run", losses, max_epochs=12).fit(dpo, data(files))
    rows = [row["metrics"] for row in history(tmp_path / "run")]
    # B is zero at first, so that policy and reference agree
    assert losses.values[0] == pytest.approx(math.log(2), abs=1e-6)
    assert rows[0]["rewards/margins"] == pytest.approx(0.0, abs=1e-6)
    assert losses.values[-1] < 0.3
    assert rows[-1]["epoch/rewards/accuracies"] == 1.0
    kinds = ["wrong_label", "near_copy", "exact_copy"]
    assert [rows[-1][f"rewards/accuracies/{kind}"] for kind in kinds] == [1.0, 1.0, 1.0]
    assert 0.5 < rows[-1]["tokens_saved"] < 0.9


def test_base_does_not_move_and_reference_is_bitwise_constant(files, tmp_path):
    dpo = module(files, lora_dropout=0.2, keep_reference=False)
    dpo.configure_model()
    before = {n: p.clone() for n, p in dpo.named_parameters() if not p.requires_grad}
    batch = pack([tiny.chain_tokens(3)])
    first = dpo.reference_log_probabilities(batch)
    trainer(tmp_path / "run", max_epochs=2).fit(dpo, data(files))
    again = dpo.reference_log_probabilities(batch)
    assert torch.equal(first.chosen, again.chosen)
    assert torch.equal(first.rejected, again.rejected)
    after = {n: p for n, p in dpo.named_parameters() if not p.requires_grad}
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    policy = tree_log_probabilities(dpo.policy, batch)
    assert not torch.allclose(policy.chosen, first.chosen)


def test_kept_reference_changes_nothing_and_runs_once_a_chain(files, tmp_path, monkeypatch):
    kept, fresh = Losses(), Losses()
    calls = []
    inner = tree_log_probabilities

    def count(model, batch, **options):
        calls.append(torch.is_grad_enabled())
        return inner(model, batch, **options)

    monkeypatch.setattr("lightning_modules.dpo.tree_log_probabilities", count)
    options = {"token_budget": 1}  # a chain is a batch, so that values do not depend on company
    trainer(tmp_path / "a", kept, max_epochs=3).fit(module(files), data(files, **options))
    assert calls.count(False) == 4
    calls.clear()
    dpo = module(files, keep_reference=False)
    trainer(tmp_path / "b", fresh, max_epochs=3).fit(dpo, data(files, **options))
    assert calls.count(False) == 12
    assert kept.values == fresh.values


@pytest.mark.parametrize("switch", ["", "off"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_every_way_of_computing_gives_the_same_losses(
    files, tmp_path, switch, checkpointing, monkeypatch
):
    plain, other = Losses(), Losses()
    trainer(tmp_path / "a", plain).fit(module(files), data(files))
    monkeypatch.setenv("RELGEN_KERNELS", switch)
    dpo = module(files, gradient_checkpointing=checkpointing)
    trainer(tmp_path / "b", other).fit(dpo, data(files))
    assert other.values == pytest.approx(plain.values, rel=1e-3)


@pytest.mark.parametrize(
    "options",
    [{}, {"length_normalised": True, "loss": "ipo"}, {"nll_weight": 0.5}, {"label_smoothing": 0.1}],
    ids=str,
)
def test_branches_by_parts_give_the_same_step(files, options):
    steps = []
    for tokens in (None, 40):
        dpo = module(files, dtype="float64", branch_tokens=tokens, **options)
        dpo.configure_model()
        dpo.train()
        tiny.tune(dpo.policy)
        dpo.policy.double()
        if not in_use("norms"):
            tiny.in_double(dpo.policy)
        (batch,) = data_batches(files, token_budget=10_000)
        assert len(micro_batches(batch, 40)) > 3
        loss, metrics = dpo.model_step(batch, dpo.reference_log_probabilities(batch))
        loss.backward()
        assert loss.item() == pytest.approx(metrics["loss"].mean().item())
        steps.append((metrics, [p.grad for p in dpo.parameters() if p.requires_grad]))
    (whole, wanted), (found, got) = steps
    torch.testing.assert_close(found, whole, rtol=1e-6, atol=0)
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-12)
    # B of a fresh adapter is zero, and then so are the gradients of A
    assert all(gradient.norm() > 0 for gradient in wanted)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("every", [{"every_n_epochs": 1}, {"every_n_train_steps": 3}])
def test_resumed_run_equals_the_uninterrupted_one_bitwise(files, tmp_path, every, workers):
    """Dropout, a decaying learning rate and a schedule's end: all must be where they were."""
    options = {"lora_dropout": 0.3, "warmup_steps": 2}
    batches = {"token_budget": 900, "workers": workers, "validation_share": 0.25}
    whole = Losses()
    run = trainer(tmp_path / "whole", whole, max_epochs=4)
    torch.manual_seed(7)
    run.fit(module(files, **options), data(files, **batches))
    per_epoch = run.num_training_batches
    assert per_epoch == 2

    done = 4 if "every_n_epochs" in every else 3
    first, second = Losses(), Losses()
    keeper = ModelCheckpoint(dirpath=tmp_path / "ckpt", save_last=True, **every)

    class Stop(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step == done + 1:
                raise InterruptedRunError

    torch.manual_seed(7)
    with pytest.raises(InterruptedRunError):
        trainer(tmp_path / "run", first, keeper, Stop(), max_epochs=4).fit(
            module(files, **options), data(files, **batches)
        )
    assert first.values == whole.values[: done + 1]
    torch.manual_seed(99)
    trainer(tmp_path / "run", second, ModelCheckpoint(tmp_path / "ckpt"), max_epochs=4).fit(
        module(files, **options), data(files, **batches), ckpt_path=tmp_path / "ckpt/last.ckpt"
    )
    assert second.values == whole.values[done:]
    resumed, uninterrupted = history(tmp_path / "run"), history(tmp_path / "whole")
    assert [row["step"] for row in resumed] == list(range(8))
    assert [row["metrics"]["loss"] for row in resumed] == whole.values
    assert resumed[-1]["metrics"]["tokens_seen"] == uninterrupted[-1]["metrics"]["tokens_seen"]
    assert resumed[-1]["metrics"]["val/loss"] == uninterrupted[-1]["metrics"]["val/loss"]


def test_checkpoint_holds_the_adapter_only_and_loads(files, tmp_path):
    keeper = ModelCheckpoint(dirpath=tmp_path / "ckpt", save_last=True)
    dpo = module(files)
    trainer(tmp_path / "run", keeper).fit(dpo, data(files))
    path = tmp_path / "ckpt/last.ckpt"
    saved = torch.load(path, weights_only=True)
    assert set(saved["state_dict"]) == dpo.adapter_keys()
    assert all("lora_" in key for key in saved["state_dict"])
    loaded = DPOModule.load_from_checkpoint(path)
    batch = pack([tiny.chain_tokens(3)])
    with torch.no_grad():
        got, wanted = (tree_log_probabilities(m.policy, batch) for m in (loaded, dpo))
    assert torch.equal(got.chosen, wanted.chosen)


def test_checkpoint_of_another_adapter_or_base_is_refused(files, tmp_path):
    keeper = ModelCheckpoint(dirpath=tmp_path / "ckpt", save_last=True)
    trainer(tmp_path / "run", keeper, max_epochs=1).fit(module(files), data(files))
    path = tmp_path / "ckpt/last.ckpt"
    with pytest.raises(
        InputError, match="does not hold this adapter: weights missing: 0, unknown: 20"
    ):
        DPOModule.load_from_checkpoint(path, lora_target_modules=["q_proj", "v_proj"])
    other = tiny.save_model(tmp_path / "other", "qwen2")
    with pytest.raises(InputError, match="another base model"):
        DPOModule.load_from_checkpoint(path, model=other)
    partial_state = torch.load(path, weights_only=True)
    partial_state["state_dict"].popitem()
    torch.save(partial_state, tmp_path / "partial.ckpt")
    with pytest.raises(InputError, match="weights missing: 1, unknown: 0"):
        DPOModule.load_from_checkpoint(tmp_path / "partial.ckpt")


def test_only_the_adapter_trains_and_the_base_stays_in_eval(files):
    dpo = module(files, lora_dropout=0.1, gradient_checkpointing=True)
    dpo.configure_model()
    policy = dpo.policy
    dpo.configure_model()
    assert dpo.policy is policy
    dpo.train()
    # some processors have a faster subclass of Linear
    training = {
        "Linear" if isinstance(m, torch.nn.Linear) else type(m).__name__
        for m in policy.modules()
        if m.training
    }
    assert training == {"LlamaDecoderLayer", "ModuleDict", "ParameterDict", "Dropout", "Linear"}
    check_base_in_eval(policy)
    assert all("lora_" in name for name in dpo.adapter_keys())
    policy.train()
    with pytest.raises(RuntimeError, match="in train mode"):
        check_base_in_eval(policy)


def test_validation_means_are_exact_over_pairs(files, tmp_path):
    dpo = module(files)
    held_out = {"validation_chains": files["chains"], "token_budget": 1}
    run = trainer(tmp_path / "run", max_epochs=3)
    run.fit(dpo, data(files, **held_out))
    got = run.validate(dpo, data(files, **held_out), verbose=False)[0]
    with torch.no_grad():
        losses = [
            dpo.model_step(batch, dpo.reference_log_probabilities(batch))[1]["loss"]
            for batch in data_batches(files)
        ]
    assert [len(part) for part in losses] != [len(losses[0])] * len(losses)
    assert got["val/loss"] == pytest.approx(torch.cat(losses).mean().item(), rel=1e-5)


def data_batches(files, token_budget=1):
    module = data(files, token_budget=token_budget)
    module.prepare_data()
    module.setup("fit")
    return list(module.train_dataloader())


def test_learning_rate_warms_up_and_decays_to_the_end(files, tmp_path):
    rates = []

    class Rates(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"] / 1e-2)

    options = {"warmup_steps": 2, "schedule": "linear"}
    trainer(tmp_path, Rates(), max_epochs=3).fit(
        module(files, **options), data(files, token_budget=900)
    )
    steps = len(rates)
    wanted = [0.0, 0.5, *(1 - (i - 2) / (steps - 2) for i in range(2, steps))]
    assert rates == pytest.approx(wanted)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "ipo", "length_normalised": True},
        {"loss": "hinge", "nll_weight": 0.1},
        {"loss": "robust", "label_smoothing": 0.1},
    ],
)
def test_other_losses_fall(files, tmp_path, options):
    losses = Losses()
    trainer(tmp_path, losses, max_epochs=5).fit(
        module(files, **options), data(files, token_budget=8000)
    )
    assert losses.values[-1] < losses.values[0]


def test_bad_settings_are_refused_when_made(files):
    with pytest.raises(InputError, match="no label smoothing"):
        module(files, loss="ipo", label_smoothing=0.1)
    with pytest.raises(InputError, match="must be a number above 0"):
        module(files, beta=0.0)
    with pytest.raises(InputError, match="branch_tokens': must be a whole number above 0"):
        module(files, branch_tokens=0)


def test_qlora_on_a_cpu(files, tmp_path):
    pytest.importorskip("bitsandbytes")
    losses = Losses()
    options = {"gradient_checkpointing": True, "keep_reference": False}
    dpo = module(files, quantization="nf4", compute_dtype="float32", **options)
    dpo.configure_model()
    packed = {n: p.clone() for n, p in dpo.named_parameters() if not p.requires_grad}
    assert any(p.dtype == torch.uint8 for p in packed.values())
    assert double_quantised(dpo)
    batch = pack([tiny.chain_tokens(3)])
    first = dpo.reference_log_probabilities(batch)
    trainer(tmp_path / "run", losses, max_epochs=6).fit(dpo, data(files, token_budget=8000))
    assert losses.values[0] == pytest.approx(math.log(2), abs=1e-5)
    assert losses.values[-1] < losses.values[0] - 0.05
    after = dict(dpo.named_parameters())
    assert all(torch.equal(packed[name], after[name]) for name in packed)
    assert torch.equal(dpo.reference_log_probabilities(batch).chosen, first.chosen)


def test_double_quantisation_can_be_left_out(files):
    pytest.importorskip("bitsandbytes")
    dpo = module(files, quantization="nf4", double_quantization=False)
    dpo.configure_model()
    assert not double_quantised(dpo)


def double_quantised(dpo):
    """Whether the 4-bit weights' own constants are quantised: all of them, or none."""
    states = [p.quant_state.nested for p in dpo.parameters() if hasattr(p, "quant_state")]
    assert states
    assert len(set(states)) == 1
    return states[0]


@pytest.mark.parametrize(
    ("options", "memory", "expected"),
    [
        ({}, 1 << 40, None),
        ({}, 1 << 10, dpo_module._BRANCH_TOKENS),
        ({"branch_tokens": 40}, 1 << 40, 40),
    ],
)
def test_branches_are_split_where_the_tree_does_not_fit(
    files, monkeypatch, options, memory, expected
):
    monkeypatch.setattr(dpo_module, "device_memory", lambda device: memory)
    dpo = module(files, **options)
    batch = pack([tiny.chain_tokens(3)])
    assert dpo.micro_batch_tokens(batch) == expected
    dpo.sharded = True
    assert dpo.micro_batch_tokens(batch) is None


def test_branches_are_split_where_the_memory_is_not_known(files, monkeypatch):
    monkeypatch.setattr(dpo_module, "device_memory", lambda device: 1 << 40)

    monkeypatch.setattr(dpo_module, "read_sizes", lambda model, **adapter: None)
    batch = pack([tiny.chain_tokens(3)])
    assert module(files).micro_batch_tokens(batch) == dpo_module._BRANCH_TOKENS


def test_splitting_a_batch_does_not_depend_on_the_batches_before_it(files, monkeypatch):
    batches = [pack([tiny.chain_tokens(pairs)]) for pairs in (2, 5, 3, 6, 4)]
    fits = [batch.tokens for batch in batches][1]
    monkeypatch.setattr(
        dpo_module.DPOModule, "_fits", lambda self, estimate: estimate.tokens <= fits
    )
    alone = [module(files).micro_batch_tokens(batch) for batch in batches]
    assert {None, dpo_module._BRANCH_TOKENS} == {*alone}
    dpo = module(files)
    assert [dpo.micro_batch_tokens(batch) for batch in reversed(batches)] == alone[::-1]


def test_memory_is_estimated_in_training_steps_only(files, monkeypatch):
    probes, estimates = [], []
    probe, fits = dpo_module.optimizer_bytes, dpo_module.DPOModule._fits
    monkeypatch.setattr(
        dpo_module, "optimizer_bytes", lambda *given: probes.append(1) or probe(*given)
    )
    monkeypatch.setattr(
        dpo_module.DPOModule, "_fits", lambda *given: estimates.append(1) or fits(*given)
    )
    dpo, batch = module(files), pack([tiny.chain_tokens(3)])
    dpo.configure_model()
    frozen = dpo.reference_log_probabilities(batch)
    with torch.no_grad():
        dpo.model_step(batch, frozen)
    assert not estimates
    dpo.model_step(batch, frozen)
    dpo.model_step(batch, frozen)
    assert len(estimates) == 2
    assert len(probes) == 1
