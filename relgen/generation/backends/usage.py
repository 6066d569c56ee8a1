"""Tokens that a server counted, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, or of many.

    Args:
        prompt: tokens read.
        completion: tokens written.
        answers: how many there were that hold a draft.
        unusable: and how many that do not.
    """

    prompt: int = 0
    completion: int = 0
    answers: int = 0
    unusable: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.answers + other.answers,
            self.unusable + other.unusable,
        )

    def cost(self, price_prompt: float, price_completion: float) -> float:
        """In the prices' currency; prices are for a million tokens."""
        return (self.prompt * price_prompt + self.completion * price_completion) / 1e6
