"""Processes shards on a Ray cluster, with Ray Data (extra `ray`)."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from relgen.common.errors import InputError

ShardTask = Callable[[Any], dict[str, Any]]
_ATTEMPTS = 10


class _Worker:
    """An actor: it loads the model for its first shard, and keeps it."""

    def __init__(self, work: ShardTask, shards: Sequence[Any], folder: str) -> None:
        os.chdir(folder)  # where relative paths lead to the same files
        self.work, self.shards = work, shards

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"summary": [json.dumps(self.work(self.shards[int(n)])) for n in batch["item"]]}


def map_on_ray(
    work: ShardTask, shards: Sequence[Any], workers: int | None
) -> Iterator[dict[str, Any]]:
    """Yield the results of shards as they come, in any order.

    A shard whose worker or machine dies is done again by another one; one that kills its worker
    each time, such as by a lack of memory, ends the run. Raises InputError then, and if Ray is not
    installed.
    """
    try:
        import ray
    except ImportError as error:
        remedy = "pip install 'relgen-re[ray]'"
        raise InputError("Ray is not installed", field="--engine", remedy=remedy) from error
    started = not ray.is_initialized()
    if started:
        ray.init(logging_level=logging.WARNING, log_to_driver=False, configure_logging=False)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        has = ray.cluster_resources()
        gpus = int(has.get("GPU", 0))
        most = max(1, gpus or int(has.get("CPU", 1)))
        results = ray.data.from_items(
            list(range(len(shards))), override_num_blocks=len(shards)
        ).map_batches(
            _Worker,
            batch_size=1,  # a shard is a task
            compute=ray.data.ActorPoolStrategy(size=min(workers or most, len(shards))),
            fn_constructor_args=(work, list(shards), os.getcwd()),
            num_gpus=1 if gpus else 0,
            num_cpus=1,
            max_restarts=-1,
            max_task_retries=_ATTEMPTS,
        )
        for row in results.iter_rows():
            yield json.loads(row["summary"])
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:300]
        remedy = "run the same command again to continue; Ray's logs are in /tmp/ray/session_latest"
        raise InputError(f"the cluster gave up: {reason}", remedy=remedy) from error
    finally:
        if started:
            ray.shutdown()
