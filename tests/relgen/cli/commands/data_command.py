"""Runs `relgen data` in this process."""

from relgen.cli import main


def run(*arguments: object) -> None:
    main.run(["data", *map(str, arguments)])
