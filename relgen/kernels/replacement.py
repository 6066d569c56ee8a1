"""Replaces modules by others with the same weights, names and settings."""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import nn


def replace_modules(model: nn.Module, replacement: Callable[[nn.Module], nn.Module | None]) -> None:
    """Replace the modules below a model in their parents.

    Args:
        model: changed in place; never replaced itself.
        replacement: returns a module's replacement, or None to keep it.
    """
    # children are not listed beforehand, so that each is freed when it is replaced
    for parent in [module for module in model.modules() if next(module.children(), None)]:
        for name in list(parent._modules):
            child = parent._modules[name]
            new = None if child is None else replacement(child)
            if new is not None:
                setattr(parent, name, new)


def as_kind(module: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """Return a module of another kind with a module's weights, children, hooks and settings.

    Args:
        module: remains an instance of its class, for `isinstance`.
        kind: a subclass of the module's class, or a mixin whose `forward` may call `super()`'s.
    """
    own = kind if issubclass(kind, type(module)) else _joined(kind, type(module))  # type: ignore[arg-type]
    made: nn.Module = own.__new__(own)
    made.__dict__.update(module.__dict__)
    return made


@functools.cache
def _joined(kind: type[nn.Module], base: type[nn.Module]) -> type[nn.Module]:
    return type(f"{kind.__name__}{base.__name__}", (kind, base), {})
