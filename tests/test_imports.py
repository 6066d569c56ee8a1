"""The rooms' rules: who may import whom, and through which door."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# a room imports only rooms that stand before it
ROOMS = (
    "common",
    "data",
    "prompting",
    "kernels",
    "models",
    "dpo",
    "generation",
    "evaluation",
    "labelling",
    "classifiers",
    "prediction",
    "deployment",
    "review",
    "experiments",
    "reporting",
    "cli",
)
USERS = ("relgen", "lightning_modules", "datamodules", "benchmarks", "docs", "examples")
# inside a room, what other rooms may import by its own name, but not what is below it
OPEN = ("relgen.data.corpora", "relgen.common.library_messages")
RULES = [
    ("relgen", {"lightning_modules", "datamodules"}, set()),
    ("relgen", {"lightning"}, {"lightning_cli.py", "config_errors.py", "key_help.py"}),
    ("lightning_modules", {"datamodules"}, set()),
    ("datamodules", {"lightning_modules"}, set()),
]


def imported_modules(file: Path) -> Iterator[str]:
    """Yield the full names of what a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # of a package's names, those that are modules of it
            folder = ROOT.joinpath(*node.module.split("."))
            for name in (alias.name for alias in node.names):
                if (folder / f"{name}.py").is_file() or (folder / name).is_dir():
                    yield f"{node.module}.{name}"


def room_of(module: str) -> str | None:
    """Return the room that a module stands in; None outside of all rooms."""
    parts = module.split(".")
    return parts[1] if parts[0] == "relgen" and len(parts) > 1 else None


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


def source_files(*packages: str) -> list[Path]:
    return list(itertools.chain(*((ROOT / package).rglob("*.py") for package in packages)))


@pytest.mark.parametrize(("package", "forbidden", "exempt"), RULES)
def test_packages_do_not_reach_into_each_other(
    package: str, forbidden: set[str], exempt: set[str]
) -> None:
    files = [file for file in source_files(package) if file.name not in exempt]
    assert files
    found = {
        str(file): names
        for file in files
        if (names := {m.partition(".")[0] for m in imported_modules(file)} & forbidden)
    }
    assert found == {}


def test_relgen_holds_packages_only() -> None:
    modules = {path.name for path in (ROOT / "relgen").iterdir() if path.is_file()}
    assert modules == {"__init__.py", "__init__.pyi", "py.typed"}
    rooms = {path.name for path in (ROOT / "relgen").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_before_it(room: str) -> None:
    allowed = {*ROOMS[: ROOMS.index(room) + 1]}
    wrong = [
        (module_name(file), module)
        for file in source_files(f"relgen/{room}")
        for module in imported_modules(file)
        if (other := room_of(module)) and other not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("room", [*ROOMS, "lightning_modules", "datamodules"])
def test_other_rooms_are_entered_by_their_front_door(room: str) -> None:
    folder = f"relgen/{room}" if room in ROOMS else room
    wrong = [
        (module_name(file), module)
        for file in source_files(folder)
        for module in imported_modules(file)
        if (other := room_of(module)) and other != room and module.count(".") > 1
        if module not in OPEN
    ]
    assert wrong == []


def front_door(package: str) -> dict[str, str]:
    """Return the public names of a package, and the modules that they stand in."""
    stub = ROOT.joinpath(*package.split("."), "__init__.pyi")
    return {
        alias.asname or alias.name: f"{package}.{node.module}"
        for node in ast.parse(stub.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


DOORS = {room: front_door(f"relgen.{room}") for room in ROOMS if room != "cli"}


def test_doors_open_on_their_own_room() -> None:
    for room, names in DOORS.items():
        assert {module for module in names.values() if room_of(module) != room} == set()
    facade = front_door("relgen")
    assert facade.pop("run") == "relgen.cli.experiment"  # it hands the commands to experiments
    assert facade.items() <= {item for names in DOORS.values() for item in names.items()}


def test_a_name_means_one_thing() -> None:
    # what every command and every corpus reader has under one name
    shared = {"Options", "run", "read"}
    found: dict[str, list[str]] = {}
    for file in source_files("relgen"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.setdefault(node.name, []).append(module_name(file))
    twice = {name: modules for name, modules in found.items() if len(modules) > 1}
    assert {name for name in twice if not name.startswith("_")} - shared == set()


def test_public_names_are_used_outside_of_their_room_or_documented() -> None:
    used = {
        (other, alias.name)
        for file in source_files(*USERS)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (other := room_of(node.module or ""))
        if room_of(module_name(file)) != other
        for alias in node.names
    }
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    names = {(room, name) for room, door in DOORS.items() for name in door}
    documented = {(room, name) for room, name in names if f"{name}`" in pages}
    assert names - used - documented == set()


def test_benchmarks_import_public_names_by_the_front_door() -> None:
    wrong = [
        (module_name(file), node.module, alias.name)
        for file in source_files("benchmarks")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (room := room_of(node.module or ""))
        for alias in node.names
        if DOORS.get(room, {}).get(alias.name) == node.module
        or (node.module or "").startswith("relgen.kernels.")
    ]
    assert wrong == []


def test_modules_form_no_cycle() -> None:
    files = source_files("relgen", "lightning_modules", "datamodules")
    names = {module_name(file).removesuffix(".__init__"): file for file in files}
    # a room's front door loads lazily: only arrows between modules can close a circle
    arrows = {
        name: {module for module in imported_modules(file) if module in names and module != name}
        for name, file in names.items()
    }
    while leaves := {name for name, targets in arrows.items() if not targets & arrows.keys()}:
        for name in leaves:
            del arrows[name]
    assert arrows == {}
