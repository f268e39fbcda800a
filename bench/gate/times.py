"""The repeats of a run in the timing mode: the reader of `times.csv`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.errors import RunError

Array = npt.NDArray[np.float64]
#: Codec, setting and image.
Key = tuple[str, float, str]
#: Shape (2, repeats): seconds of encoding and of decoding, in the order of the rounds.
Repeats = dict[Key, Array]

_COLUMNS = ("codec", "quality", "image", "repeat", "encode_s", "decode_s")


def read_times(run: str | Path) -> Repeats:
    """Return the repeats of every cell.

    Raises RunError where there is no `times.csv`, or one that the timing mode did not write.
    """
    file = Path(run) / "times.csv"
    try:
        frame = pd.read_csv(file, dtype={"codec": str, "image": str}, keep_default_na=False)
    except FileNotFoundError:
        raise RunError(
            f"there is no {file}: times are gated from the timing mode, bench run --timing"
        ) from None
    except (OSError, ValueError) as error:
        raise RunError(f"{file} can't be read: {' '.join(str(error).split())}") from None
    missing = [name for name in _COLUMNS if name not in frame]
    if missing:
        raise RunError(f"{file} lacks the column {missing[0]}")
    try:
        seconds = frame[["encode_s", "decode_s"]].to_numpy(np.float64)
        quality = frame["quality"].to_numpy(np.float64)
        order = frame["repeat"].to_numpy(np.float64)
    except ValueError as error:
        raise RunError(f"{file}: {' '.join(str(error).split())}") from None
    if not (np.isfinite(seconds).all() and (seconds >= 0).all() and np.isfinite(order).all()):
        raise RunError(f"{file} holds a time that is none")
    rows: dict[Key, list[int]] = {}
    for i, (codec, image) in enumerate(zip(frame["codec"], frame["image"], strict=True)):
        rows.setdefault((codec, float(quality[i]), image), []).append(i)
    return {
        key: seconds[sorted(indices, key=lambda i: order[i])].T for key, indices in rows.items()
    }
