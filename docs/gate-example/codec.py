"""A codec in one file: the DCT of 8x8 blocks in YCbCr, one step for all coefficients, bzip2."""

import bz2
import struct

import numpy as np
from scipy.fft import dctn, idctn

import bench
from bench.errors import BitstreamError

BLOCK = 8
#: Rec. ITU-T T.871: RGB to YCbCr.
FORWARD = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
BACKWARD = np.linalg.inv(FORWARD)


def blocks(planes):
    """Split planes, (height, width, 3), into (rows, columns, 3, 8, 8)."""
    height, width, _ = planes.shape
    split = planes.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
    return split.transpose(0, 2, 4, 1, 3)


def joined(split):
    """Undo `blocks`."""
    rows, columns = split.shape[:2]
    return split.transpose(0, 3, 1, 4, 2).reshape(rows * BLOCK, columns * BLOCK, 3)


@bench.declare_codec("mine", title="Block DCT and bzip2", ladder=[8, 16, 32, 64], better="lower")
class Mine(bench.Codec):
    """The setting is the quantiser's step."""

    def encode(self, image, quality):
        """Return width, height and step, then the coefficients, frequency by frequency."""
        below, right = -image.height % BLOCK, -image.width % BLOCK
        padded = np.pad(image.pixels, ((0, below), (0, right), (0, 0)), "edge")
        coefficients = dctn(blocks((padded - 128.0) @ FORWARD.T), axes=(3, 4), norm="ortho")
        levels = np.rint(coefficients / quality).astype("<i2")
        by_frequency = np.ascontiguousarray(levels.transpose(2, 3, 4, 0, 1))
        head = struct.pack(">HHB", image.width, image.height, int(quality))
        return head + bz2.compress(by_frequency.view("u1").reshape(-1, 2).T.tobytes())

    def decode(self, bitstream):
        """Return the image of `encode`'s bytes."""
        try:
            width, height, step = struct.unpack_from(">HHB", bitstream)
            samples = np.frombuffer(bz2.decompress(bitstream[5:]), "u1").reshape(2, -1).T
            levels = np.ascontiguousarray(samples).view("<i2")
            rows, columns = -(-height // BLOCK), -(-width // BLOCK)
            levels = levels.reshape(3, BLOCK, BLOCK, rows, columns).transpose(3, 4, 0, 1, 2)
        except (struct.error, OSError, ValueError, EOFError) as error:
            raise BitstreamError(f"not a bitstream of mine: {error}") from None
        planes = joined(idctn(levels * float(step), axes=(3, 4), norm="ortho")) @ BACKWARD.T
        pixels = np.clip(np.rint(planes + 128), 0, 255).astype(np.uint8)
        return bench.Image(np.ascontiguousarray(pixels[:height, :width]))
