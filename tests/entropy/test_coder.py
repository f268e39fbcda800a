"""Symbols to bytes and back, rates against the ideal, damaged payloads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from bench.entropy.coder import ESCAPE_BITS, Decoder, Encoder
from bench.entropy.tables import TOTAL, Tables, gaussian, quantise, stack
from bench.errors import BitstreamError, CodecError

SCALES = np.exp(np.linspace(np.log(0.11), np.log(256), 64))
GAUSSIAN = gaussian(SCALES)
SMALL = stack([np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.1])], [-1, 7])


def round_trip(values: np.ndarray, rows: np.ndarray, tables: Tables) -> bytes:
    encoder = Encoder()
    encoder.put(values, rows, tables)
    data = encoder.finish()
    decoder = Decoder(data)
    assert np.array_equal(decoder.take(rows, tables), values)
    decoder.finish()
    return data


@given(st.data())
def test_any_values_come_back_through_any_tables(data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 40))
    reach = (1 << (ESCAPE_BITS - 1)) - 20
    values = data.draw(
        hnp.arrays(np.int32, size, elements=st.integers(-12, 12) | st.integers(-reach, reach))
    )
    rows = data.draw(hnp.arrays(np.int32, size, elements=st.integers(0, 1)))
    round_trip(values, rows, SMALL)


def test_blocks_come_back_in_the_order_they_were_put() -> None:
    rng = np.random.default_rng(1)
    blocks = []
    encoder = Encoder()
    for size in (5, 0, 300, 1):
        rows = rng.integers(0, 64, size).astype(np.int32)
        values = np.rint(rng.normal(0, SCALES[rows])).astype(np.int32)
        blocks.append((values, rows))
        encoder.put(values, rows, GAUSSIAN)
    decoder = Decoder(encoder.finish())
    for values, rows in blocks:
        assert np.array_equal(decoder.take(rows, GAUSSIAN), values)
    decoder.finish()


def test_blocks_put_at_once_are_the_bytes_of_blocks_put_one_by_one() -> None:
    rng = np.random.default_rng(4)
    sizes = [7, 1, 0, 400]
    rows = rng.integers(0, 64, sum(sizes)).astype(np.int32)
    # Four times the scale: some values are beyond their tables.
    values = np.rint(rng.normal(0, 4 * SCALES[rows])).astype(np.int32)
    assert np.any(np.abs(values) >= -GAUSSIAN.offsets[rows])
    whole, parts = Encoder(), Encoder()
    whole.put(values, rows, GAUSSIAN, sizes)
    for end, size in zip(np.cumsum(sizes), sizes, strict=True):
        parts.put(values[end - size : end], rows[end - size : end], GAUSSIAN)
    data = whole.finish()
    assert data == parts.finish()
    decoder = Decoder(data)
    for end, size in zip(np.cumsum(sizes), sizes, strict=True):
        taken = decoder.take(rows[end - size : end], GAUSSIAN)
        assert np.array_equal(taken, values[end - size : end])
    decoder.finish()


def test_the_rate_is_the_entropy_of_the_rounded_gaussian() -> None:
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 64, 100_000).astype(np.int32)
    values = np.rint(rng.normal(0, SCALES[rows])).astype(np.int32)
    # Expected: the ideal code length from SciPy's normal distribution. Integer frequencies
    # cost a thousandth, in the tables of thousands of symbols.
    scale = SCALES[rows]
    mass = stats.norm.cdf((values + 0.5) / scale) - stats.norm.cdf((values - 0.5) / scale)
    ideal = -np.log2(mass).sum() / 8
    assert len(round_trip(values, rows, GAUSSIAN)) == pytest.approx(ideal, rel=2e-3)


def test_nothing_costs_nothing() -> None:
    assert round_trip(np.zeros(0, np.int32), np.zeros(0, np.int32), SMALL) == b""


def test_a_value_beyond_the_escape_is_a_codec_error() -> None:
    with pytest.raises(CodecError, match="far outside the entropy model's range"):
        Encoder().put(np.array([1 << 22], np.int32), np.array([0], np.int32), SMALL)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 500))
def test_any_bytes_give_values_or_a_bitstream_error(data: bytes, count: int) -> None:
    rows = (np.arange(count) % 64).astype(np.int32)
    try:
        decoder = Decoder(data)
        values = decoder.take(rows, GAUSSIAN)
        decoder.finish()
    except BitstreamError:
        return
    assert values.shape == (count,)


def test_left_over_bytes_are_an_error() -> None:
    rng = np.random.default_rng(3)
    rows = np.zeros(1000, np.int32) + 40
    encoder = Encoder()
    encoder.put(np.rint(rng.normal(0, SCALES[40], 1000)).astype(np.int32), rows, GAUSSIAN)
    decoder = Decoder(encoder.finish())
    decoder.take(rows[:900], GAUSSIAN)
    with pytest.raises(BitstreamError, match="does not end where its image ends"):
        decoder.finish()


@given(hnp.arrays(np.float64, st.integers(2, 400), elements=st.floats(0, 1)))
def test_quantised_frequencies_are_positive_and_add_up(pmf: np.ndarray) -> None:
    pmf = pmf + 1e-12
    cdf = quantise(pmf)
    assert cdf[0] == 0
    assert cdf[-1] == TOTAL
    assert np.diff(cdf).min() >= 1


def test_gaussian_tables_hold_the_normal_distribution() -> None:
    # Expected: SciPy's normal distribution, to half a step of the integer frequencies.
    for row in (0, 20, 45):
        low, size = GAUSSIAN.offsets[row], GAUSSIAN.escapes[row]
        values = np.arange(low, low + size)
        mass = np.diff(stats.norm.cdf(np.append(values - 0.5, values[-1] + 0.5), 0, SCALES[row]))
        held = np.diff(GAUSSIAN.cdf[row, : GAUSSIAN.lengths[row]])[:-1] / TOTAL
        assert np.abs(held - mass).max() < size / TOTAL


@pytest.mark.parametrize(
    ("cdf", "lengths", "offsets"),
    [
        ([[0, 5, TOTAL]], [4], [0]),
        ([[0, 5, 5, TOTAL]], [4], [0]),
        ([[1, 5, 9, TOTAL]], [4], [0]),
        ([[0, 5, 9, 100]], [4], [0]),
        ([[0, 5, 9, TOTAL]], [4], [0, 0]),
        ([[0, TOTAL]], [2], [0]),
    ],
)
def test_damaged_tables_are_refused(cdf: list, lengths: list, offsets: list) -> None:
    with pytest.raises(CodecError):
        Tables(*(np.array(part, np.int32) for part in (cdf, lengths, offsets)))
