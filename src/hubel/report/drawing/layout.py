"""Places for the nodes of a graph without cycles: layers from top to bottom, few crossings.

The method of Sugiyama, in its plainest form: ranks by the longest path from the input; long edges
pass through empty places of the ranks between; barycentres order each rank; then each place moves
towards the mean of its neighbours as far as the order allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

SWEEPS: Final = 4
LONGEST: Final = 14
"""Ranks that an edge may span through places of its own; longer ones are drawn aside."""
MANY: Final = 3
"""Of a node with more readers than these, only edges to the next two ranks get places."""
LINE: Final = 0.2
"""Room of a line that passes a rank, in columns; a box has 1."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything lies; x in units of one column, y in ranks."""

    places: tuple[Point, ...]
    """Of each node: column and rank."""
    routes: tuple[tuple[Point, ...], ...]
    """Of each edge, from its first node to its second; two points where it is drawn aside."""
    width: float
    """Columns from the leftmost node to the rightmost one."""
    ranks: int


def layered(nodes: int, edges: Sequence[tuple[int, int]]) -> Layout:
    """Return the layout of a graph whose edges lead from lower to higher nodes.

    Errors: ValueError for an edge that leads backwards or out of the graph.
    """
    for first, second in edges:
        if not 0 <= first < second < nodes:
            raise ValueError(f"an edge from {first} to {second} in a graph of {nodes} nodes")
    ranks = _ranks(nodes, edges)
    readers = Counter(first for first, _ in edges)
    chains: list[list[int]] = []
    height = list(ranks)
    for first, second in edges:
        span = ranks[second] - ranks[first]
        chain = [first]
        if span <= (2 if readers[first] > MANY else LONGEST):
            for rank in range(ranks[first] + 1, ranks[second]):
                chain.append(len(height))
                height.append(rank)
        chains.append([*chain, second])
    near: list[list[int]] = [[] for _ in height]
    for chain in chains:
        if len(chain) <= height[chain[-1]] - height[chain[0]]:
            continue
        for one, other in pairwise(chain):
            near[one].append(other)
            near[other].append(one)
    room = [1.0] * nodes + [LINE] * (len(height) - nodes)
    x = _columns(_ordered(height, near), room, near)
    left = min(x, default=0.0)
    points = [(place - left, float(rank)) for place, rank in zip(x, height, strict=True)]
    return Layout(
        places=tuple(points[:nodes]),
        routes=tuple(tuple(points[node] for node in chain) for chain in chains),
        width=max(x, default=0.0) - left,
        ranks=max(height, default=-1) + 1,
    )


def _ranks(nodes: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the length of the longest path to each node."""
    ranks = [0] * nodes
    for first, second in sorted(edges, key=lambda edge: edge[1]):
        ranks[second] = max(ranks[second], ranks[first] + 1)
    return ranks


def _ordered(height: Sequence[int], near: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the nodes of each rank from left to right, ordered by barycentres down and up."""
    rows: list[list[int]] = [[] for _ in range(max(height, default=-1) + 1)]
    for node, rank in enumerate(height):
        rows[rank].append(node)
    place = [0.0] * len(height)
    for row in rows:
        _number(row, place)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for rank in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            beside = rank - 1 if down else rank + 1
            keys: dict[int, float] = {}
            for node in rows[rank]:
                others = [place[other] for other in near[node] if height[other] == beside]
                keys[node] = sum(others) / len(others) if others else place[node]
            rows[rank].sort(key=lambda node: (keys[node], place[node]))
            _number(rows[rank], place)
    return rows


def _number(row: Sequence[int], place: list[float]) -> None:
    """Give the nodes of a rank places around its middle."""
    for index, node in enumerate(row):
        place[node] = index - (len(row) - 1) / 2


def _columns(
    rows: Sequence[Sequence[int]], room: Sequence[float], near: Sequence[Sequence[int]]
) -> list[float]:
    """Return a column for each node: near its neighbours, clear of the next ones in its rank."""
    x = [0.0] * len(room)
    for row in rows:
        _number(row, x)
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wished = [
                sum(x[other] for other in near[node]) / len(near[node]) if near[node] else x[node]
                for node in row
            ]
            rooms = [room[node] for node in row]
            for node, column in zip(row, _apart(wished, rooms), strict=True):
                x[node] = column
    return x


def _apart(wished: Sequence[float], rooms: Sequence[float]) -> list[float]:
    """Return the columns nearest to `wished` (least squares) at which neighbours do not touch.

    Neighbours i and i + 1 are at least (rooms[i] + rooms[i + 1]) / 2 apart: isotonic regression
    of what is wished less the least distance from the first, by pooling adjacent violators.
    """
    least = [0.0]
    for one, other in pairwise(rooms):
        least.append(least[-1] + (one + other) / 2)
    pools: list[tuple[float, int]] = []
    for column, distance in zip(wished, least, strict=True):
        total, amount = column - distance, 1
        while pools and pools[-1][0] * amount > total * pools[-1][1]:
            before, many = pools.pop()
            total, amount = total + before, amount + many
        pools.append((total, amount))
    level = [total / amount for total, amount in pools for _ in range(amount)]
    return [column + distance for column, distance in zip(level, least, strict=True)]
