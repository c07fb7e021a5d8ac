"""How much faster a fully convolutional network is than its classifier, window by window."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.recording import Section
from hubel.architectures import load
from hubel.architectures.sliding import fully_convolutional

GOAL = 5.0
TOLERANCE = 1e-5
SIZE, TIMES, STRIDE = 64, 4, 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how often, threads, and how many windows the classifier takes at once."""
    parser.add_argument("--repeats", type=int, default=7, help="of each way [default: 7]")
    parser.add_argument("--threads", type=int, default=1, help="[default: 1]")
    parser.add_argument("--batch", type=int, default=64, help="windows at once [default: 64]")


def measure(repeats: int, threads: int, batch: int) -> Section:
    """Answer for every window of a picture with sides 4 times the classifier's, both ways."""
    torch.set_num_threads(threads)
    rows, ratios = [], []
    for name, net, stride in (
        ("plain, no padding", plain(), STRIDE),
        ("resnet18", load("resnet18", outputs=10, channels=3, size=SIZE).module, 32),
    ):
        net.eval()
        sliding = fully_convolutional(net, size=SIZE).eval()
        picture = torch.randn(1, 3, TIMES * SIZE, TIMES * SIZE)
        ways: tuple[Callable[[], Tensor], ...] = (
            lambda net=net, stride=stride, picture=picture: window_by_window(
                net, picture, stride, batch
            ),
            lambda sliding=sliding, picture=picture: sliding(picture),
        )
        seconds, answers = alternate(ways, repeats)
        windows, found = answers
        apart = (windows - found).abs().max().item()
        if stride == STRIDE and apart > TOLERANCE:
            raise SystemExit(f"{name}: the two ways differ by {apart:.1e}")
        middle = [statistics.median(each) for each in seconds]
        ratios.append(middle[0] / middle[1])
        rows.append(
            (
                name,
                f"{found.shape[2]}×{found.shape[3]}",
                f"{middle[0] * 1000:.1f}",
                f"{middle[1] * 1000:.1f}",
                f"{ratios[-1]:.1f}×",
                f"{apart:.1e}",
            )
        )
    return Section(
        title="Sliding window",
        what=f"`hubel.architectures.fully_convolutional` on a picture of {TIMES * SIZE}×"
        f"{TIMES * SIZE} pixels, for a classifier of {SIZE}×{SIZE}, against the classifier on "
        f"every window cut out, {batch} at once. Medians of {repeats} runs of each, one after the "
        f"other, {threads} thread(s). With padding (resnet18) the answers themselves differ.",
        header=("network", "windows", "cut out ms", "map ms", "ratio", "greatest difference"),
        rows=rows,
        verdict=f"**{ratios[0]:.1f}×** as fast without padding, equal within {TOLERANCE:.0e} "
        f"(goal: {GOAL:.0f}×, n = {repeats}).",
    )


def plain() -> nn.Module:
    """Return a network without padding: strides 2·2·2, then fully connected."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 36, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def window_by_window(net: nn.Module, picture: Tensor, stride: int, batch: int) -> Tensor:
    """Return the classifier's answers for every window, (1, outputs, h', w')."""
    windows = picture.unfold(2, SIZE, stride).unfold(3, SIZE, stride)
    high, wide = windows.shape[2:4]
    cut = windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, picture.shape[1], SIZE, SIZE)
    answers = torch.cat([net(part) for part in cut.split(batch)])
    return answers.T.reshape(1, -1, high, wide)


def alternate(
    ways: tuple[Callable[[], Tensor], ...], repeats: int
) -> tuple[list[list[float]], list[Tensor]]:
    """Return the seconds of each way, in turns, after one run of each that is not counted."""
    with torch.no_grad():
        answers = [way() for way in ways]
        seconds: list[list[float]] = [[] for _ in ways]
        for _ in range(repeats):
            for way, taken in zip(ways, seconds, strict=True):
                started = time.perf_counter()
                way()
                taken.append(time.perf_counter() - started)
    return seconds, answers
