"""The ImageNet networks that LPIPS compares features of: where their weights are.

AlexNet's ship with the package. VGG-16's and SqueezeNet's are looked for in the user's data
folder: torchvision's own checkpoint, or a file with its ``features.*`` alone. Either way the digest
of the tensors is checked, so that other weights under the right name are never used.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from bench import paths
from bench.data.download import download
from bench.errors import DownloadError, UnavailableError

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Trunk:
    """A network's convolutional part with the weights that torchvision trained on ImageNet.

    Parameters
    ----------
    name : torchvision's name of the network.
    url : torchvision's checkpoint; the eight digits in its name begin its SHA-256.
    sha256 : digest of the tensors ``features.*`` (:func:`digest`).
    """

    name: str
    url: str
    sha256: str

    @property
    def checkpoint(self) -> str:
        """The name of torchvision's file."""
        return self.url.rpartition("/")[2]

    @property
    def features(self) -> str:
        """The name of our file with the features alone."""
        return f"lpips_{self.name}_features.safetensors"

    def find(self) -> Path | None:
        """Return the file that holds the weights on this machine, or None."""
        folder = weights_dir()
        candidates = [
            Path(__file__).parent / "weights" / self.features,
            folder / self.features,
            folder / f"{self.name}_features.pth",
            folder / self.checkpoint,
        ]
        return next((path for path in candidates if path.is_file()), None)

    def load(self, path: Path) -> Tensors:
        """Return the tensors ``features.*`` of `path`, float32.

        Raises UnavailableError where the file can't be read or holds other weights.
        """
        tensors = _read(path)
        if digest(tensors) != self.sha256:
            raise UnavailableError(
                f"{path} does not hold the weights that LPIPS was made with: the features.* of "
                f"torchvision's {self.checkpoint} were expected"
            )
        return tensors

    def fetch(self, source: Path | None = None) -> Path:
        """Return where the verified weights are, after bringing them here if need be.

        Parameters
        ----------
        source : a file that holds them; torchvision's checkpoint is downloaded if left out.

        Raises
        ------
        UnavailableError : `source`, or a file already here, holds other weights.
        DownloadError : the checkpoint can't be downloaded, or is not what torchvision published.
        """
        if source is not None:
            return self.install(source)
        if (found := self.find()) is not None:
            self.load(found)
            return found
        try:
            fetched = download(self.url, weights_dir() / self.checkpoint, label=self.checkpoint)
        except DownloadError as error:
            raise DownloadError(f"{error}; --from FILE takes the weights from a file") from None
        prefix = self.checkpoint.removesuffix(".pth").rpartition("-")[2]
        if not fetched.sha256.startswith(prefix):
            fetched.path.unlink()
            raise DownloadError(
                f"{self.url}: the SHA-256 is {fetched.sha256}, it should begin with {prefix}; "
                "what was downloaded is deleted"
            )
        installed = self.install(fetched.path)
        # Nine tenths of it are the classifier, which LPIPS has no use for.
        fetched.path.unlink()
        return installed

    def install(self, source: Path) -> Path:
        """Check the weights in `source`, put them into the user's data folder, return where."""
        from safetensors.torch import save_file

        tensors = self.load(source)
        target = weights_dir() / self.features
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            save_file(tensors, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target


_HOST = "https://download.pytorch.org/models"

ALEXNET = Trunk(
    "alexnet",
    f"{_HOST}/alexnet-owt-7be5be79.pth",
    "195266a4c8e96483085621ac3389a6c24f1dd0963c9ac0e001705d24ece83273",
)
VGG16 = Trunk(
    "vgg16",
    f"{_HOST}/vgg16-397923af.pth",
    "e7a5a0521f65f1615c3aab84437b37f969539737cec5eb492c06e0321f4bdbc4",
)
SQUEEZENET = Trunk(
    "squeezenet1_1",
    f"{_HOST}/squeezenet1_1-b8a52dc0.pth",
    "e93098750a62e61ef70cc50f01c17f7eccd8b4c075997affea326c113b362a6e",
)


def weights_dir() -> Path:
    """Return the user's folder for metrics' weights (not created)."""
    return paths.data_dir() / "weights"


def digest(tensors: Tensors) -> str:
    """Return the SHA-256 over names, shapes and float32 values: the same for every file format."""
    sha = sha256()
    for name, tensor in sorted(tensors.items()):
        sha.update(f"{name} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.contiguous().numpy().astype("<f4", copy=False).tobytes())
    return sha.hexdigest()


def _read(path: Path) -> Tensors:
    """Return the tensors ``features.*`` of a safetensors file or a PyTorch checkpoint."""
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  (torch's unpickler raises anything on rubbish)
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UnavailableError(f"{path} can't be read as network weights: {reason}") from None
    if not isinstance(state, dict):
        raise UnavailableError(f"{path} holds no dictionary of tensors")
    return {
        name: tensor.float()
        for name, tensor in state.items()
        if name.startswith("features.") and isinstance(tensor, torch.Tensor)
    }
