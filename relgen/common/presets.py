"""Finds presets and schemas by path, or by the name of one that relgen ships."""

from __future__ import annotations

from pathlib import Path

from relgen.common.errors import InputError
from relgen.common.files import beside
from relgen.common.wording import suggestion

_PACKAGE = Path(__file__).resolve().parents[1]
_SCHEMAS = _PACKAGE / "data" / "schemas"


def config_root() -> Path:
    """Return the folder of presets: inside the wheel, or beside the package in a clone."""
    inside = _PACKAGE / "configs"
    return inside if inside.is_dir() else _PACKAGE.parent / "configs"


def find_config(name: str | Path, folder: str = "") -> Path:
    """Resolve a path, or a preset such as `dpo/smollm2`, `experiments/everyday` or `everyday`.

    Args:
        name: what the user typed. `configs/…` resolves to a preset too when no such file exists.
        folder: the folder of presets to look in as well (`experiments` finds `everyday`).

    Raises:
        InputError: neither a file nor a preset; the message lists the available presets.
    """
    path = Path(name)
    if path.is_file():
        return path
    parts = path.parts[1:] if path.parts[:1] == ("configs",) else path.parts
    stem = Path(*parts) if parts else path
    for base in (config_root(), config_root() / folder):
        for candidate in (base / stem, base / f"{stem}.yaml"):
            if candidate.is_file():
                return candidate
    known = list_configs(folder)
    short = [preset.removeprefix(f"{folder}/") for preset in known]
    listed = f"presets: {', '.join(known) or 'none'}"
    remedy = suggestion(str(path), [*short, *known, *beside(path)], listed)
    raise InputError("no such file or preset", path=path, remedy=remedy)


def list_configs(folder: str = "") -> list[str]:
    """Return the names of the shipped presets below `folder`."""
    root = config_root()
    return sorted(
        p.relative_to(root).with_suffix("").as_posix() for p in (root / folder).rglob("*.yaml")
    )


def find_schema(name: str | Path) -> Path:
    """Resolve a schema's path, or the name of one that relgen ships (`semeval`, `tacred`)."""
    path = Path(name)
    if path.is_file():
        return path
    candidate = _SCHEMAS / f"{path.name.removesuffix('.yaml')}.yaml"
    if candidate.is_file():
        return candidate
    shipped = sorted(schema.stem for schema in _SCHEMAS.glob("*.yaml"))
    listed = f"shipped schemas: {', '.join(shipped)}"
    remedy = suggestion(str(path), [*shipped, *beside(path)], listed)
    raise InputError("no such file or schema", path=path, remedy=remedy)
