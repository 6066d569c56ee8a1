"""The packed loss against TRL's DPOTrainer, through its public interface only."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from datasets import Dataset

from relgen.dpo.logps import tree_log_probabilities
from relgen.dpo.losses import log_ratio_difference, sigmoid_loss
from relgen.dpo.prefix_tree import pack
from relgen.dpo.tokenize import tokenise_chain
from relgen.kernels import ATTENTION
from relgen.models.causal_lm import load_language_model
from relgen.prompting.prompts import PromptWriter, prompt_format
from tests import tiny

pytestmark = pytest.mark.bench


def test_packed_loss_equals_trl(tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    # single bytes: TRL tokenises prompt and completion as one text, and merges would cross segments
    tokenizer = tiny.tokenizer(258)
    writer = PromptWriter(prompt_format(tokenizer))
    chain, relation = tiny.chain(5), tiny.SCHEMA["cause"]
    tiny.language_model().save_pretrained(tmp_path)
    policy, frozen = (load_language_model(str(tmp_path), attention=ATTENTION) for _ in range(2))
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(11)
        for parameter in policy.parameters():
            parameter += 0.02 * torch.randn_like(parameter)

    rows = []
    for step, pair in enumerate(chain.pairs):
        prompt = writer.prompt(relation, chain.demonstrations(step))
        answers = {"chosen": pair.chosen, "rejected": pair.rejected}
        texts = {name: writer.completion(s) + prompt.terminator for name, s in answers.items()}
        rows.append({"prompt": prompt.text, **texts})
    arguments = trl.DPOConfig(
        output_dir=str(tmp_path / "trl"),
        beta=0.1,
        loss_type="sigmoid",
        max_length=None,
        per_device_eval_batch_size=len(rows),
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to="none",
    )
    data = Dataset.from_list(rows)
    theirs = trl.DPOTrainer(
        model=policy,
        ref_model=frozen,
        args=arguments,
        train_dataset=data,
        eval_dataset=data,
        processing_class=tokenizer,
    ).evaluate()

    batch = pack([tokenise_chain(chain, relation, writer, tokenizer, max_length=10_000)])
    with torch.no_grad():
        ours, base = (tree_log_probabilities(model.eval(), batch) for model in (policy, frozen))
    loss = sigmoid_loss(log_ratio_difference(*ours, *base), beta=0.1).mean().item()
    assert theirs["eval_loss"] == pytest.approx(loss, rel=1e-5)
    assert theirs["eval_logps/chosen"] == pytest.approx(ours.chosen.mean().item(), rel=1e-5)
    assert theirs["eval_logps/rejected"] == pytest.approx(ours.rejected.mean().item(), rel=1e-5)
    margin = 0.1 * ((ours.chosen - base.chosen) - (ours.rejected - base.rejected)).mean().item()
    # a small difference of four large sums, each of them known to a spacing of float32
    spacing = torch.finfo(torch.float32).eps * 512  # of numbers from 256 to 512
    assert 256 < base.chosen.abs().max() < 512
    assert theirs["eval_rewards/margins"] == pytest.approx(margin, rel=1e-4, abs=0.1 * 4 * spacing)
