"""Networks that are loaded, of all codecs of a process: those used longest ago make room.

A ladder of checkpoints can be eight networks of 200 MB, and a run can have a dozen such codecs in
every worker.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

#: Bytes of networks that a process keeps; the one in use stays, however large.
LIMIT = 2 << 30
#: What a network takes with the float64 twins of its small parts, in sizes of its weights: at most.
_TWINS = 2


class Shelf:
    """Networks by owner and key, the most recently used last."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._held: OrderedDict[tuple[int, object], tuple[nn.Module, int]] = OrderedDict()

    def get(self, owner: object, key: object, load: Callable[[], Any]) -> Any:
        """Return the network of `owner` under `key`; `load` brings it where it is not here."""
        place = (id(owner), key)
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
        for place in [place for place in self._held if place[0] == id(owner)]:
            del self._held[place]

    def keys(self, owner: object) -> list[object]:
        """Return under what the networks of `owner` stand that are loaded, the latest last."""
        return [key for who, key in self._held if who == id(owner)]


#: The shelf of this process.
SHELF = Shelf()
