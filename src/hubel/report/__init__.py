"""Results as HTML files that stand alone: a page about a run, a source, networks."""

from hubel.report.check_page import render_check
from hubel.report.data_page import render_inspection
from hubel.report.page import render_run

__all__ = ["render_check", "render_inspection", "render_run"]
