"""Rewriting a traced classifier so that it answers for every window of a larger picture."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, cast

from torch import Tensor, fx, nn

from hubel.architectures.sliding import operations as kinds
from hubel.architectures.sliding.operations import Reader, is_moving_slice
from hubel.errors import UsageError

Kind = Literal["plain", "map", "vector", "rows", "gate"]
"""plain: no picture in it (weights, sizes). map: at the size of training, the tensor that the
classifier has, its last two dimensions in space. vector: the classifier's (n, f), here still a map
whose windows, flattened, are f values. rows: the classifier's (n, ...), here one of n for each
window. gate: of the whole picture, to be joined with maps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value of the classifier is found in the rewritten network."""

    kind: Kind
    node: Any
    window: tuple[int, int] = (1, 1)
    source: fx.Node | None = None
    """For rows: the map that they were cut from, by `window`."""


class ToRows(nn.Module):
    """Every window of a map as a picture of its own: (n, c, h, w) to (n · positions, ...)."""

    def __init__(self, window: tuple[int, int], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.window, self.shape = window, shape

    def forward(self, maps: Tensor) -> Tensor:
        """Return the windows, row by row, in the shape that the classifier expects."""
        windows = maps.unfold(2, self.window[0], 1).unfold(3, self.window[1], 1)
        return windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, *self.shape)


class FromRows(nn.Module):
    """The way back: (n · positions, outputs) to (n, outputs, h', w')."""

    def __init__(self, window: tuple[int, int]) -> None:
        super().__init__()
        self.window = window

    def forward(self, rows: Tensor, maps: Tensor) -> Tensor:
        """Return the answers where their windows were in `maps`."""
        high, wide = (side - w + 1 for side, w in zip(maps.shape[2:], self.window, strict=True))
        return rows.reshape(maps.shape[0], high, wide, -1).permute(0, 3, 1, 2)


class Rewriter:
    """Turns the nodes of a classifier one by one, in order, into those of the new network."""

    def __init__(self, reader: Reader, graph: fx.Graph) -> None:
        self.reader = reader
        self.graph = fx.Graph()
        self.attributes: dict[str, Any] = {}
        self.places: dict[fx.Node, Place] = {}
        self._lifted: dict[fx.Node, Place] = {}
        self.over_picture: list[str] = []
        """What stays one value for the whole picture."""
        self._returning = _maps_after(reader, graph)
        for node in graph.nodes:
            self.places[node] = self._visit(node)

    def _visit(self, node: fx.Node) -> Place:
        """Return the place of a node's value, by the kinds of what it reads."""
        if node.op == "output":
            return self._output(node)
        if node.op == "placeholder":
            return Place(kind="map", node=self.graph.placeholder(str(node.target)))
        found = {self.places[one].kind for one in node.all_input_nodes} - {"plain"}
        if self.reader.name(node) == "assert":
            return Place(kind="plain", node=None)
        if not found:
            return self._copy(node, "plain")
        if found == {"gate"}:
            return self._copy(node, "gate")
        if found == {"vector"}:
            return self._vector(node)
        if found <= {"rows", "vector"}:
            return self._rows(node)
        if found == {"map"}:
            return self._map(node)
        if found == {"map", "gate"} and self.reader.name(node) in kinds.BINARY:
            return self._copy(node, "map")
        raise self._refuse(node)

    def _map(self, node: fx.Node) -> Place:
        """Place a node that reads maps alone."""
        reader = self.reader
        source = node.all_input_nodes[0]
        before, after = reader.shape(source), reader.shape(node)
        if not reader.is_tensor(node):
            return self._copy(node, "plain")
        pooling = reader.pooling(node)
        if pooling and len(before) == 4:
            return self._pool(node, pooling, before, after)
        if reader.name(node) in kinds.RESHAPING or isinstance(reader.layer(node), nn.Flatten):
            place = self._reshape(node, before, after)
            if place is not None:
                return place
        elif self._is_local(node, before, after):
            return self._copy(node, "map")
        if len(before) == 4 and not _is_map(after) and node not in self._returning:
            return self._rows(node)  # a head that works on the whole map: window after window
        raise self._refuse(node)

    def _is_local(self, node: fx.Node, before: tuple[int, ...], after: tuple[int, ...]) -> bool:
        """Return whether a node does the same at every place of its maps."""
        reader, name, layer = self.reader, self.reader.name(node), self.reader.layer(node)
        if isinstance(layer, kinds.PICTURE_LAYERS):
            self.over_picture.append(self._path(node))
            return True
        if isinstance(layer, (*kinds.LOCAL_LAYERS, *kinds.POINTWISE_LAYERS)):
            return True
        if name in kinds.POINTWISE | kinds.LOCAL | kinds.DROPPING:
            return True
        if name in kinds.BINARY:
            constants = [
                reader.shape(one)
                for one in node.all_input_nodes
                if self.places[one].kind == "plain" and reader.is_tensor(one)
            ]
            return all(set(shape[-2:]) <= {1} for shape in constants)
        if name == "getitem":
            several = isinstance(reader.values[node.all_input_nodes[0]], (tuple, list))
            return several or (len(after) >= 4 and is_moving_slice(node.args[1]))
        if name in kinds.JOINING | kinds.ALONG | kinds.EXCHANGING:
            rank = len(after) if name == "stack" else len(before)
            dimensions = reader.dimensions(node, rank)
            return dimensions is not None and max(dimensions, default=0) < rank - 2
        return False

    def _pool(
        self, node: fx.Node, kind: str, before: tuple[int, ...], after: tuple[int, ...]
    ) -> Place:
        """Place a pooling of the whole map, or into a fixed number of fields."""
        place = self.places[node.all_input_nodes[0]]
        sides = (before[2], before[3])
        if after[2:] == sides:
            return place
        if _is_map(after):
            return self._rows(node)
        if self._is_local(node, before, after) and self._is_joined(node):
            return self._copy(node, "map")  # a layer of the body that happens to see the whole map
        if node in self._returning:
            self.over_picture.append(self._path(node))
            return self._copy(node, "gate")
        pooled = place.node
        if sides != (1, 1):
            layer = nn.AvgPool2d(sides, 1) if kind == "mean" else nn.MaxPool2d(sides, 1)
            pooled = self._call(node, layer, pooled)
        return Place(kind="map" if len(after) == 4 else "vector", node=pooled)

    def _is_joined(self, node: fx.Node) -> bool:
        """Return whether maps follow a node, or what follows is joined with what does not."""
        after, picture = _all_after(node), _all_after(next(iter(node.graph.nodes)))
        others = {
            one
            for user in after - {node}
            for one in user.all_input_nodes
            if one in picture - after and self.reader.is_tensor(one)
        }
        return node in self._returning or bool(others)

    def _reshape(
        self, node: fx.Node, before: tuple[int, ...], after: tuple[int, ...]
    ) -> Place | None:
        """Place a map in another shape: regrouped or flattened."""
        sides = (before[-2], before[-1])
        if after[0] != before[0]:
            return None
        if len(after) >= 4 and after[-2:] == sides:
            return self._copy(node, "map")
        if len(before) == 4 and (len(after) == 2 or (len(after) == 3 and after[2:] == (1,))):
            place = self.places[node.all_input_nodes[0]]
            whole = after[1] == prod(before[1:])
            return Place(kind="vector", node=place.node, window=sides) if whole else None
        return None

    def _vector(self, node: fx.Node) -> Place:
        """Place a node that reads vectors alone: as convolution, as it is, or row by row."""
        reader, name, layer = self.reader, self.reader.name(node), self.reader.layer(node)
        first = node.all_input_nodes[0]
        place, before, after = self.places[first], reader.shape(first), reader.shape(node)
        single = place.window == (1, 1) and len(before) == 2
        if type(layer) is nn.Linear and len(before) == 2:
            return Place(
                kind="vector",
                node=self._call(node, to_convolution(layer, place.window), place.node),
            )
        if type(layer) is nn.BatchNorm1d and single:
            return Place(kind="vector", node=self._call(node, to_maps(layer), place.node))
        if name in kinds.RESHAPING or isinstance(layer, nn.Flatten):
            if after in {before, (before[0], prod(before[1:])), (*before[:2], 1)}:
                return Place(kind="vector", node=place.node, window=place.window)
            if after[2:] == place.window and prod(after) == prod(before):
                return Place(kind="map", node=place.node)
        if isinstance(layer, kinds.POINTWISE_LAYERS) or name in kinds.POINTWISE | kinds.DROPPING:
            copied = self._copy(node, "vector")
            return Place(kind="vector", node=copied.node, window=place.window)
        if single and self._is_along_features(node):
            if isinstance(layer, nn.Softmax | nn.LogSoftmax):
                return Place(kind="vector", node=self._call(node, type(layer)(1), place.node))
            inputs = fx.map_arg(node.args[0], lambda one: self.places[one].node)
            copied = self.graph.create_node(node.op, node.target, (inputs,), {"dim": 1}, node.name)
            return Place(kind="vector", node=copied)
        return self._rows(node)

    def _is_along_features(self, node: fx.Node) -> bool:
        """Return whether a node of (n, f) is softmax or concatenation along the features."""
        layer, name = self.reader.layer(node), self.reader.name(node)
        if isinstance(layer, (nn.Softmax, nn.LogSoftmax)):
            return layer.dim in {1, -1}
        windows = {self.places[one].window for one in node.all_input_nodes}
        if name not in {"softmax", "log_softmax", "cat", "concat", "concatenate"}:
            return False
        return windows == {(1, 1)} and self.reader.dimensions(node, 2) == {1}

    def _rows(self, node: fx.Node) -> Place:
        """Place a node that works on one window at a time, as the classifier wrote it."""
        lifted = {
            one: self._lift(one) for one in node.all_input_nodes if self.places[one].kind != "plain"
        }
        copied, cut = self._copy(node, "rows", lifted), next(iter(lifted.values()))
        if copied.kind == "plain":
            return copied
        return Place(kind="rows", node=copied.node, window=cut.window, source=cut.source)

    def _lift(self, node: fx.Node) -> Place:
        """Return the value of a node as rows."""
        place = self.places[node]
        if place.kind == "rows":
            return place
        if node not in self._lifted:
            shape = self.reader.shape(node)
            window = place.window if place.kind == "vector" else (shape[2], shape[3])
            rows = self._call(node, ToRows(window, shape[1:]), place.node, suffix="rows")
            self._lifted[node] = Place(kind="rows", node=rows, window=window, source=place.node)
        return self._lifted[node]

    def _output(self, node: fx.Node) -> Place:
        """End the network with a map of answers."""
        last = node.args[0]
        if not isinstance(last, fx.Node) or not isinstance(self.reader.values[last], Tensor):
            raise refusal("its output is not one tensor")
        place, shape = self.places[last], self.reader.shape(last)
        if place.kind in {"plain", "gate"} or len(shape) < 2 or prod(shape[2:]) != 1:
            raise refusal(f"its output for two pictures has the shape {shape}, not (2, outputs)")
        answer = place.node
        if place.kind == "rows":
            answer = self._call(last, FromRows(place.window), answer, place.source, suffix="maps")
        elif place.window != (1, 1):
            raise refusal("its output is a flattened map, without a layer that answers")
        self.graph.output(answer)
        return Place(kind="plain", node=answer)

    def _copy(
        self, node: fx.Node, kind: Kind, instead: Mapping[fx.Node, Place] | None = None
    ) -> Place:
        """Take a node over as it is; dropout as a layer, which knows when it is trained."""
        places = ChainMap(dict(instead or {}), self.places)
        if self.reader.name(node) in kinds.DROPPING:
            inputs = places[node.all_input_nodes[0]].node
            return Place(kind=kind, node=self._call(node, self.reader.dropping(node), inputs))
        copied = self.graph.node_copy(node, lambda one: places[one].node)
        if node.op == "call_module":
            copied.target = self._keep(str(node.target), self.reader.layer(node))
        elif node.op == "get_attr":
            path, _, name = str(node.target).rpartition(".")
            self.attributes[str(node.target)] = getattr(self.reader.root.get_submodule(path), name)
        return Place(kind=kind if self.reader.is_tensor(node) else "plain", node=copied)

    def _call(self, node: fx.Node, layer: nn.Module, *inputs: Any, suffix: str = "") -> fx.Node:
        """Add a call of a new layer, which stands where the node's own stood."""
        name = self._keep(f"{node.name}_{suffix}" if suffix else self._path(node), layer)
        return self.graph.call_module(name, inputs)

    def _keep(self, path: str, value: Any) -> str:
        """Keep a layer under its path, or the next one that is free; return that."""
        name, number = path, 2
        while name in self.attributes and self.attributes[name] is not value:
            name, number = f"{path}_{number}", number + 1
        self.attributes[name] = value
        return name

    @staticmethod
    def _path(node: fx.Node) -> str:
        """Return the path of a node's layer, or the name of its step."""
        return str(node.target) if node.op == "call_module" else node.name

    def _refuse(self, node: fx.Node) -> UsageError:
        """Return the error for a node that has no place."""
        layer = self.reader.layer(node)
        what = type(layer).__name__ if layer else self.reader.name(node) or str(node.target)
        return refusal(f"its step {self._path(node)} ({what}) has no meaning for a larger map")


