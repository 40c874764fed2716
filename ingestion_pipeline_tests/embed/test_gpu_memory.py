"""A GPU whose memory is full, without a GPU: less at once, then the CPU, and it is said."""

import logging

import numpy as np
import pytest

from ingestion_pipeline.core.errors import ConfigurationError
from ingestion_pipeline.embed import Encoder, encode_graph, load_encoder
from ingestion_pipeline.embed import encoder as encoder_module
from ingestion_pipeline.embed.bags import Bags
from ingestion_pipeline.embed.gpu_memory import GpuMemory, run_or_leave_gpu
from ingestion_pipeline.embed.torch_backend import TorchBackend, make_backend
from ingestion_pipeline.embed.torch_runtime import _say_that_there_is_no_gpu, choose_device
from ingestion_pipeline_tests.embed.graphs import SHOP
from ingestion_pipeline_tests.embed.test_network import has_cuda
from ingestion_pipeline_tests.embed.trained import make_trained_weights

WEIGHTS = make_trained_weights()


class Gpu:
    """Memory for so many nodes at once, until it is left.

    Args:
        nodes: That fit.
    """

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.tried: list[int] = []

    def leave(self) -> None:
        self.nodes = 1 << 40

    def run(self, parts: int) -> str:
        import torch

        self.tried.append(parts)
        if 8192 // parts > self.nodes:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return f"in {parts} parts"


@pytest.mark.parametrize(
    ("nodes", "tried"), [(8192, [1]), (2048, [1, 4]), (600, [1, 4, 16]), (9, [1, 4, 16, 1])]
)
def test_less_is_tried_and_then_the_cpu(nodes: int, tried: list[int]) -> None:
    gpu = Gpu(nodes)
    memory = GpuMemory(gpu.leave)
    assert memory.fit(gpu.run) == f"in {tried[-1]} parts"
    assert gpu.tried == tried
    assert memory.fit(gpu.run) == f"in {tried[-1]} parts"  # what did not fit is not tried again
    assert gpu.tried == [*tried, tried[-1]]


def test_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    gpu = Gpu(9)
    GpuMemory(gpu.leave).fit(gpu.run)
    said = [(record.levelname, record.message) for record in caplog.records]
    assert {level for level, _ in said} == {"WARNING"}
    assert "a part of 1/4 of what went" in said[0][1]
    assert "goes on with the CPU" in said[2][1]


def test_other_errors_and_a_full_cpu_are_not_hidden() -> None:
    import torch

    def fail(_parts: int) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.cuda.OutOfMemoryError):
        GpuMemory(lambda: None).fit(fail)
    with pytest.raises(ZeroDivisionError):
        GpuMemory(lambda: None).fit(lambda parts: 1 // (parts - 1))


def test_what_cannot_be_cut_goes_to_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    import torch

    tried: list[str] = []

    def run(device: torch.device) -> int:
        tried.append(device.type)
        if device.type == "cuda":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return 7

    assert run_or_leave_gpu(run, torch.device("cuda")) == 7
    assert tried == ["cuda", "cpu"]
    assert "The training goes on with the CPU" in caplog.text


class FullBackend(TorchBackend):
    """Has no memory for more than so many nodes."""

    most_nodes = 0

    def sum_bags(self, bags: Bags):
        import torch

        if len(bags.offsets) > self.most_nodes:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return super().sum_bags(bags)


@pytest.mark.parametrize("most_nodes", [0, 1, 2])
def test_the_vectors_are_the_same(monkeypatch: pytest.MonkeyPatch, most_nodes: int) -> None:
    monkeypatch.setattr(encoder_module, "PLAIN_TERMS", 0)
    expected = encode_graph(Encoder(WEIGHTS, "cpu"), SHOP)
    made: list[TorchBackend] = []

    def make_full(weights, device):
        import torch

        table = weights.table.make_rows(np.arange(65537))
        backend = (
            FullBackend(torch.from_numpy(table)) if not made else make_backend(weights, device)
        )
        made.append(backend)
        return backend

    monkeypatch.setattr(FullBackend, "most_nodes", most_nodes)
    monkeypatch.setattr(encoder_module, "make_backend", make_full)
    encoder = Encoder(WEIGHTS, "cpu")
    np.testing.assert_allclose(encode_graph(encoder, SHOP), expected, atol=1e-5)
    assert len(made) == (2 if most_nodes == 0 else 1)
    encoder.encode_text("send a letter")


def test_messages_are_passed_in_parts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "PLAIN_TERMS", 0)
    encoder = Encoder(WEIGHTS, "cpu")
    expected = encode_graph(encoder, SHOP)
    encoder._memory._parts = 8192
    np.testing.assert_allclose(encode_graph(encoder, SHOP), expected, atol=1e-5)


def test_no_gpu_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    if has_cuda():
        pytest.skip("a CUDA GPU is here")
    caplog.set_level(logging.INFO)
    _say_that_there_is_no_gpu.cache_clear()
    for _ in range(2):
        assert choose_device("auto").type == "cpu"
    assert [record.message for record in caplog.records] == [
        "There is no CUDA GPU that torch can use here, so the encoder runs on the CPU."
    ]
    for name in ("cuda", "cuda:0"):
        with pytest.raises(ConfigurationError, match=f"set to {name}, but torch .* sees no CUDA"):
            load_encoder(name)
