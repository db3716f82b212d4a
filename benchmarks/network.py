"""Which packets a network loses: models with a seed, so that every peer loses the same ones."""

from __future__ import annotations

import random
from typing import Protocol


class Loss(Protocol):
    """Decides for one packet after the other."""

    def drops(self) -> bool:
        """Whether the next packet is lost."""


class NoLoss:
    """Every packet arrives."""

    def drops(self) -> bool:
        return False


class OneLoss:
    """The next packet is lost, and no other."""

    def __init__(self) -> None:
        self._due = True

    def drops(self) -> bool:
        due, self._due = self._due, False
        return due


class RandomLoss:
    """Each packet is lost with the same probability, whatever became of those before it."""

    def __init__(self, probability: float, seed: int = 1) -> None:
        self._probability = probability
        self._random = random.Random(seed)

    def drops(self) -> bool:
        return self._random.random() < self._probability


class GilbertElliott:
    """Loss in bursts: a good state that loses nothing, and a bad one that loses everything.

    Args:
        average: The share of all packets that is lost.
        burst: The mean length of a burst, in packets.
        seed: Of its random numbers.
    """

    def __init__(self, average: float, burst: float, seed: int = 1) -> None:
        # The shares of time in the states are as the ways into them: p / (p + r) = average.
        self.leave_bad = 1 / burst
        self.leave_good = self.leave_bad * average / (1 - average)
        self._bad = False
        self._random = random.Random(seed)

    def drops(self) -> bool:
        leave = self.leave_bad if self._bad else self.leave_good
        if self._random.random() < leave:
            self._bad = not self._bad
        return self._bad
