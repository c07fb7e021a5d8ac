"""Results as HTML files that stand alone: a page about a run, a page about a source."""

from hubel.report.data_page import render_inspection
from hubel.report.page import render_run

__all__ = ["render_inspection", "render_run"]
