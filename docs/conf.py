"""Configuration of the documentation."""

import doctest
import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "hubel"
author = "the hubel contributors"
copyright = "2026, the hubel contributors"
version = release = installed("hubel")
language = "en_GB"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinxcontrib.bibtex",
    "tables_from_code",
]
exclude_patterns = ["_build", "_ext"]
smartquotes = False  # `--flag` in a heading keeps its two dashes
html_theme = "furo"
html_title = f"hubel {release}"
html_static_path = []
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

# Docstrings are plain text with `code` in single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_use_type_comments = False
python_use_unqualified_type_names = True

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"

# Examples in docstrings are run by the test suite; here, those of the pages.
doctest_test_doctest_blocks = ""
# The messages of errors are compared too, which Sphinx leaves out by default.
doctest_default_flags = doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1
doctest_global_setup = """
import contextlib, os, tempfile
_folder = tempfile.TemporaryDirectory()
_before = os.getcwd()
os.chdir(_folder.name)
"""
doctest_global_cleanup = """
os.chdir(_before)
_folder.cleanup()
"""
