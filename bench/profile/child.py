"""A process that measures what a codec costs: ``python -m bench.profile.child REQUEST RESULT``.

Of its own, so that a network that takes too much memory or never ends takes nobody along, and
PyTorch is not loaded where the answer is known. Both files are pickles.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from bench.adapters.make import make_codec
from bench.codec import Complexity, Quality
from bench.errors import BenchError
from bench.profile.cost import Answer, Request


def main() -> None:
    """Answer the request."""
    asked, answered = map(Path, sys.argv[1:])
    request: Request = pickle.loads(asked.read_bytes())
    answered.write_bytes(pickle.dumps(_answer(request)))


def _answer(request: Request) -> Answer:
    costs: dict[Quality, Complexity] = {}
    try:
        codec = make_codec(request.card)
        for quality in request.qualities:
            if found := codec.complexity(quality, request.size, request.device):
                costs[quality] = found
    except BenchError as error:
        return Answer(costs, " ".join(str(error).split()))
    except Exception as error:  # noqa: BLE001  (the worker's edge: a user's network)
        return Answer(costs, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    return Answer(costs)


if __name__ == "__main__":
    main()
