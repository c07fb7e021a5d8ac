"""The same step on pictures that lie in memory as ready batches: what no input can exceed.

It computes as hubel chooses to compute this network here: precision, memory format, threads,
convolutions, glibc's heap. The step is forward, cross-entropy, backward, and plain SGD, the
cheapest update.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch
import torchvision
from passes import Passes
from speaking import say, say_versions
from torch.nn import functional

from hubel.training.hardware.arithmetic import Wishes, choose_arithmetic
from hubel.training.hardware.convolutions import choose_winograd, likely_own
from hubel.training.hardware.devices import CPU
from hubel.training.hardware.faster import NOTHING, faster
from hubel.training.hardware.heap import keep_heap
from hubel.training.hardware.store import Store
from hubel.training.outputs import forward, logits_of


def main() -> None:
    """Take as many steps as the other arms."""
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=("resnet18", "mobilenet_v2"))
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--plain", action="store_true", help="PyTorch's own functions only")
    given = parser.parse_args()
    kept = keep_heap()
    say_versions("torch", "torchvision")
    torch.manual_seed(0)
    network = torchvision.models.get_model(given.network, weights=None, num_classes=10).train()
    shape = given.batch, 3, given.size, given.size
    store = Store(CPU)
    pictures = torch.randn(shape)
    own = NOTHING if given.plain else likely_own("auto", network, pictures, Wishes(), store)
    arithmetic = choose_arithmetic(network, pictures, Wishes(), store, own=own)
    chosen = choose_winograd("no" if given.plain else "auto", network, pictures, arithmetic, store)
    torch.set_num_threads(arithmetic.threads)
    layout = torch.channels_last if arithmetic.channels_last else torch.contiguous_format
    network = network.to(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    inputs = [torch.randn(shape).to(memory_format=layout) for _ in range(min(8, given.steps))]
    targets = torch.randint(10, (given.batch,))
    computing = faster(network, replace(own, layers=chosen.layers), compiles=given.plain)
    passes = Passes()
    for _ in range(given.epochs):
        passes.start()
        for step in range(given.steps):
            passes.arrived(given.batch)
            with computing:
                outputs = forward(network, inputs[step % len(inputs)], arithmetic.precision)
            functional.cross_entropy(logits_of(outputs), targets).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            passes.stepped()
        passes.end()
    say(
        "final",
        heap_kept=kept,
        precision=arithmetic.precision,
        threads=arithmetic.threads,
        winograd=chosen.layers,
    )


if __name__ == "__main__":
    main()
