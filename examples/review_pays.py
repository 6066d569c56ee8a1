"""Measures what a review brings: a simulated reviewer labels sentences of the everyday corpus.

Usage: review_pays.py FOLDER [SHOTS [SENTENCES [STEPS]]]

Two labelled sentences of each relation are known, and the reader chooses 60 of the others, whose
relations are hidden. The reviewer decides on each of them at the page of `relgen review`: in 8
seconds, by the relation that the corpus has, with an error of 5%. The report of the second run says
what that brought; the last line repeats it.
"""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

SECONDS, ERRORS, REVIEWER = 8.0, 0.05, "simulated"
EXPERIMENT = """\
corpus: everyday
shots: {shots}
seeds: [1]
arms: [{arms}]
unlabelled: sentences.jsonl
generator: {{model: smollm2-135m-instruct}}
label: {{pool: {pool}, most: {most}}}
classifiers: [classifier/entity_marker]
classifier_steps: {steps}
"""
ARMS = ("human", "unlabelled_mix")


def main(out: Path, shots: int = 2, most: int = 60, steps: int = 240) -> None:
    """Run an experiment, review the sentences that it read, and run it with the review."""
    relgen(out.parent, "data", "everyday", "--out", str(out.resolve()))
    samples = [json.loads(line) for line in (out / "train.jsonl").open(encoding="utf-8")]
    with (out / "sentences.jsonl").open("w", encoding="utf-8") as stream:
        for sample in samples:
            stream.write(json.dumps({**sample, "relation": None}) + "\n")
    settings = {"shots": shots, "pool": 2 * most, "most": most, "steps": steps}
    before = EXPERIMENT.format(arms=", ".join(ARMS), **settings)
    (out / "experiment.yaml").write_text(before)
    relgen(out, "run", "experiment.yaml", "--out", "run")
    (labelled,) = out.glob("run/stages/seed1/label-*/labelled.jsonl")
    review(out, labelled.relative_to(out), {one["text"]: one["relation"] for one in samples})
    after = EXPERIMENT.format(arms=", ".join([*ARMS, "unlabelled_mix_reviewed"]), **settings)
    (out / "experiment.yaml").write_text(after + "reviewed: reviewed.jsonl\n")
    relgen(out, "run", "experiment.yaml", "--out", "run")
    results = json.loads((out / "run" / "results.json").read_text())
    scores = {arm["arm"]: f"{100 * arm['micro_f1']:.1f}" for arm in results["arms"]}
    minutes, number = results["reviewed"]["minutes"], results["reviewed"]["sentences"]
    print(f"micro-F1 {scores} after {number} sentences, {minutes} minutes")


def relgen(folder: Path, *words: str) -> None:
    """Run a relgen command in a folder."""
    subprocess.run(["relgen", *words], cwd=folder, check=True)


def review(folder: Path, labelled: Path, gold: dict[str, str]) -> None:
    """Decide on every sentence at the page, then stop it as Ctrl-C does."""
    line = ["relgen", "review", str(labelled), "--out", "reviewed.jsonl"]
    line += ["--schema", "everyday", "--port", "0"]
    rng, relations = random.Random(1), sorted(set(gold.values()))
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
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
