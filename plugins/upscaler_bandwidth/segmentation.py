"""Finds where the votes change: a recording is cut into segments with one cut-off each.

The states are the bands and "no edge". A path through the states scores the sum of its votes, tempered, less a price for
each change of state. The best path is found by dynamic programming (Viterbi 1967). With v[t, s] the votes of cell t and
λ the price:

    score[t, s] = v[t, s] + max(score[t − 1, s], max over s' of score[t − 1, s'] − λ)

Memory does not grow: when `BLOCK + LAG` cells have come, the path through the first `BLOCK` of them is settled. What comes
more than `LAG` cells later does not change a path in practice.

>>> votes = np.zeros((200, 4))
>>> votes[:90, 1], votes[90:, 3] = 5.0, 5.0
>>> path = Segmentation()
>>> states = np.concatenate([*map(path.add, np.split(votes, 5)), path.finish()])
>>> states.tolist() == [1] * 90 + [3] * 110
True
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PRICE = 15.0
"""What a change of state costs. The votes of a few clear cells outweigh it; those of one or two do not."""
BLOCK, LAG = 1024, 512
"""Cells that are settled at a time, and further cells that are looked at before: 3 and 1.5 minutes."""

States = NDArray[np.int64]


class Segmentation:
    """The best path through states, from votes that come in blocks of cells."""

    def __init__(self) -> None:
        self.score: NDArray[np.float64] | None = None
        self.stays: list[NDArray[np.bool_]] = []  # for each cell `[state]`: the state was the same in the cell before
        self.origins: list[int] = []  # for each cell: the state that a change came from

    def add(self, votes: NDArray[np.float64]) -> States:
        """Take votes `[cell, state]`; return the states of the cells `[cell]` that are settled by now."""
        settled = [np.zeros(0, np.int64)]
        for cell in votes:
            if self.score is None:
                self.score = np.zeros_like(cell)
            origin = int(self.score.argmax())
            least = self.score[origin] - PRICE
            self.stays.append(self.score >= least)
            self.origins.append(origin)
            self.score = np.maximum(self.score, least) - self.score[origin] + cell
            if len(self.stays) == BLOCK + LAG:
                settled.append(self._trace()[:BLOCK])
                del self.stays[:BLOCK], self.origins[:BLOCK]
        return np.concatenate(settled)

    def finish(self) -> States:
        """The states of all other cells `[cell]`."""
        return self._trace()

    def _trace(self) -> States:
        """The states of the pending cells on the path that is the best so far."""
        if self.score is None:
            return np.zeros(0, np.int64)
        state = int(self.score.argmax())
        path = []
        for stays, origin in zip(reversed(self.stays), reversed(self.origins), strict=True):
            path.append(state)
            state = state if stays[state] else origin
        return np.array(path[::-1], np.int64)
