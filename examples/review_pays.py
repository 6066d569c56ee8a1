"""Measures what a review brings: a simulated reviewer labels sentences of the everyday corpus.

Usage: review_pays.py FOLDER [--shots 2] [--sentences 60] [--steps 240] [--splits 1]

Some labelled sentences of each relation are known, and the reader chooses 60 of the others, whose
relations are hidden. The reviewer decides on each of them at the page of `relgen review`: in 8
seconds, by the relation that the corpus has, with an error of 5%. The report of the second run says
what that brought. Each split draws other shots; the last lines are means over splits, and the 95%
interval of the difference (Student's, from two splits on).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import statistics
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from relgen.evaluation import paired_interval

SECONDS, ERRORS, REVIEWER = 8.0, 0.05, "simulated"
EXPERIMENT = """\
corpus: everyday
shots: {shots}
seeds: [{seed}]
arms: [{arms}]
unlabelled: sentences.jsonl
generator: {{model: smollm2-135m-instruct}}
label: {{pool: {pool}, most: {most}}}
classifiers: [classifier/entity_marker]
classifier_steps: {steps}
"""
ARMS = ("human", "unlabelled_mix")
REVIEWED = "unlabelled_mix_reviewed"


def main() -> None:
    """Measure each split, and print the means."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    for name, default in {"shots": 2, "sentences": 60, "steps": 240, "splits": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    found = []
    for seed in range(1, options.splits + 1):
        folder = options.folder / f"split{seed}"
        found.append(measure(folder, seed, options.shots, options.sentences, options.steps))
        print(f"split {seed}: {shown(found[-1])}", flush=True)
    print("mean:", shown({arm: statistics.mean(of[arm] for of in found) for arm in found[0]}))
    gains = [scores[REVIEWED] - scores[ARMS[1]] for scores in found]
    interval = paired_interval(gains)
    ends = f" ({interval.low:+.1f} to {interval.high:+.1f})" if interval else ""
    print(f"the review brought {statistics.mean(gains):+.1f}{ends} points of micro-F1")


def shown(scores: dict[str, float]) -> str:
    """Return scores in words."""
    return ", ".join(f"{arm} {score:.1f}" for arm, score in scores.items())


def measure(out: Path, seed: int, shots: int, most: int, steps: int) -> dict[str, float]:
    """Run an experiment, review what it read, run it with the review; return micro-F1 in %."""
    out.mkdir(parents=True, exist_ok=True)
    relgen(out, "data", "everyday", "--out", "everyday")
    lines = (out / "everyday" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    samples = [json.loads(line) for line in lines]
    with (out / "sentences.jsonl").open("w", encoding="utf-8") as stream:
        for sample in samples:
            stream.write(json.dumps({**sample, "relation": None}) + "\n")
    settings = {"seed": seed, "shots": shots, "pool": 2 * most, "most": most, "steps": steps}
    before = EXPERIMENT.format(arms=", ".join(ARMS), **settings)
    (out / "experiment.yaml").write_text(before)
    relgen(out, "run", "experiment.yaml", "--out", "run")
    labelled = out / f"run/current/seed{seed}/label-unlabelled/labelled.jsonl"
    gold = {one["text"]: one["relation"] for one in samples}
    review(out, labelled.relative_to(out), gold, random.Random(seed))
    after = EXPERIMENT.format(arms=", ".join([*ARMS, REVIEWED]), **settings)
    (out / "experiment.yaml").write_text(after + "reviewed: reviewed.jsonl\n")
    relgen(out, "run", "experiment.yaml", "--out", "run")
    results = json.loads((out / "run" / "results.json").read_text())
    return {arm["arm"]: 100 * arm["micro_f1"] for arm in results["arms"]}


def relgen(folder: Path, *words: str) -> None:
    """Run a relgen command in a folder."""
    subprocess.run(["relgen", *words], cwd=folder, check=True)


def review(folder: Path, labelled: Path, gold: dict[str, str], rng: random.Random) -> None:
    """Decide on every sentence at the page, then stop it as Ctrl-C does."""
    line = ["relgen", "review", str(labelled), "--out", "reviewed.jsonl"]
    line += ["--schema", "everyday", "--port", "0"]
    relations = sorted(set(gold.values()))
    with subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None
        (place,) = re.findall(r"http://\S+:\d+", page.stdout.readline())
        state = answer(f"{place}/state?reviewer={REVIEWER}")
        while sample := state["sample"]:
            relation = gold[sample["text"]]
            if rng.random() < ERRORS:
                relation = rng.choice([other for other in relations if other != relation])
            entities = {role: sample[role] for role in ("head", "tail")}
            decision = {"id": sample["id"], "relation": relation, "accepted": True, **entities}
            decision |= {"reviewer": REVIEWER, "seconds": SECONDS}
            state = answer(f"{place}/decide", decision)
        page.send_signal(signal.SIGINT)
        print(page.stdout.read())
    if page.returncode:
        raise SystemExit("relgen review failed")


def answer(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the page's answer to a request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as found:
        return dict(json.load(found))


if __name__ == "__main__":
    main()
