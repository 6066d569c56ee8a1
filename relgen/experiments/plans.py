"""What a plan is made of: stages, and how the arms are put together from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KINDS = (
    "corpus",
    "split",
    "chains",
    "dpo",
    "generate",
    "label",
    "collect",
    "diversity",
    "direct",
    "train",
    "test",
    "report",
)


@dataclass(frozen=True)
class Stage:
    """One command line and where it leaves its output.

    Args:
        name: unique within the experiment, e.g. `seed1/dpo-a`.
        kind: one of `KINDS`.
        folder: everything that the command writes is below it.
        command: what follows `relgen` on the command line.
        inputs: the files and folders it reads: earlier stages', the corpus's, configurations.
        resumable: the command goes on from what an interrupted run of it left in the folder.
        board: its part of the run's TensorBoard folder, for stages that train or test.
    """

    name: str
    kind: str
    folder: Path
    command: tuple[str, ...]
    inputs: tuple[Path, ...] = ()
    resumable: bool = False
    board: Path | None = None

    @property
    def record(self) -> Path:
        """Written last, atomically: a stage without it is not done."""
        return self.folder / "stage.json"


@dataclass(frozen=True)
class Initialisation:
    """One training of a classifier, with the seed of its fresh weights and of its order.

    The arm `direct` has a test, and nothing that is trained.
    """

    seed: int
    train: Stage | None
    test: Stage


@dataclass(frozen=True)
class ArmStages:
    """Where to find what one arm of one seed made, for the results."""

    arm: str
    seed: int
    classifier: str
    split: Stage
    initialisations: tuple[Initialisation, ...]
    diversity: Stage | None
    collect: Stage | None
    label: Stage | None
    generate: tuple[Stage, ...]
    dpo: tuple[Stage, ...]


@dataclass(frozen=True)
class Plan:
    """All stages in an order in which they can run, and how arms are put together from them."""

    stages: tuple[Stage, ...]
    arms: tuple[ArmStages, ...]
    schema: Path
    test: Path
