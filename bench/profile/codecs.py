"""What codecs cost: measured once per codec identity, setting and size, then remembered."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.adapters.make import codec_id, make_codec
from bench.cards import CodecCard
from bench.codec import Codec, Complexity, Quality
from bench.engine.store import Store
from bench.engine.worker import thread_environment
from bench.errors import CodecError, UnavailableError
from bench.profile.cost import Answer, Cost, Request

#: Height and width of the picture that is encoded: a Kodak image's.
SIZE = (512, 768)
#: Seconds that a setting may take.
TIMEOUT = 600.0
NO_NETWORK = "no network: what it costs is its time, which the timing mode measures"


def costs_of(
    card: CodecCard,
    qualities: Sequence[Quality],
    store: Store,
    *,
    size: tuple[int, int] = SIZE,
    device: str = "cpu",
    timeout: float = TIMEOUT,
    announce: Callable[[str], None] | None = None,
) -> list[Cost]:
    """Return what a codec costs at `qualities`, in their order, equal neighbours together.

    Parameters
    ----------
    size : height and width of the picture that is encoded.
    timeout : seconds that a setting may take.
    announce : gets the codec's name before seconds go into measuring it.

    A codec that can't be measured has its reason instead; only a wrong card raises (CardError).
    """
    if type(make_codec(card)).complexity is Codec.complexity:
        return [Cost(card.name, tuple(qualities), None, NO_NETWORK)]
    try:
        identity = codec_id(card, device)
    except (CodecError, UnavailableError):
        # Weights that are not here: measured with random ones, which no identity describes.
        identity = ""
    known = _known(store, identity, size)
    missing = tuple(quality for quality in qualities if quality not in known)
    error = ""
    if missing:
        if announce is not None:
            announce(card.name)
        answer = _measure(Request(card, missing, size, device), timeout * len(missing))
        known |= answer.costs
        error = answer.error or "it does not tell"
        for quality, found in answer.costs.items():
            if identity:
                document = json.dumps(asdict(found))
                store.put_complexity(card.name, identity, quality, _name(size), document)
    return _together(card.name, ((quality, known.get(quality)) for quality in qualities), error)


def _known(store: Store, identity: str, size: tuple[int, int]) -> dict[Quality, Complexity]:
    documents = store.complexities(identity, _name(size)) if identity else {}
    return {quality: Complexity(**json.loads(text)) for quality, text in documents.items()}


def _name(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _together(
    codec: str, found: Iterable[tuple[Quality, Complexity | None]], error: str
) -> list[Cost]:
    costs: list[Cost] = []
    for quality, complexity in found:
        if costs and costs[-1].complexity == complexity:
            costs[-1] = Cost(codec, (*costs[-1].qualities, quality), complexity, costs[-1].reason)
        else:
            costs.append(Cost(codec, (quality,), complexity, "" if complexity else error))
    return costs


def _measure(request: Request, timeout: float) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "request", Path(folder) / "answer"
        asked.write_bytes(pickle.dumps(request))
        command = [sys.executable, "-P", "-m", "bench.profile.child", str(asked), str(answered)]
        paths = os.pathsep.join(path for path in sys.path if path)
        environment = {
            **os.environ,
            **thread_environment(1),
            "PYTHONPATH": paths,
            "KINETO_LOG_LEVEL": "9",
        }
        try:
            done = subprocess.run(command, env=environment, timeout=timeout, capture_output=True)
        except subprocess.TimeoutExpired:
            return Answer(error=f"measuring it took longer than {timeout:g} s")
        if not answered.is_file():
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            last = f": {words[-1][:200]}" if words else ""
            return Answer(error=f"measuring it ended with exit code {done.returncode}{last}")
        answer: Answer = pickle.loads(answered.read_bytes())
        return answer
