"""When the GPU's memory is full: less at once, and at last the CPU. Whatever is done is said."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

_logger = logging.getLogger(__name__)
_SMALLER = 4
# Then a chunk is 512 nodes, 0.5 MB a tensor: what is full is full with something else.
_MOST_PARTS = 16
Result = TypeVar("Result")


class GpuMemory:
    """How small the parts are that go through the network at once; they never grow again.

    Args:
        leave_gpu: Makes what is run afterwards use the CPU.
    """

    def __init__(self, leave_gpu: Callable[[], None]) -> None:
        self._leave_gpu = leave_gpu
        self._has_left = False
        self._parts = 1

    def fit(self, run: Callable[[int], Result]) -> Result:
        """Run again and again, with smaller parts and at last on the CPU, until it fits.

        Args:
            run: Given into how many parts a chunk is to be cut.

        Raises:
            torch.cuda.OutOfMemoryError: Even after the GPU was left.
        """
        import torch

        while True:
            try:
                return run(self._parts)
            except torch.cuda.OutOfMemoryError:
                if self._has_left:
                    raise
            # Not above: until here the error holds the tensors.
            self._give_way()
            torch.cuda.empty_cache()

    def _give_way(self) -> None:
        if self._parts < _MOST_PARTS:
            self._parts *= _SMALLER
            _logger.warning(
                "The GPU's memory is full. It is tried with a part of %s of what went through the "
                "encoder at once.",
                f"1/{self._parts}",
            )
            return
        self._parts, self._has_left = 1, True
        self._leave_gpu()
        _logger.warning(
            "The GPU's memory is full even for small parts. The encoder goes on with the CPU, "
            "which takes longer; the vectors are the same but for rounding."
        )


def run_or_leave_gpu(run: "Callable[[torch.device], Result]", device: "torch.device") -> Result:
    """Run on a device; on the CPU where that is a GPU whose memory is full.

    For what cannot be cut smaller without becoming something else.
    """
    import torch

    try:
        return run(device)
    except torch.cuda.OutOfMemoryError:
        if device.type == "cpu":
            raise
    torch.cuda.empty_cache()
    _logger.warning(
        "The GPU's memory is full. The training goes on with the CPU, which takes longer, from "
        "where it last looked."
    )
    return run(torch.device("cpu"))
