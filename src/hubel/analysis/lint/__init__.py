"""Design rules: what is wrong with a network, seen before it is trained."""

from hubel.analysis.lint.rule import Rule, Subject
from hubel.analysis.lint.table import RULES, lint

__all__ = ["RULES", "Rule", "Subject", "lint"]
