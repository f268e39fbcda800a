"""Networks that are loaded: whose they are, and which make room."""

from __future__ import annotations

from torch import nn

from bench.adapters.shelf import Shelf


class Owner:
    pass


def network(numbers: int) -> nn.Module:
    return nn.Linear(numbers, 1, bias=False)


def test_what_was_used_longest_ago_makes_room_and_what_is_in_use_stays() -> None:
    shelf, owner = Shelf(limit=2 * 2 * 400), Owner()
    for key in ("a", "b"):
        shelf.get(owner, key, lambda: network(100))
    first = shelf.get(owner, "a", lambda: network(1))
    assert first.in_features == 100
    shelf.get(owner, "c", lambda: network(100))
    assert shelf.keys(owner) == ["a", "c"]
    shelf.get(owner, "d", lambda: network(10_000))
    assert shelf.keys(owner) == ["d"]
    shelf.drop(owner)
    assert shelf.keys(owner) == []


def test_an_owner_never_gets_what_another_left_behind() -> None:
    shelf = Shelf()
    for number in range(1, 200):
        # Each is gone at the end of its round, and the next may lie where it lay.
        owner = Owner()
        assert shelf.get(owner, 1, lambda number=number: network(number)).in_features == number
        del owner
    assert not shelf._held
