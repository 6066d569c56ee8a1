"""Print the estimated and the measured activations of one DPO step, in bytes.

    python -m tests.lightning_modules.step_memory PAIRS SETTINGS

SETTINGS are arguments of `DPOModule` as JSON. The measure is the growth of the process's resident
set, for an allocator that returns what is freed at once (see the test).
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import torch

from lightning_modules.dpo import DPOModule
from relgen.dpo.prefix_tree import TreeBatch, pack
from relgen.dpo.tokenize import ChainTokens


def batch_of(pairs: int) -> TreeBatch:
    """Return a chain with segments of the lengths that prompts of SemEval have."""
    rng = random.Random(0)

    def ids(length: int) -> list[int]:
        return [rng.randrange(1000, 2000) for _ in range(length)]

    def samples() -> list[list[int]]:
        return [ids(38) for _ in range(pairs)]

    return pack([ChainTokens("c", ids(120), samples(), ids(10), samples(), samples(), [0] * pairs)])


def resident(name: str) -> int:
    """Return VmRSS, the resident bytes, or VmHWM, the most there have been."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


def main(pairs: int, settings: str) -> None:
    module = DPOModule(keep_reference=False, **json.loads(settings))
    batch = batch_of(pairs)
    estimate = module.estimate_memory(batch)
    module.configure_model()
    module.train()
    # the first step makes what stays, and the gradients that the next one finds
    small = batch_of(1)
    module.model_step(small, module.reference_log_probabilities(small))[0].backward()
    gradients = sum(weight.grad.nbytes for weight in module.parameters() if weight.grad is not None)
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before = resident("VmRSS")
    loss, _ = module.model_step(batch, module.reference_log_probabilities(batch))
    module.zero_grad()
    loss.backward()
    print(json.dumps([estimate.activations, resident("VmHWM") - before + gradients]))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), sys.argv[2])
