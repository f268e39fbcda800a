"""CPU milliseconds per decoded image and metric, against the reference implementation.

    python tests/benchmarks/bench_metrics.py [--rounds N]

One thread, 768x512 (kodim01 as JPEG). Ours and theirs take turns in one process, processor time is
taken, and the fastest round of each counts, so that the ratio holds on a busy machine too. What a
metric prepares once per original is a column of its own: a run pays for it once in as many cells as
there are codecs times settings.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import torch

from bench.image import Image, read_image
from bench.metrics.select import known_metrics
from bench.registry import metrics
from bench.text import table

KODIM01 = Path(__file__).resolve().parents[2] / "datasets" / "kodak" / "kodim01.png"
Timed = Callable[[], object]


def main() -> None:
    """Time every metric that is ready and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="rounds per metric (default: 15)")
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    original = read_image(KODIM01)
    decoded = as_jpeg(original)
    rows = []
    for name, reference in REFERENCES.items():
        metric = metrics().get(name)()
        try:
            metric.check_available()
        except Exception as error:  # noqa: BLE001
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        metric.open()
        prepared = metric.prepare(original)
        measure = lambda: metric.measure(original, decoded, prepared)  # noqa: B023, E731
        theirs = reference[1](original, decoded)
        ours_ms, theirs_ms = in_turns(measure, theirs, rounds)
        prepare_ms, _ = in_turns(lambda: metric.prepare(original), None, rounds)  # noqa: B023
        rows.append(
            (name, f"{ours_ms:.2f}", f"{prepare_ms:.2f}", reference[0], f"{theirs_ms:.2f}",
             f"{theirs_ms / ours_ms:.1f}", f"{abs(float(measure()) - float(theirs())):.1e}")
        )  # fmt: skip
    headers = ("metric", "ms", "prepare ms", "reference", "ms", "times ours", "difference")
    print(table(headers, rows, "lrrlrrr"))
    unmeasured = sorted(set(known_metrics()) - set(REFERENCES))
    print(f"\nnot timed (a formula, or without a reference): {', '.join(unmeasured)}")


def in_turns(ours: Timed, theirs: Timed | None, rounds: int) -> tuple[float, float]:
    """Return the fastest of `rounds` calls of each, in milliseconds, after one of each unmeasured.

    A reference that takes long gets fewer rounds: five seconds' worth, two at least.
    """
    fastest = [float("inf"), float("inf")]
    spent = 0.0
    for number in range(rounds + 1):
        for which, call in enumerate((ours, theirs)):
            if call is None or (number > 2 and spent > 5):
                continue
            begin = time.process_time()
            call()
            seconds = time.process_time() - begin
            spent += seconds
            if number:
                fastest[which] = min(fastest[which], 1000 * seconds)
    return fastest[0], fastest[1]


def as_jpeg(image: Image) -> Image:
    """Return the image after JPEG at quality 50."""
    file = io.BytesIO()
    image.to_pil().save(file, "JPEG", quality=50)
    with PIL.Image.open(file) as decoded:
        return Image(np.array(decoded))


def tensors(*images: Image) -> list[torch.Tensor]:
    """Return images as float32 tensors of shape (1, 3, height, width), range 0 … 255."""
    return [
        torch.from_numpy(image.pixels.copy()).permute(2, 0, 1)[None].float() for image in images
    ]


def scikit_psnr(original: Image, decoded: Image) -> Timed:
    """PSNR by scikit-image."""
    from skimage.metrics import peak_signal_noise_ratio

    return lambda: peak_signal_noise_ratio(original.pixels, decoded.pixels, data_range=255)


def scikit_ssim(original: Image, decoded: Image) -> Timed:
    """SSIM by scikit-image."""
    from skimage.metrics import structural_similarity

    return lambda: structural_similarity(
        original.pixels, decoded.pixels, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, data_range=255, channel_axis=2,
    )  # fmt: skip


def torch_ms_ssim(original: Image, decoded: Image) -> Timed:
    """MS-SSIM by pytorch-msssim."""
    from pytorch_msssim import ms_ssim

    first, second = tensors(original, decoded)
    return lambda: ms_ssim(first, second, data_range=255)


def authors_lpips(original: Image, decoded: Image) -> Timed:
    """LPIPS by its authors' package: the time does not depend on the weights, the value does."""
    from bench.metrics.lpips import Lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lpips

        model = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = Lpips.trunk.load(Lpips.trunk.find() or Path())
    with torch.no_grad():
        for key, tensor in model.net.state_dict().items():
            tensor.copy_(state["features." + key.split(".", 1)[1]])
    first, second = (tensor / 127.5 - 1 for tensor in tensors(original, decoded))
    return torch.inference_mode()(lambda: model(first, second))


#: Metric to its reference's name and to what makes the call that is timed.
REFERENCES: dict[str, tuple[str, Callable[[Image, Image], Timed]]] = {
    "psnr": ("scikit-image", scikit_psnr),
    "ssim": ("scikit-image", scikit_ssim),
    "ms-ssim": ("pytorch-msssim", torch_ms_ssim),
    "lpips": ("lpips", authors_lpips),
}


if __name__ == "__main__":
    main()
