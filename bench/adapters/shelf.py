"""Networks that are loaded, of all codecs of a process: those used longest ago make room.

A ladder of checkpoints can be eight networks of 200 MB, and a run can have a dozen such codecs in
every worker.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, finalize

if TYPE_CHECKING:
    from torch import nn

#: Bytes of networks that a process keeps; the one in use stays, however large.
LIMIT = 2 << 30
#: What a network takes with the float64 twins of its small parts, in sizes of its weights: at most.
_TWINS = 2


class Shelf:
    """Networks by owner and key, the most recently used last. An owner that is gone holds none."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._held: OrderedDict[tuple[int, object], tuple[nn.Module, int]] = OrderedDict()
        # Not id(): that of an object that is gone goes to another.
        self._numbers: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._next = itertools.count()

    def get(self, owner: object, key: object, load: Callable[[], Any]) -> Any:
        """Return the network of `owner` under `key`; `load` brings it where it is not here."""
        if owner not in self._numbers:
            self._numbers[owner] = next(self._next)
            finalize(owner, self._forget, self._numbers[owner])
        place = (self._numbers[owner], key)
        if place in self._held:
            self._held.move_to_end(place)
            return self._held[place][0]
        network = load()
        size = _TWINS * sum(
            tensor.numel() * tensor.element_size()
            for tensor in (*network.parameters(), *network.buffers())
        )
        self._held[place] = (network, size)
        while len(self._held) > 1 and sum(size for _, size in self._held.values()) > self.limit:
            self._held.popitem(last=False)
        return network

    def drop(self, owner: object) -> None:
        """Let go of everything that `owner` holds."""
        if owner in self._numbers:
            self._forget(self._numbers[owner])

    def keys(self, owner: object) -> list[object]:
        """Return under what the networks of `owner` stand that are loaded, the latest last."""
        number = self._numbers.get(owner)
        return [key for who, key in self._held if who == number]

    def _forget(self, number: int) -> None:
        for place in [place for place in self._held if place[0] == number]:
            del self._held[place]


#: The shelf of this process.
SHELF = Shelf()
