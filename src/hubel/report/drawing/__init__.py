"""The drawing of a network: layers in rows from the input down, and who reads whom."""

from hubel.report.drawing.network import draw_network

__all__ = ["draw_network"]
