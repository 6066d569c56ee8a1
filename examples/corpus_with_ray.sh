#!/usr/bin/env bash
# Predict the relations of a corpus on the machines of a Ray cluster, from Parquet to Parquet:
#
#     bash corpus_with_ray.sh CLASSIFIER SENTENCES.jsonl FOLDER [SENTENCES_IN_A_SHARD]
#
# It writes FOLDER/in, the shards, and FOLDER/out, their predictions. Run it again, and it goes on
# with the shards that are not finished. Without RAY_ADDRESS, Ray starts on this machine. On several
# machines, which must see the same folders:
#
#     ray start --head                        # on the first, which prints its address
#     ray start --address=FIRST:6379          # on each of the others
#     export RAY_ADDRESS=FIRST:6379
set -euo pipefail
classifier=$1 sentences=$2 folder=$3 size=${4:-50000}

python - "$sentences" "$folder/in" "$size" <<'END'
import sys
from itertools import count
from pathlib import Path

from pyarrow import Table, json, parquet

sentences, folder, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
table: Table = json.read_json(sentences)
for number, start in zip(count(), range(0, len(table), size)):
    shard = folder / f"part-{number:05}.parquet"
    if not shard.exists():
        parquet.write_table(table.slice(start, size), shard)
END

relgen predict "$classifier" "$folder/in" --engine ray --out "$folder/out"

# what reads Parquet reads the folder: pyarrow, DuckDB, Spark, Ray
python - "$folder/out" <<'END'
import sys

from pyarrow import dataset

relations = dataset.dataset(sys.argv[1]).to_table(columns=["relation"])
for row in relations.group_by("relation").aggregate([([], "count_all")]).to_pylist():
    print(row["relation"], row["count_all"], sep="\t")
END
