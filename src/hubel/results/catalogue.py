"""What `models` says about the networks that hubel has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedErrors:
    """The error rates that a source gives for a network, in percent, and how they were measured."""

    top1: float | None
    top5: float | None
    data: str
    """Data set and split, as `ImageNet 2012 validation` or `CIFAR-10 test`."""
    crops: str
    """How the pictures were read, as `single crop` or `10 crops`."""
    source: str
    """Bibliography key, with the table: `he2016deep, table 3`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTable:
    """A table of the paper, as it stands in the network's page."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEntry:
    """One network: where it comes from, what it costs, what is published of it."""

    name: str
    year: int
    source: str
    """Bibliography key."""
    summary: str
    params: int
    """At the design input and number of classes, auxiliary heads included."""
    macs: int
    """Multiply-accumulates for one picture of the design input."""
    input: tuple[int, int, int]
    """Channels, height and width that it was designed for."""
    outputs: int
    """Classes that it was designed for."""
    least_size: int
    """Side of the smallest picture, in pixels."""
    arguments: tuple[str, ...]
    """Arguments that --model-arguments takes."""
    errors: PublishedErrors | None
    weights: tuple[str, ...]
    """Where published weights are, the default ones first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPage:
    """One network in detail."""

    entry: NetworkEntry
    text: str
    """What the page in the code says: the paper's layers, and where it leaves the paper."""
    tables: tuple[PaperTable, ...]
    listing: str = ""
    """Where the page has its paper's figures as nested literals: these, as they stand there."""
