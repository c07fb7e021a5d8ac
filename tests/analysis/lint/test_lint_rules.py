"""Every rule finds its fault, and nothing in what only looks like it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from hubel.analysis.lint import RULES, Subject, lint
from hubel.analysis.receptive_fields import receptive_fields
from hubel.errors import UsageError
from hubel.tracing import trace

sys.path.insert(0, str(Path(__file__).parent))
from lint_cases import CASES


def subject(case):
    """Build the network of a case and look at it."""
    with torch.device("cpu" if case.weights else "meta"):
        torch.manual_seed(0)
        module = case.build()
    traced = trace(module, case.shape)
    return Subject(
        trace=traced,
        fields=receptive_fields(traced).by_value,
        module=module,
        object_px=case.object_px,
        least_size=case.least_size,
        trace_training=lambda: trace(module, case.shape, training=True, batch=2),
    )


def found(case):
    return {finding.id: finding for finding in lint(subject(case))}


def test_every_rule_has_its_pair():
    assert set(CASES) == set(RULES)
    assert len(RULES) >= 25


@pytest.mark.parametrize("name", CASES)
def test_rule_finds_its_fault(name):
    finding = found(CASES[name][0])[name]
    rule = RULES[name]
    assert finding.severity == rule.severity
    assert finding.what.endswith(".")
    assert finding.evidence
    assert finding.remedy
    assert finding.where or name in {"check/width-depth", "check/input-too-small"}
    assert finding.confidence == rule.confidence
    assert finding.source == rule.source


@pytest.mark.parametrize("name", CASES)
def test_rule_is_silent_where_there_is_no_fault(name):
    assert name not in found(CASES[name][1])


@pytest.mark.parametrize("name", CASES)
def test_rule_can_be_silenced(name):
    findings = lint(subject(CASES[name][0]), silence=(name,))
    assert name not in {finding.id for finding in findings}


def test_a_rule_that_does_not_exist_cannot_be_silenced():
    with pytest.raises(UsageError, match="no rule 'check/even-kernels': did you mean check/even-k"):
        lint(subject(CASES["check/even-kernel"][1]), silence=("check/even-kernels",))


def test_findings_come_errors_first():
    findings = lint(subject(CASES["check/two-softmaxes"][0]))
    grades = ["error", "warning", "note"]
    places = [grades.index(finding.severity) for finding in findings]
    assert places == sorted(places)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_rule_says_what_it_means_and_what_to_do(rule):
    assert rule.id.startswith("check/")
    assert rule.meaning.endswith(".")
    assert rule.remedy.endswith(".")
    assert 0 < rule.confidence <= 1
