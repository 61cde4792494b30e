"""Several processes for one stage, one a GPU, started by torchrun or `accelerate launch` from the parameters.

The stage starts itself anew under the engine and waits; the engine tells each process its rank in the environment. Several
machines: start the same stage on each with the engine's own arguments in train.launcher.arguments (docs/scale.md).
"""

import os
import subprocess
import sys

from stages.errors import StageError


def rank() -> int:
    """This process's number over all machines; 0 also where it is the only one."""
    return int(os.environ.get("RANK", 0))


def world() -> int:
    """Processes over all machines."""
    return int(os.environ.get("WORLD_SIZE", 1))


def command(launcher, module: str, arguments: list[str], gpu: bool) -> list[str]:
    """The engine's command line for `python -m MODULE ARGUMENTS`."""
    own = list(launcher.arguments)
    if launcher.engine == "torchrun":
        alone = [] if any("nnodes" in word or "rdzv" in word or "master" in word for word in own) else ["--standalone"]  # a free port
        start = ["torch.distributed.run", f"--nproc-per-node={launcher.processes}", *alone]
    else:
        kind = ["--multi_gpu"] if gpu and launcher.processes > 1 else [] if gpu else ["--cpu"]
        start = ["accelerate.commands.launch", f"--num_processes={launcher.processes}", "--num_machines=1", "--mixed_precision=no",
                 "--dynamo_backend=no", *kind]
    return [sys.executable, "-m", *start, *own, "-m", module, *arguments]


def relaunched(launcher, module: str, *arguments: str) -> bool:
    """Whether this process was only there to start the others, which have done the stage. Raises StageError when one failed."""
    if launcher.engine == "none" or "LOCAL_RANK" in os.environ or os.environ.get("ACCELERATE_MIXED_PRECISION"):
        return False
    import torch

    process = subprocess.Popen(command(launcher, module, list(arguments), torch.cuda.is_available()))
    try:
        code = process.wait()
    finally:
        if process.poll() is None:  # a signal to this process: the engine passes it on
            process.terminate()
            process.wait()
    if code:
        raise StageError(f"{launcher.engine}: a process of {module} ended with code {code}; its own message is above.")
    return True


def settle() -> None:
    """This process's GPU, and its part of the processor cores: to be called before a model is loaded."""
    import torch

    local, processes = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if torch.cuda.is_available():
        torch.cuda.set_device(local)
    torch.set_num_threads(max(1, torch.get_num_threads() // processes))


def share(sizes: list[int]) -> list[int]:
    """This process's part of as many things, as indices: of each size about as many as every other process has."""
    if world() == 1:
        return list(range(len(sizes)))
    return sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))[rank() :: world()]


def gathered(done: dict) -> dict | None:
    """What all processes have made, in the first one; None in the others."""
    if world() == 1:
        return done
    import torch.distributed as dist

    if not dist.is_initialized():
        dist.init_process_group("gloo")
    parts = [None] * world() if rank() == 0 else None
    dist.gather_object(done, parts)
    return {key: value for part in parts for key, value in part.items()} if parts else None
