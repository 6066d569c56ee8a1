#!/usr/bin/env bash
# From an export of an annotation tool to shots and a test set, in two commands.
# Usage: annotations.sh exports/doccano.jsonl doccano FOLDER
set -euo pipefail
# 1. each relation becomes a sample; the other pairs of a sentence are samples without one
relgen data convert "$1" --format "$2" --negative no_relation --out "$3/samples.jsonl"
# 2. whole sentences are held out for testing; K pairs of each relation are drawn from the others
relgen data split "$3/samples.jsonl" --shots 2 --test 0.25 --out "$3/split"