def refusal(reason: str) -> UsageError:
    """Return the error of a network that cannot be rewritten."""
    return UsageError(f"This network cannot be made fully convolutional: {reason}.")


def to_convolution(layer: nn.Linear, window: tuple[int, int]) -> nn.Conv2d:
    """Return the convolution whose kernel, as large as `window`, holds the weights of `layer`."""
    maps = layer.in_features // prod(window)
    bias = layer.bias is not None  # pyright: ignore[reportUnnecessaryComparison]
    convolution = nn.Conv2d(maps, layer.out_features, window, bias=bias, device="meta")
    weight = layer.weight.detach().reshape(layer.out_features, maps, *window)
    convolution.weight = nn.Parameter(weight, requires_grad=layer.weight.requires_grad)
    convolution.bias = layer.bias
    return convolution.train(layer.training)


def to_maps(layer: nn.BatchNorm1d) -> nn.BatchNorm2d:
    """Return the same normalisation for maps."""
    fresh = nn.BatchNorm2d(
        layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats,
        device="meta",
    )  # fmt: skip
    fresh.weight, fresh.bias = layer.weight, layer.bias
    for name, value in layer.named_buffers():
        setattr(fresh, name, value)
    return fresh.train(layer.training)


def _is_map(shape: tuple[int, ...]) -> bool:
    """Return whether a tensor has more than one pixel."""
    return len(shape) >= 4 and prod(shape[-2:]) > 1


def _all_after(node: fx.Node) -> set[fx.Node]:
    """Return a node and all that reads it, directly or not."""
    found, waiting = {node}, [node]
    while waiting:
        fresh = set(waiting.pop().users) - found
        found |= fresh
        waiting += fresh
    return found


def _maps_after(reader: Reader, graph: fx.Graph) -> set[fx.Node]:
    """Return the nodes from which a map with pixels follows: what pools there, gates."""
    found: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        users = cast(dict[fx.Node, None], node.users)
        if any(
            user in found or _is_map(reader.shape(user)) for user in users if user.op != "output"
        ):
            found.add(node)
    return found
