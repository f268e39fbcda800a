"""Codecs that work and codecs that break the contract, each in a way of its own."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np

import bench
from bench.errors import BitstreamError

LADDER = [2, 4, 6]


class Deflate(bench.Codec):
    """Keeps the upper `quality` bits of each sample and deflates them."""

    def encode(self, image, quality):
        pixels = image.pixels >> (8 - quality)
        head = struct.pack(">HHB", image.width, image.height, quality)
        return head + zlib.compress(pixels.tobytes(), 6)

    def decode(self, bitstream):
        try:
            width, height, quality = struct.unpack_from(">HHB", bitstream)
            data = zlib.decompress(bitstream[5:])
            pixels = np.frombuffer(data, np.uint8).reshape(height, width, 3)
        except (struct.error, zlib.error, ValueError) as error:
            raise BitstreamError(str(error)) from None
        return bench.Image((pixels << (8 - quality)) + (1 << (8 - quality) >> 1))


@bench.declare_codec("works", ladder=LADDER)
class Works(Deflate):
    """Does what it should; writes a line per encoding into the file that COUNT_FILE names."""

    def encode(self, image, quality):
        if path := os.environ.get("COUNT_FILE"):
            with Path(path).open("a") as file:
                file.write(f"{image.digest} {quality}\n")
        time.sleep(float(os.environ.get("SLEEP", "0")))
        return super().encode(image, quality)


@bench.declare_codec("raises", ladder=LADDER)
class Raises(Deflate):
    def encode(self, image, quality):
        if quality == 4:
            raise ZeroDivisionError("no such luck")
        return super().encode(image, quality)


@bench.declare_codec("exits", ladder=LADDER)
class Exits(Deflate):
    def decode(self, bitstream):
        sys.exit("had enough")


@bench.declare_codec("hangs", ladder=LADDER, timeout=2)
class Hangs(Deflate):
    def decode(self, bitstream):
        if bitstream[4] == 4:
            time.sleep(3600)
        return super().decode(bitstream)


@bench.declare_codec("crashes", ladder=LADDER)
class Crashes(Deflate):
    def decode(self, bitstream):
        if bitstream[4] == 4:
            print("about to touch address 0", file=sys.stderr, flush=True)
            ctypes.string_at(0)
        return super().decode(bitstream)


@bench.declare_codec("vanishes", ladder=LADDER)
class Vanishes(Deflate):
    def encode(self, image, quality):
        os._exit(7)


@bench.declare_codec("shrinks", ladder=LADDER)
class Shrinks(Deflate):
    def decode(self, bitstream):
        return bench.Image(super().decode(bitstream).pixels[:-1])


@bench.declare_codec("returns-text", ladder=LADDER)
class ReturnsText(Deflate):
    def encode(self, image, quality):
        return "bits"


@bench.declare_codec("returns-nothing", ladder=LADDER)
class ReturnsNothing(Deflate):
    def encode(self, image, quality):
        return b""


@bench.declare_codec("draws", ladder=LADDER)
class Draws(Deflate):
    def encode(self, image, quality):
        image.pixels[:] = 0
        return super().encode(image, quality)


@bench.declare_codec("prints", ladder=LADDER)
class Prints(Deflate):
    def encode(self, image, quality):
        print("rubbish " * 1000)
        os.write(1, b"\x80\x04more rubbish" * 1000)
        return super().encode(image, quality)
