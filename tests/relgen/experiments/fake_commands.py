"""Commands that write what the real ones would, in no time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from relgen.experiments.config import Experiment
from relgen.experiments.planner import plan
from relgen.experiments.runner import Execute, RunOptions, run_experiment
from relgen.experiments.stages import Plan


class FakeCommands:
    """Executes command lines by writing what the real commands would, deterministically."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.fail_at: int | None = None

    def __call__(self, command: Sequence[str]) -> None:
        if self.fail_at == len(self.ran):
            self.fail_at = None
            raise KeyboardInterrupt
        self.ran.append(" ".join(command[:2]))
        if command[0] == "report":
            return
        target = Path(command[command.index("--out") + 1])
        ends = {"head": {"start": 0, "end": 3}, "tail": {"start": 8, "end": 11}}
        sample = {"text": "Ann met Bob at the sea.", **ends, "relation": "a"}
        line = json.dumps({"command": command[0], "read": self.content(command), **sample}) + "\n"
        folder = target.parent if target.suffix else target
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("train.jsonl", "chains.jsonl", "generated.jsonl", "labelled.jsonl"):
            (folder / name).write_text(line, encoding="utf-8")
        said = [{"id": f"test.jsonl-{i}", "relation": "a"} for i in range(2)]
        text = "".join(json.dumps({**row, "scores": {"a": 1, "b": 0}}) + "\n" for row in said)
        (folder / "predictions.jsonl").write_text(text, encoding="utf-8")
        for name in ("adapter/x", "checkpoints/last.ckpt", "model/model.safetensors"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(line, encoding="utf-8")
        trained = {"human": {"samples": 2}, "reviewed": {"samples": 1}}
        self.json(folder / "model" / "config.json", {"data": {"files": trained}})
        scores = dict.fromkeys(("micro_f1", "macro_f1", "precision", "recall"), 0.5)
        self.json(folder / "scores.json", {**scores, "official_f1": None})
        names = ("cosine", "cosine_masked", "distinct_2", "self_bleu", "vendi", "word_repetition")
        self.json(folder / "diversity.json", {"overall": dict.fromkeys(names, 0.1)})
        generated = {"accepted": 1, "rejected": {"no_head": 2}, "seconds": 1.0, "tokens": 9}
        generated |= {
            "model": "smollm2-135m-instruct",
            "relations": {},
            "token_budget": None,
            "limits": {},
        }
        self.json(folder / "generation.json", generated)
        summary = {"samples": 2, "agreed": 1, "train_micro_f1": 0.5, "hash": "x", "relations": {}}
        summary |= {"uncertain": 0, "left_out": {"not_drawn": 3}, "read_as": {}}
        self.json(folder / "labelled.json", summary)

    def content(self, command: Sequence[str]) -> object:
        """Return what the output of a command depends on."""
        inputs = sorted(w for w in command if w.endswith(".jsonl") and Path(w).is_file())
        return len("".join(Path(word).read_text(encoding="utf-8") for word in inputs))

    @staticmethod
    def json(path: Path, value: Any) -> None:
        path.write_text(json.dumps(value), encoding="utf-8")


def run_options(**options: Any) -> RunOptions:
    return RunOptions(experiment="", out="", **options)


def do(execute: Execute, experiment: Experiment, out: Path, **options: Any) -> Plan:
    made = plan(experiment, out)
    run_experiment(experiment, made, out, run_options(**options), execute=execute)
    return made
