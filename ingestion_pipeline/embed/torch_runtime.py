"""Importing torch and PyG when they are needed, without the warnings they give of themselves."""

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from ingestion_pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_logger = logging.getLogger(__name__)


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Silence what torch and PyG say of their own insides.

    PyG 2.8 calls ``torch.jit.script``, which torch 2.13 calls deprecated; torch calls its sparse
    CSR tensors, which PyG's ``spmm`` takes, beta. Neither is anything a reader of a log can mend.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support", category=UserWarning)
        yield


def load_spmm() -> "Callable[[Tensor, Tensor, str], Tensor]":
    """Return PyG's product of a sparse CSR matrix with a dense one, by sum or mean of a row.

    Not a ``MessagePassing``: that writes a module of its own into the temporary folder in every
    process, and leaves it there.
    """
    with quiet_torch():
        from torch_geometric.utils import spmm
    return spmm


def load_scatter() -> "Callable[..., Tensor]":
    """Return PyG's sum or mean of rows by receiver, which remembers gradients."""
    with quiet_torch():
        from torch_geometric.utils import scatter
    return scatter


def check_device(name: str) -> None:
    """Refuse a device that is not there; ``auto`` and ``cpu`` are taken without importing torch.

    Raises:
        ConfigurationError: A name other than ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, or a GPU
            that is not there.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise ConfigurationError(f"Unknown device {name!r}; give auto, cpu, cuda or cuda:N.")
    if name.startswith("cuda"):
        choose_device(name)


def choose_device(name: str) -> "torch.device":
    """Return the device of ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ConfigurationError: A GPU that is not there.
    """
    import torch

    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigurationError(
            f"The device is set to {name}, but torch {torch.__version__} sees no CUDA GPU here. "
            "Set it to auto or cpu, or install a CUDA build of torch and the GPU's driver."
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cpu":
            _say_that_there_is_no_gpu()
    device = torch.device(name)
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise ConfigurationError(
            f"The device is set to {name}, but the last GPU here is "
            f"cuda:{torch.cuda.device_count() - 1}. Set INGESTION_DEVICE to one that is there."
        )
    return device


@cache
def _say_that_there_is_no_gpu() -> None:
    """Say so once in a process; nothing is wrong with it."""
    _logger.info("There is no CUDA GPU that torch can use here, so the encoder runs on the CPU.")
