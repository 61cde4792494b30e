"""What this machine computes fast: device, number type and threads, each chosen with one printed line."""

import os
from pathlib import Path


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware (AMX or AVX512-BF16); without it, it is hundreds of times slower."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split("\nflags", 2)[1].split("\n", 1)[0].split()
    except (OSError, IndexError):
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def choose(dtype: str) -> tuple[str, str, str]:
    """(device, number type, why) for params.model.dtype."""
    import torch

    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        auto, why = ("bfloat16", "fast on this GPU") if fast else ("float16", "this GPU has no bfloat16")
        device = "cuda"
    elif torch.backends.mps.is_available():
        device, auto, why = "mps", "float32", "safe on Apple's GPU"
    else:
        # float32 also where bfloat16 is fast: the same run then gives the same figures on every laptop
        device, auto = "cpu", "float32"
        why = "exact on every CPU; model.dtype=bfloat16 is faster on this one" if cpu_has_bf16() else "this CPU has no fast bfloat16"
    return (device, auto, why) if dtype == "auto" else (device, dtype, "as model.dtype says")


def set_threads() -> int:
    """Torch's threads: the processors that this process may use (a container's limit counts, the host's number does not)."""
    import torch

    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(count)
    return count
