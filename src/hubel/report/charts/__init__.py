"""Charts as inline SVG: data in, a string out; colours come from the page's style sheet."""

from hubel.report.charts.bars import stacked_bar
from hubel.report.charts.lines import Series, line_chart
from hubel.report.charts.matrix import chosen, confusion_matrix
from hubel.report.charts.reliability import reliability_diagram
from hubel.report.charts.scatter import scatter
from hubel.report.charts.strip import strip, strips

__all__ = [
    "Series",
    "chosen",
    "confusion_matrix",
    "line_chart",
    "reliability_diagram",
    "scatter",
    "stacked_bar",
    "strip",
    "strips",
]
