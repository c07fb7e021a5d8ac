"""The drawing of a network: layers in rows from the input down, and who reads whom."""

from hubel.report.drawing.boxes import boxes_of
from hubel.report.drawing.network import draw_network, stand_alone

__all__ = ["boxes_of", "draw_network", "stand_alone"]
