"""One codec that keeps the contract, and codecs that each break it in a way of their own."""

from __future__ import annotations

import ctypes
import os
import struct
import time
import zlib
from typing import ClassVar

import numpy as np

import bench
from bench.errors import BitstreamError

LADDER = [2, 6]


@bench.declare_codec("good", ladder=LADDER)
class Good(bench.Codec):
    """The upper `quality` bits of each sample, deflated, with size and checksum."""

    def encode(self, image, quality):
        pixels = image.pixels >> (8 - quality)
        body = struct.pack(">HHB", image.width, image.height, quality)
        body += zlib.compress(pixels.tobytes(), 6)
        return struct.pack(">I", zlib.crc32(body)) + body

    def decode(self, bitstream):
        if len(bitstream) < 9 or struct.unpack(">I", bitstream[:4])[0] != zlib.crc32(bitstream[4:]):
            raise BitstreamError("the checksum is wrong")
        width, height, quality = struct.unpack(">HHB", bitstream[4:9])
        data = zlib.decompress(bitstream[9:])
        pixels = np.frombuffer(data, np.uint8).reshape(height, width, 3)
        return bench.Image((pixels << (8 - quality)) + (1 << (8 - quality) >> 1))


@bench.declare_codec("returns-text", ladder=LADDER)
class ReturnsText(Good):
    def encode(self, image, quality):
        return "bytes, I promise"


@bench.declare_codec("returns-nothing", ladder=LADDER)
class ReturnsNothing(Good):
    def encode(self, image, quality):
        return b""


@bench.declare_codec("raises", ladder=LADDER)
class Raises(Good):
    def encode(self, image, quality):
        raise ZeroDivisionError("no such luck")


@bench.declare_codec("stamps-the-time", ladder=LADDER)
class StampsTheTime(Good):
    def encode(self, image, quality):
        return super().encode(image, quality) + os.urandom(4)

    def decode(self, bitstream):
        return super().decode(bitstream[:-4])


@bench.declare_codec("draws-on-it", ladder=LADDER)
class DrawsOnIt(Good):
    def encode(self, image, quality):
        stream = super().encode(image, quality)
        image.pixels[0, 0] = 255 - image.pixels[0, 0]
        image.pixels[0, 0, 0] = 255 - image.pixels[0, 0, 0]
        return stream


@bench.declare_codec("remembers", ladder=LADDER)
class Remembers(Good):
    """The decoder looks into what the encoder left in memory."""

    kept: ClassVar = {}

    def encode(self, image, quality):
        key = super().encode(image, quality)[:8]
        self.kept[key] = image
        return key

    def decode(self, bitstream):
        if bitstream not in self.kept:
            raise BitstreamError("never seen")
        return self.kept[bitstream]


@bench.declare_codec("turns", ladder=LADDER)
class Turns(Good):
    def decode(self, bitstream):
        return bench.Image(super().decode(bitstream).pixels.transpose(1, 0, 2))


@bench.declare_codec("returns-an-array", ladder=LADDER)
class ReturnsAnArray(Good):
    def decode(self, bitstream):
        return super().decode(bitstream).pixels


@bench.declare_codec("knows-threads", ladder=LADDER)
class KnowsThreads(Good):
    def open(self, device="cpu", threads=1):
        self.threads = threads

    def decode(self, bitstream):
        return bench.Image(super().decode(bitstream).pixels ^ np.uint8(self.threads))


@bench.declare_codec("upside-down", ladder=LADDER, better="lower")
class UpsideDown(Good):
    pass


@bench.declare_codec("even-only", ladder=LADDER)
class EvenOnly(Good):
    def encode(self, image, quality):
        if image.width % 2:
            raise ValueError("an even width was expected")
        return super().encode(image, quality)


@bench.declare_codec("believes-everything", ladder=LADDER)
class BelievesEverything(Good):
    def decode(self, bitstream):
        try:
            return super().decode(bitstream)
        except BitstreamError:
            return bench.Image(np.zeros((8, 8, 3), np.uint8))


@bench.declare_codec("own-errors", ladder=LADDER)
class OwnErrors(Good):
    def decode(self, bitstream):
        try:
            return super().decode(bitstream)
        except BitstreamError:
            raise KeyError("magic") from None


@bench.declare_codec("crashes", ladder=LADDER)
class Crashes(Good):
    def decode(self, bitstream):
        try:
            return super().decode(bitstream)
        except BitstreamError:
            ctypes.string_at(0)
            raise


@bench.declare_codec("hangs", ladder=LADDER)
class Hangs(Good):
    def decode(self, bitstream):
        try:
            return super().decode(bitstream)
        except BitstreamError:
            time.sleep(600)
            raise


@bench.declare_codec("does-not-open", ladder=LADDER)
class DoesNotOpen(Good):
    def open(self, device="cpu", threads=1):
        raise RuntimeError("no weights here")


@bench.declare_codec("prints", ladder=LADDER)
class Prints(Good):
    def encode(self, image, quality):
        print("rubbish" * 1000)
        os.write(1, b"more rubbish")
        return super().encode(image, quality)
