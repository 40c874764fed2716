"""Importing torch and PyG when they are needed, without the warnings they give of themselves."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingestion_pipeline.core.errors import ConfigurationError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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
        ConfigurationError: A name other than ``auto``, ``cpu`` or ``cuda``, or CUDA on a machine
            without it.
    """
    if name not in {"auto", "cpu", "cuda"}:
        raise ConfigurationError(f"Unknown device {name!r}; give auto, cpu or cuda.")
    if name == "cuda":
        choose_device(name)


def choose_device(name: str) -> "torch.device":
    """Return the device of ``auto`` (CUDA where there is one), ``cpu`` or ``cuda``.

    Raises:
        ConfigurationError: CUDA on a machine without it.
    """
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            f"The device is set to cuda, but torch {torch.__version__} sees no CUDA GPU here. "
            "Set it to auto or cpu, or install a CUDA build of torch and the GPU's driver."
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
