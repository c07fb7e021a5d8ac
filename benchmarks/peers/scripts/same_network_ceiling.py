"""The same step on pictures that lie in memory as ready batches: what no input can exceed.

Precision, memory format and threads are those that hubel chooses: a short training of its own
tells them. The step is forward, cross-entropy, backward, and plain SGD, the cheapest update.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from passes import Passes
from speaking import say, say_versions


def keep_heap() -> bool:
    """Let glibc keep the memory that tensors give back; return whether this system has it."""
    try:
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(-4, 0)  # M_MMAP_MAX
        library.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        library.mallopt(-2, 64 * 2**20)  # M_TOP_PAD
    except (OSError, AttributeError):
        return False
    return True


def chosen(folder: Path, network: str, size: int, batch: int, scratch: Path) -> dict[str, Any]:
    """Return the choices of hubel's plan for this network."""
    run = scratch / "chosen"
    program = [sys.executable, "-m", "hubel", "train", str(folder), "--out", str(run)]
    named = ("--model", f"torchvision:{network}", "--size", str(size), "--batch", str(batch))
    subprocess.run([*program, *named, "--epochs", "1"], check=True, stdout=sys.stderr)
    plan = json.loads((run / "plan.json").read_text("utf-8"))
    return {choice["name"]: choice["value"] for choice in plan["choices"]}


def main() -> None:
    """Take as many steps as the other arms."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="few pictures, for hubel's choices")
    parser.add_argument("network", choices=("resnet18", "mobilenet_v2"))
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    given = parser.parse_args()
    choices = chosen(given.folder, given.network, given.size, given.batch, given.scratch)
    kept = keep_heap()
    import torch
    import torchvision
    from torch.nn import functional

    say_versions("hubel", "torch", "torchvision")
    torch.manual_seed(0)
    torch.set_num_threads(choices["threads"])
    layout = torch.channels_last if choices["channels_last"] else torch.contiguous_format
    network = torchvision.models.get_model(given.network, weights=None, num_classes=10)
    network = network.to(memory_format=layout).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    shape = given.batch, 3, given.size, given.size
    inputs = [torch.randn(shape).to(memory_format=layout) for _ in range(min(8, given.steps))]
    targets = torch.randint(10, (given.batch,))
    low = choices["precision"] == "bfloat16"
    arithmetic = torch.autocast("cpu", torch.bfloat16) if low else nullcontext()
    passes = Passes()
    for _ in range(given.epochs):
        passes.start()
        for step in range(given.steps):
            passes.arrived(given.batch)
            with arithmetic:
                outputs = network(inputs[step % len(inputs)])
            functional.cross_entropy(outputs.float(), targets).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            passes.stepped()
        passes.end()
    names = ("precision", "channels_last", "threads")
    say("final", heap_kept=kept, **{name: choices[name] for name in names})


if __name__ == "__main__":
    main()
