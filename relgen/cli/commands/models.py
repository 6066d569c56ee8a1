"""`relgen models`: lists the models that were converted from GGUF files, and removes them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from relgen.common import InputError, counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """List the models that were converted from GGUF files, or remove one.

    They stand in $RELGEN_CACHE (by default relgen in the user's cache). A model that was removed is
    converted again when it is needed.
    """

    remove: str | None = None
    """Name of a model to remove, as listed."""


def run(options: Options) -> None:
    """Print name, size and origin of each model, or remove one."""
    from relgen.models import cache_folder, cached_models

    found = {model.folder.name: model for model in cached_models()}
    if options.remove is None:
        sizes = {name: model.size / 1e9 for name, model in found.items()}
        width = max(map(len, found), default=0)
        for name, model in found.items():
            print(f"{name:{width}}  {sizes[name]:6.2f} GB  {model.file}")
        models = counted(len(found), "model")
        print(f"{models}, {sum(sizes.values()):.2f} GB -> {cache_folder()}")
        return
    if options.remove not in found:
        raise InputError(
            f"no such model in {cache_folder()}",
            field="--remove",
            value=options.remove,
            remedy=f"one of {', '.join(found)}" if found else "the cache is empty",
        )
    model = found[options.remove]
    size = model.size / 1e9
    shutil.rmtree(model.folder)
    print(f"removed {options.remove}, {size:.2f} GB")
