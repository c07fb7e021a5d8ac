"""The same step on pictures that lie in memory as ready batches: what no input can exceed.

Channels-last, a thread a processor, bfloat16 where the hardware has it, glibc's heap kept. The step
is forward, cross-entropy, backward, and plain SGD, the cheapest update.
"""

from __future__ import annotations

import argparse
import ctypes
from contextlib import nullcontext

import torch
import torchvision
from passes import Passes, processors
from speaking import say, say_versions
from torch.nn import functional

from fashion import has_bfloat16


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


def main() -> None:
    """Take as many steps as the other arms."""
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=("resnet18", "mobilenet_v2"))
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    given = parser.parse_args()
    kept = keep_heap()
    say_versions("torch", "torchvision")
    torch.manual_seed(0)
    torch.set_num_threads(processors())
    layout = torch.channels_last
    network = torchvision.models.get_model(given.network, weights=None, num_classes=10)
    network = network.to(memory_format=layout).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    shape = given.batch, 3, given.size, given.size
    inputs = [torch.randn(shape).to(memory_format=layout) for _ in range(min(8, given.steps))]
    targets = torch.randint(10, (given.batch,))
    low = has_bfloat16()
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
    precision = "bfloat16" if low else "float32"
    say("final", heap_kept=kept, precision=precision, threads=torch.get_num_threads())


if __name__ == "__main__":
    main()
