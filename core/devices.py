"""Which device a model runs on, and in which precision. One of the few places that import torch."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from core.errors import ModelUnavailable


def best_device(wanted: str | None = None) -> torch.device:
    """`wanted` if given, else CUDA, else Apple's MPS, else the CPU. ModelUnavailable where there is no such device."""
    if wanted and wanted != "auto":
        return _named(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def _named(wanted: str) -> torch.device:
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (
        RuntimeError,
        AssertionError,
        NotImplementedError,
    ) as error:  # which of them hangs on torch's build
        raise ModelUnavailable(
            f"There is no device {wanted!r} here that torch can use. Set DEVICE to auto, cpu, cuda, cuda:NUMBER or mps."
        ) from error
    return device


def inference_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it natively, else float32.

    On a CPU without AVX512-BF16 or AMX, bfloat16 is emulated and slower than float32.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported() and _multiplies_bf16():
        return torch.bfloat16
    return torch.float32


def _multiplies_bf16() -> bool:
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Treat denormal floats as zero meanwhile: an optimizer's square roots of them are ten times slower."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def keep_large_blocks() -> None:
    """Tell glibc to keep freed memory instead of handing every large block back to the kernel.

    A model on the CPU allocates the same large tensors again and again; with glibc's defaults each is mapped,
    zeroed page by page and unmapped anew. Keeping them made training steps nearly twice as fast on two cores.
    Elsewhere than on glibc it does nothing.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return
    m_trim_threshold, m_top_pad, m_mmap_max, m_arena_max = -1, -2, -4, -8
    libc.mallopt(m_arena_max, 1)  # else every thread keeps large blocks of its own
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)
    libc.mallopt(m_top_pad, 64 * 2**20)
