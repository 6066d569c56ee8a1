"""A run's folder as an experiment would leave it, with invented figures; for tests and for looks.

python -m tests.relgen.reporting.fake_run FOLDER
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from relgen.common.files import write_json, write_jsonl
from relgen.data.samples import Sample, write_samples
from relgen.data.tagged_text import parse
from relgen.experiments.results import ArmFiles, ReportData

_UNDIRECTED = (
    *("Cause-Effect", "Component-Whole", "Content-Container", "Entity-Destination"),
    *("Entity-Origin", "Instrument-Agency", "Member-Collection", "Message-Topic"),
    "Product-Producer",
)
LABELS = (*(f"{name}({order})" for name in _UNDIRECTED for order in ("e1,e2", "e2,e1")), "Other")
SENTENCES = (
    "The <head>{0}</head> of the old building led, after many weeks, to a costly <tail>{1}</tail>.",
    "A <tail>{1}</tail> was reported soon after the <head>{0}</head>.",
    "Nobody expected that the <head>{0}</head> would bring a <tail>{1}</tail> with it.",
    "Is <head>{0}</head> & <tail>{1}</tail> <script>alert('x')</script> safe?",
)
HUMAN_SENTENCES = (
    "After the <head>{0}</head>, the council faced a costly <tail>{1}</tail> for years.",
    "What the villagers called a <tail>{1}</tail> began with a <head>{0}</head>.",
    "No <head>{0}</head>, no <tail>{1}</tail>.",
)
WORDS = (
    "storm",
    "flood",
    "engine",
    "valve",
    "letter",
    "treaty",
    "orchard",
    "cider",
    "pack",
    "wolf",
)
ARMS = ("human", "obo_dpo_pure", "obo_dpo_mix", "aao_mix")
MICRO = {"human": 0.581, "obo_dpo_pure": 0.402, "obo_dpo_mix": 0.623, "aao_mix": 0.609}
SETTINGS = """\
corpus: semeval
shots: 8
seeds: [1, 2, 3]
arms: [human, obo_dpo_pure, obo_dpo_mix, aao_mix]
generator: {model: smollm2-135m-instruct, samples: 16}
dpo: dpo/smollm2
classifiers: [classifier/entity_marker]
"""


def make_run(
    folder: Path,
    *,
    arms: Sequence[str] = ARMS,
    seeds: Sequence[int] = (1, 2, 3),
    micro: dict[str, float] | None = None,
    labels: Sequence[str] = LABELS,
    corpus: str = "semeval",
    official: bool = True,
    files: bool = True,
    show_human: bool = True,
) -> Path:
    """Writes a run.

    Args:
        folder: where to.
        arms: the arms of the run.
        seeds: each arm has one entry a seed; each further seed adds half a point.
        micro: micro-F1 of each arm's first seed.
        labels: of the schema; the last is negative.
        corpus: name of the corpus.
        official: whether there is an official F1.
        files: whether `report_data.json` and what it names are written.
        show_human: `show_human_sentences`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, named = [], []
    for arm in arms:
        for place, seed in enumerate(seeds):
            score = (micro or MICRO)[arm] + 0.005 * place
            rows.append(_row(arm, seed, score, official))
            if files:
                named.append(_files(folder, arm, seed, score, labels))
    results = {"experiment": "semeval-8", "corpus": corpus, "shots": 8, "arms": rows, "summary": []}
    if files:
        results["tested"] = dict.fromkeys(labels, 143)
    write_json(folder / "results.json", results)
    if files:
        write_json(folder / "report_data.json", _data(named, labels, show_human))
    return folder


def _row(arm: str, seed: int, score: float, official: bool) -> dict[str, Any]:
    generated = arm != "human"
    return {
        "arm": arm,
        "seed": seed,
        "classifier": "entity_marker",
        "train_samples": {"human": 152, "obo_dpo_pure": 304}.get(arm, 456),
        "micro_f1": score,
        "macro_f1": score - 0.04,
        "official_f1": score + 0.02 if official else None,
        "precision": score + 0.01,
        "recall": score - 0.01,
        "diversity": {"cosine": 0.2, "cosine_masked": 0.3, "distinct_2": 0.9, "self_bleu": 0.1},
        "generation": {
            "accepted": 300,
            "rejected": {"duplicate": 61, "no_head": 14, "copy_of_demonstration": 9},
            "seconds": 412.5,
            "tokens": 18250,
        }
        if generated
        else None,
    }


