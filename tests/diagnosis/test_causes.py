"""The graph of causes and the ranking."""

import graphlib
import re
from pathlib import Path
from types import MappingProxyType

import pytest
from tests.diagnosis.ids import IDS

from hubel.diagnosis import causes, table
from hubel.diagnosis.brings_about import BRINGS_ABOUT, EDGES, EFFECTS
from hubel.diagnosis.causes import combined, doubtful, explained_by, ranked, roots
from hubel.diagnosis.symptom import Sign, Symptom, Well

ROOT = Path(__file__).parents[2]


def sign(confidence=0.9, severity="error"):
    return Sign(
        what="What.", evidence="e", confidence=confidence, confirmed=True, severity=severity
    )


def signs(**confidences):
    """Return signs by id; `family__some_name` stands for `family/some-name`."""
    return {
        name.replace("__", "/").replace("_", "-"): sign(confidence)
        for name, confidence in confidences.items()
    }


def test_the_ids_stand_still():
    assert len(IDS) == 73


def test_every_effect_has_a_cause_in_the_graph():
    assert set(EFFECTS) <= {effect for edge in EDGES for effect in edge.effects}


def test_the_table_of_symptoms_holds_these_ids():
    assert set(table.SYMPTOMS) == IDS


def test_the_graph_holds_no_other_ids():
    assert {edge.cause for edge in EDGES} <= IDS
    assert {effect for edge in EDGES for effect in edge.effects} <= IDS


def test_every_symptom_is_in_the_graph_or_stands_alone_on_purpose():
    known = {edge.cause for edge in EDGES} | {one for edge in EDGES for one in edge.effects}
    alone = {"speed/loader-bound", "data/leakage", "fit/below-simple"}
    assert known | alone == IDS


def test_the_graph_has_no_cycle():
    order = graphlib.TopologicalSorter({name: set(them) for name, them in BRINGS_ABOUT.items()})
    assert len(list(order.static_order())) >= 60  # CycleError otherwise


def test_no_edge_stands_twice_and_each_cause_has_one_row():
    pairs = [(edge.cause, effect) for edge in EDGES for effect in edge.effects]
    assert len(pairs) == len(set(pairs))
    assert len({edge.cause for edge in EDGES}) == len(EDGES)


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.cause)
def test_every_edge_has_a_reason_and_a_source_that_exists(edge):
    keys = re.findall(r"@\w+\{([\w-]+),", (ROOT / "docs" / "references.bib").read_text("utf-8"))
    assert len(edge.why) > 20
    assert not edge.why.endswith(".")
    assert edge.source in {*keys, "hubel"}


def test_explained_goes_over_several_edges():
    # Written out by hand: raw input, then huge gradients, then dead units, then no fall.
    assert {"gradient/exploding", "unit/dead", "gradient/vanishing", "fit/underfitting"} <= (
        explained_by("data/range")
    )
    assert "data/range" not in explained_by("data/range")
    assert "data/double-normalised" not in explained_by("data/range")
    assert explained_by("speed/loader-bound") == frozenset()


def test_one_root_is_named_of_a_chain():
    found = signs(fit__underfitting=0.95, unit__dead=0.95, gradient__exploding=0.9, data__range=0.8)
    order = ranked(found)
    assert order[0] == "data/range"
    assert roots(order) == ("data/range",)


def test_the_certain_come_before_the_likely():
    found = signs(labels__noise=0.99, weights__frozen=1.0)
    assert ranked(found) == ("weights/frozen", "labels/noise")


def test_a_fault_comes_before_an_effect_without_a_seen_cause():
    found = signs(loss__oscillation=0.98, labels__noise=0.8)
    assert ranked(found)[0] == "labels/noise"


def test_time_and_notes_come_last_however_certain():
    found = {
        "speed/loader-bound": sign(1.0),
        "data/leakage": sign(1.0, "note"),
        "rate/too-high": sign(0.7),
    }
    assert ranked(found)[0] == "rate/too-high"


def test_what_explains_others_is_surer():
    alone = combined(signs(data__range=0.6, rate__clipped=0.7))
    assert alone == pytest.approx({"data/range": 0.6, "rate/clipped": 0.7})
    found = signs(data__range=0.6, unit__dead=0.8, rate__clipped=0.7)
    # 1 - (1 - .6)(1 - .5 x .8) = .76: more than .7, so the range comes first.
    assert combined(found)["data/range"] == pytest.approx(0.76)
    assert ranked(found)[0] == "data/range"


def test_what_two_roots_explain_speaks_for_neither():
    found = signs(data__range=0.6, rate__clipped=0.7, fit__underfitting=0.9)
    assert combined(found)["data/range"] == pytest.approx(0.6)


def test_many_effects_never_make_a_cause_certain():
    found = signs(data__range=0.9, **dict.fromkeys(("unit__dead", "rate__too_high"), 1.0))
    found |= signs(loss__divergence=1.0, fit__ignores_input=1.0, gradient__exploding=1.0)
    assert combined(found)["data/range"] == 0.99
    assert combined(signs(weights__frozen=1.0))["weights/frozen"] == 1.0


def test_severity_comes_from_the_table_where_the_sign_has_none(monkeypatch):
    def symptom(name, severity):
        return Symptom(
            id=name, meaning="", tier=0, statistic="", threshold="", severity=severity, remedy="",
            source="hubel", find=lambda case: Well(evidence=""),
        )  # fmt: skip

    symptoms = {"data/range": symptom("data/range", "warning")}
    symptoms["labels/missing-class"] = symptom("labels/missing-class", "error")
    monkeypatch.setattr(causes, "SYMPTOMS", MappingProxyType(symptoms))
    found = {"data/range": sign(1.0, None), "labels/missing-class": sign(1.0, None)}
    assert ranked(found) == ("labels/missing-class", "data/range")
    assert ranked({}) == ()


def test_a_certain_fault_takes_the_ground_from_weaknesses_of_the_design():
    weak = {"design/large-head": sign(0.6, "warning"), "design/no-activation": sign(0.9)}
    certain = {"loss/wrong-kind": sign(1.0)}
    assert doubtful(weak | certain) == {"design/large-head"}
    assert not doubtful(weak | {"loss/wrong-kind": sign(0.9)})
    assert not doubtful(weak | {"loss/non-finite": sign(1.0)})  # an effect, not a cause
    assert not doubtful(weak | {"speed/loader-bound": sign(1.0)})


def test_a_start_far_from_guessing_explains_what_cannot_be_fitted():
    found = signs(loss__initial=0.85, fit__cannot_fit_batch=0.95)
    assert ranked(found)[0] == "loss/initial"


def test_a_start_far_off_is_at_the_root_of_updates_that_are_too_large():
    found = signs(loss__initial=0.85, rate__too_high=0.7, loss__divergence=0.9)
    assert ranked(found)[0] == "loss/initial"
    # Large initial weights are at the root of the start, too.
    assert ranked(found | signs(initialisation__scale=0.85))[0] == "initialisation/scale"


def test_maps_that_are_reduced_early_are_at_the_root_of_a_bottleneck():
    assert "design/bottleneck" in explained_by("design/early-downsampling")
    assert "design/bottleneck" in explained_by("design/pointwise-only")
