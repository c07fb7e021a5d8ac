"""The drawing of a network: no two boxes on one place, edges from box to box, figures in tips."""

import re
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.report.drawing import draw_network
from hubel.report.drawing.boxes import Box, boxes_of, region, tip
from hubel.report.drawing.layout import LONGEST, MANY, layered

sys.path.insert(0, str(Path(__file__).parent))

from sample_checks import CHECK, EDGES, ROWS


@st.composite
def graphs(draw):
    nodes = draw(st.integers(1, 30))
    edges = set()
    for second in range(1, nodes):
        many = draw(st.integers(1, 3))
        edges |= {(draw(st.integers(0, second - 1)), second) for _ in range(many)}
    return nodes, sorted(edges)


@given(graphs())
def test_layout_keeps_boxes_apart_and_edges_downward(graph):
    nodes, edges = graph
    layout = layered(nodes, edges)
    assert len(layout.places) == nodes
    by_rank = {}
    for column, rank in layout.places:
        by_rank.setdefault(rank, []).append(column)
    for columns in by_rank.values():
        assert all(b - a >= 1 - 1e-9 for a, b in pairwise(sorted(columns)))
    readers = Counter(first for first, _ in edges)
    for (first, second), route in zip(edges, layout.routes, strict=True):
        assert route[0] == layout.places[first]
        assert route[-1] == layout.places[second]
        steps = [below - above for (_, above), (_, below) in pairwise(route)]
        span = layout.places[second][1] - layout.places[first][1]
        assert span >= 1
        limit = 2 if readers[first] > MANY else LONGEST
        assert steps == ([1] * int(span) if span <= limit else [span])


def test_a_chain_is_one_column_and_a_diamond_is_even():
    assert {column for column, _ in layered(4, [(0, 1), (1, 2), (2, 3)]).places} == {0}
    diamond = layered(4, [(0, 1), (0, 2), (1, 3), (2, 3)])
    assert list(diamond.places) == [(0.5, 0), (0, 1), (1, 1), (0.5, 2)]
    assert diamond.width == 1


@pytest.mark.parametrize("edge", [(1, 0), (0, 0), (0, 2), (-1, 0)])
def test_layout_refuses_edges_that_do_not_lead_on(edge):
    with pytest.raises(ValueError, match=f"from {edge[0]} to {edge[1]} in a graph of 2 nodes"):
        layered(2, [edge])


def test_normalisation_and_activation_join_their_layer_but_not_across_a_branch():
    boxes, pairs = boxes_of(CHECK)
    assert [[row.path for row in box.rows] for box in boxes] == [
        ["stem", "bn", "relu"], ["conv"], [""], ["head"]
    ]  # fmt: skip
    assert pairs == ((-1, 0), (0, 1), (0, 2), (1, 2), (2, 3))


def test_tip_tells_the_figures():
    boxes, _ = boxes_of(CHECK)
    text = tip(boxes[0])
    for part in ("stem", "Conv2d 3x3, padding 1", "ReLU", "gives 4 × 8 × 8", "120 parameters",
                 "6,912 MACs, 40.0% of all", "receptive field 3 × 3"):  # fmt: skip
        assert part in text


def test_region_is_that_of_the_middle_unit():
    boxes, _ = boxes_of(CHECK)
    assert region(boxes[1], (8, 8)) == (-2 + 4, -2 + 4, 5, 5)
    assert region(boxes[3], (8, 8)) == (0, 0, 8, 8)
    assert region(Box(rows=(ROWS[0],)), (8,)) is None


def test_drawing_has_a_box_a_layer_an_edge_a_pair_and_is_escaped():
    drawing = str(draw_network(CHECK))
    boxes, pairs = boxes_of(CHECK)
    assert len(re.findall('class="box hit"', drawing)) == len(boxes)
    assert len(re.findall('class="edge"', drawing)) == len(pairs)
    assert 'data-region="2 2 5 5"' in drawing
    assert len(pairs) < len(EDGES)
