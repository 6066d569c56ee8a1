#!/usr/bin/env bash
# From a trained folder to a service, in three commands. Usage: serve.sh FOLDER
set -euo pipefail
# 1. serve it (`&` for this script; a service manager or the Dockerfile does it in earnest)
relgen serve "$1" --port "${PORT:=8000}" &
trap 'kill -TERM $!; wait $!' EXIT
until curl --silent --fail --output /dev/null "http://127.0.0.1:$PORT/health"; do sleep 0.2; done
# 2. ask it: one sentence, or several
curl --silent --fail "http://127.0.0.1:$PORT/predict" --data \
  '{"text": "Ann founded Acme in 1990.", "head": "Acme", "tail": "Ann"}'
# 3. watch it
curl --silent --fail "http://127.0.0.1:$PORT/metrics" | grep '^relgen_predictions_total'
