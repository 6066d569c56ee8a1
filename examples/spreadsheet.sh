#!/usr/bin/env bash
# From a spreadsheet with several pairs in most sentences to a report, in three commands.
# Usage: spreadsheet.sh fieldnotes.csv FOLDER
set -euo pipefail
sheet=$(realpath "$1")
mkdir -p "$2" && cd "$2"
cat > schema.yaml <<'YAML'
name: fieldnotes
negative: none
relations:
  eats: {explanation: "The head, an animal or a plant, feeds on the tail."}
  lives_in: {explanation: "The head, an animal or a plant, lives in the tail, a place."}
  pollinates: {explanation: "The head, an insect, carries the pollen of the tail, a plant."}
  none: {explanation: "None of the other relations holds between head and tail."}
YAML
cat > experiment.yaml <<'YAML'
corpus: {train: split/pool.jsonl, test: split/test.jsonl, schema: schema.yaml}
shots: 4
arms: [human, obo_mix]
generator: {model: smollm2-135m-instruct, samples: 2}
classifier_steps: 40
YAML
# 1. a row is a pair of a sentence; of mentions that a sentence has twice, the first are meant
relgen data convert --format csv "$sheet" --ambiguous first --schema schema.yaml --out samples.jsonl \
  --columns text=Sentence,head=First,tail=Second,relation=Relation,group=Notebook
# 2. whole sentences are held out for testing
relgen data split samples.jsonl --schema schema.yaml --shots 4 --test 0.3 --out split
# 3. train on the shots alone, and with sentences that a language model wrote
relgen run experiment.yaml --out run
