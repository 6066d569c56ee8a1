"""A module and a data module of a few lines, for tests of the command line."""

from __future__ import annotations

from typing import Literal

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch.utils.data import DataLoader


class ToyModule(LightningModule):
    """One weight that learns to be 1.

    Args:
        model: not used; the data module gets the same.
        beta: not used.
        colour: not used.
    """

    def __init__(
        self,
        model: str = "toy",
        beta: float = 0.5,
        colour: Literal["red", "blue"] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return (self.layer(batch) - 1).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class ToyData(LightningDataModule):
    """Four ones."""

    def __init__(self, model: str = "toy") -> None:
        super().__init__()

    def train_dataloader(self) -> DataLoader[torch.Tensor]:
        return DataLoader(torch.ones(4, 1), batch_size=2)  # type: ignore[arg-type]