def _files(folder: Path, arm: str, seed: int, score: float, labels: Sequence[str]) -> ArmFiles:
    generation = "human" if arm == "human" else arm.rpartition("_")[0]
    draws = random.Random(f"{arm}/{seed}")
    own, shared = f"stages/seed{seed}/test-{arm}", f"stages/seed{seed}/{generation}"
    per_relation = {
        label: {
            "precision": score,
            "recall": score,
            "f1": min(0.98, max(0.0, score + draws.uniform(-0.3, 0.25))),
        }
        for label in labels
    }
    write_json(
        folder / own / "scores.json",
        {
            "micro_f1": score,
            "per_relation": per_relation,
            "confusion": [[2000, 17], [0, 20]],
            "labels": [labels[0], labels[-1]],
            "confidence": {
                "samples": 2057,
                "error": 0.1 + score / 10,
                "reliability": [[0.35, 0.2, 57], [0.9, score, 2000]],
                "risk_coverage": [[0.5, 0.25], [1.0, 1 - score]],
            },
        },
    )
    mistake = {
        "gold": labels[-1],
        "predicted": labels[0],
        "probability": 0.987,
        "text": "A <b>storm</b>, no flood.",
        "head": {"start": 5, "end": 10, "type": None},
        "tail": {"start": 19, "end": 24, "type": None},
    }
    write_jsonl(folder / own / "mistakes.jsonl", [{"id": "m1", **mistake}, {"id": "m2"}])
    _history(folder / own / "history.jsonl", 60, {"train/loss": 3.0})
    write_json(folder / shared / "diversity.json", _diversity(generation, seed, labels))
    files: ArmFiles = {
        "arm": arm,
        "seed": seed,
        "classifier": "entity_marker",
        "scores": [f"{own}/scores.json"],
        "classifier_history": [f"{own}/history.jsonl"],
        "diversity": f"{shared}/diversity.json",
        "human": f"stages/seed{seed}/human/train.jsonl",
    }
    _samples(folder / f"stages/seed{seed}/human/train.jsonl", "human", labels)
    if generation != "human":
        files["generated"] = [f"{shared}/generated.jsonl"]
        _samples(folder / shared / "generated.jsonl", generation, labels)
    if "dpo" in generation:
        files["dpo_history"] = {}
        for half in ("a", "b"):
            path = f"stages/seed{seed}/dpo-{half}/history.jsonl"
            files["dpo_history"][half] = path
            starts = {"train/loss": math.log(2), "rewards/margins": 0.0, "rewards/accuracies": 0.5}
            _history(folder / path, 300, starts)
    return files


def _samples(path: Path, name: str, labels: Sequence[str]) -> None:
    samples = []
    for number, label in enumerate(labels):
        for step, pattern in enumerate(HUMAN_SENTENCES if name == "human" else SENTENCES):
            words = [WORDS[(number + step + shift) % len(WORDS)] for shift in (0, 1)]
            escaped = pattern.replace("<script>", "&lt;script&gt;")
            parsed = parse(escaped.replace("</script>", "&lt;/script&gt;").format(*words))
            identity = f"{name}-{number}-{step}"
            source = "human" if name == "human" else "generated"
            samples.append(
                Sample(identity, parsed.text, parsed.head, parsed.tail, label, source=source)
            )
    write_samples(path, samples)


def _history(path: Path, steps: int, starts: dict[str, float]) -> None:
    draws = random.Random(str(path.name) + path.parent.name + path.parent.parent.name)
    rows = []
    for step in range(1, steps + 1):
        done = 1 - math.exp(-3 * step / steps)
        metrics = {
            name: start * (1 - 0.8 * done) + draws.gauss(0, 0.03)
            if "loss" in name
            else start + (0.45 if "acc" in name else 4) * done + draws.gauss(0, 0.04)
            for name, start in starts.items()
        }
        rows.append({"step": step, "epoch": step // 50, "metrics": metrics})
    write_jsonl(path, rows)


def _diversity(generation: str, seed: int, labels: Sequence[str]) -> dict[str, Any]:
    draws = random.Random(f"{generation}/{seed}")
    base = {"human": 0.11, "obo_dpo": 0.24, "aao": 0.41}.get(generation, 0.3)
    per_relation: dict[str, dict[str, float | None]] = {}
    for label in labels:
        cosine = base + draws.uniform(-0.06, 0.1)
        per_relation[label] = {
            "cosine": None if label == "Entity-Destination(e2,e1)" else cosine,
            "cosine_masked": cosine + 0.08,
            "distinct_1": 0.7 - base / 2,
            "distinct_2": 0.98 - base / 2,
            "distinct_3": 0.99 - base / 3,
            "self_bleu": base / 2,
            "vendi": 8 - 5 * base,
            "word_repetition": base,
            "phrasings": 1 - base,
        }
    overall = {**next(iter(per_relation.values())), "cosine": base}
    return {
        "overall": overall,
        "per_relation": per_relation,
        "size": 8,
        "encoder": "all-minilm-l6-v2",
    }


def _data(arms: list[ArmFiles], labels: Sequence[str], show_human: bool) -> ReportData:
    commands = {
        "corpus-train": "relgen data convert --format semeval TRAIN_FILE.TXT --out train.jsonl",
        "seed1/split": "relgen data split train.jsonl --schema semeval --shots 8 --seed 1 --out s",
        "seed1/dpo-a": "relgen dpo fit -c dpo/smollm2 --model.model smollm2-135m-instruct "
        "--data.chains stages/seed1/chains-a/chains.jsonl --data.schema semeval --out dpo-a",
    }
    stages: Any = [
        {"name": name, "command": command, "seconds": 7.25 * 20**n}
        for n, (name, command) in enumerate(commands.items())
    ]
    return {
        "settings": SETTINGS,
        "versions": {"python": "3.11.9", "relgen": "0.1.0", "torch": "2.13.0", "peft": "0.21.2"},
        "device": "CPU, 2 cores",
        "stages": stages,
        "arms": arms,
        "labels": list(labels),
        "negative": labels[-1],
        "show_human_sentences": show_human,
    }


if __name__ == "__main__":
    from relgen.reporting.report import write_report

    print(*write_report(make_run(Path(sys.argv[1]))), sep="\n")
