"""What is counted, against products worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.hybrid.attention import WindowAttention
from bench.models.layers import GDN
from bench.profile.counting import MacCounter
from bench.profile.memory import peak_memory

DEVICES = ["cpu", "meta"]


def macs(call: Callable[[], object]) -> int:
    counter = MacCounter()
    with torch.inference_mode(), counter.opened():
        call()
    return counter.macs


def t(*shape: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.zeros(shape, device=device, dtype=dtype)


@pytest.mark.parametrize("device", DEVICES)
def test_products_are_counted_as_worked_out_by_hand(device: str) -> None:
    def make(*shape: int) -> Tensor:
        return t(*shape, device=device)

    expected = {
        # Output positions × inputs × outputs × taps.
        "convolution": (lambda: F.conv2d(make(1, 3, 8, 8), make(5, 3, 3, 3), stride=2, padding=1),
                        16 * 3 * 5 * 9),
        "depthwise": (lambda: F.conv2d(make(1, 4, 8, 8), make(4, 1, 3, 3), padding=1, groups=4),
                      64 * 4 * 9),
        # Input positions × inputs × outputs × taps.
        "transposed": (lambda: F.conv_transpose2d(make(1, 4, 8, 8), make(4, 3, 5, 5), stride=2,
                                                  padding=2, output_padding=1), 64 * 4 * 3 * 25),
        "linear": (lambda: F.linear(make(2, 7, 4), make(5, 4), make(5)), 14 * 4 * 5),
        "einsum": (lambda: torch.einsum("ui,bchiwj->bcuhwj", make(4, 4), make(1, 3, 2, 4, 2, 4)),
                   3 * 2 * 2 * 4 * 4 * 4),
        "matrix × vector": (lambda: make(3, 4) @ make(4), 12),
        "vector × matrix": (lambda: make(4) @ make(4, 3), 12),
        "vector × vector": (lambda: make(4) @ make(4), 4),
        # Queries × keys × width, for the weights and for the mixture.
        "attention": (lambda: F.scaled_dot_product_attention(make(1, 2, 10, 8), make(1, 2, 6, 8),
                                                             make(1, 2, 6, 8)), 2 * 2 * 10 * 6 * 8),
        "masked attention": (lambda: F.scaled_dot_product_attention(
            make(1, 2, 10, 8), make(1, 2, 6, 8), make(1, 2, 6, 8), attn_mask=make(2, 10, 6)),
            2 * 2 * 10 * 6 * 8),
    }  # fmt: skip
    assert {name: macs(call) for name, (call, _) in expected.items()} == {
        name: count for name, (_, count) in expected.items()
    }


def test_gdn_counts_its_matrix_alone() -> None:
    assert macs(lambda: GDN(8)(t(1, 8, 5, 5))) == 25 * 8 * 8


def test_exact_arithmetic_counts_what_the_convolutions_it_stands_for_do() -> None:
    from bench.entropy.exact import exact

    for layer in (nn.Conv2d(4, 6, 5, 2, 2), nn.ConvTranspose2d(4, 6, 5, 2, 2, output_padding=1)):
        twin = exact(layer)
        x = t(1, 4, 8, 8)
        assert macs(lambda layer=layer, x=x: layer(x)) == macs(
            lambda twin=twin, x=x: twin(x.double())
        )


def test_windows_and_the_fast_path_of_attention_hide_nothing() -> None:
    # Two windows of 16 tokens: query, key and value, output; weights and mixture.
    block = WindowAttention(8, 2, 4, "relative").eval()
    assert macs(lambda: block(t(1, 8, 4, 8))) == 2 * (16 * 8 * 8 * 4 + 2 * 16 * 16 * 8)
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x = t(1, 10, 8)
    assert macs(lambda: layer(x, x, x, need_weights=False)) == 10 * 8 * 8 * 4 + 2 * 10 * 10 * 8
    assert torch.backends.mha.get_fastpath_enabled()


def test_calls_that_are_watched_are_counted_apart_and_left_as_they_were() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    counter = MacCounter()
    watched = counter.watched(network[0], "forward")
    with torch.inference_mode(), watched as counts, counter.opened():
        network(t(3, 4))
        network(t(1, 4))
    assert counts == [96, 32]
    assert counter.macs == 128 + 64
    assert "forward" not in vars(network[0])


def test_memory_is_the_most_that_tensors_hold_at_once() -> None:
    def work() -> Tensor:
        first = torch.zeros(1000)
        second = first + 1  # 8,000 bytes
        del first
        third = second + 1  # 8,000 again
        return third[:1] + 1  # 8,004, and a page for small ones

    result, peak = peak_memory(work, torch.device("cpu"))
    assert result.item() == 3
    assert 8_000 <= peak <= 8_200
