"""The training loop: what is wrong with it, and what only looks so."""

from dataclasses import replace

import pytest
from tests.diagnosis.facts_cases import MODULES, OfNetwork, look, marked, steps
from torch import nn

from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.record import EvaluationRow
from hubel.diagnosis.symptom import Sign, Unknown, Well


def test_never_a_step():
    found = look("loop/not-stepping", rows=[], events=[(events.BACKWARD_WITHOUT_STEP, "20")])
    assert isinstance(found, Sign)
    assert (found.confirmed, found.confidence) == (True, 1.0)
    assert isinstance(look("loop/not-stepping"), Well)
    assert isinstance(look("loop/not-stepping", rows=[]), Unknown)


def test_gradients_left_over():
    rows = steps()
    left = [rows[0], *(replace(row, left_over=True) for row in rows[1:])]
    found = look("loop/gradients-left-over", rows=left)
    assert found.confirmed
    assert found.measured["share"] == 1
    assert isinstance(look("loop/gradients-left-over"), Well)


def test_accumulated_gradients_are_not_left_over():
    assert isinstance(look("loop/gradients-left-over", rows=steps(backwards=4)), Well)


def test_gradients_left_over_now_and_then_are_an_observation():
    rows = [replace(row, left_over=row.step % 4 == 0) for row in steps()]
    found = look("loop/gradients-left-over", rows=rows)
    assert isinstance(found, Sign)
    assert not found.confirmed


def test_gradients_of_weights_outside_of_the_optimizer_are_not_cleared_by_it():
    rows = steps(left_over=True)
    found = look("loop/gradients-left-over", rows=rows, parameters=marked({"conv"}, group=None))
    assert isinstance(found, Unknown)
    assert "conv" in found.why


def test_step_without_gradient():
    found = look(
        "loop/step-before-backward", events=[(events.STEP_WITHOUT_GRADIENT, "30 of 30 updates")]
    )
    assert found.confirmed
    assert found.confidence == 1


@pytest.mark.parametrize("suffers", [True, False])
def test_step_before_its_backward_is_an_alarm_where_it_does_harm(suffers):
    seen = [(events.STEP_BEFORE_BACKWARD, "30 of 30 updates")]
    assert look("loop/step-before-backward", events=seen, suffers=suffers).confirmed == suffers
    rows = steps(backwards=0)
    assert look("loop/step-before-backward", rows=rows, suffers=suffers).confirmed == suffers


def test_a_backward_before_each_step():
    assert isinstance(look("loop/step-before-backward"), Well)
    first = [replace(row, backwards=int(row.step > 1)) for row in steps()]
    assert isinstance(look("loop/step-before-backward", rows=first), Well)


def test_evaluation_mode_from_the_first_evaluation_on():
    rows = [replace(row, training=row.pass_number == 1) for row in steps()]
    found = look("loop/eval-mode", rows=rows)
    assert found.confirmed
    assert found.where == ("bn", "drop")
    assert "model.train()" in found.remedy or not found.remedy


def norms(mean=0.0, batches=0):
    module = nn.Sequential(nn.BatchNorm2d(2))
    module[0].running_mean += mean
    module[0].num_batches_tracked += batches
    return OfNetwork(module)


def test_evaluation_mode_from_the_start():
    rows = steps(training=False)
    found = look("loop/eval-mode", rows=rows, subject=norms())
    assert (found.confirmed, found.confidence) == (True, 1.0)
    trained = look("loop/eval-mode", rows=rows, subject=norms(0.1, 100))
    assert not trained.confirmed
    assert look("loop/eval-mode", rows=rows, subject=norms(0.1, 100), suffers=True).confirmed


def test_evaluation_mode_of_what_is_frozen_or_does_not_mind():
    rows = steps(training=False)
    plain = tuple(one for one in MODULES if one.path not in {"bn", "drop"})
    assert isinstance(look("loop/eval-mode", rows=rows, modules=plain), Well)
    frozen = marked({"conv", "bn"}, trainable=False)
    assert isinstance(look("loop/eval-mode", rows=rows, parameters=frozen), Well)
    assert isinstance(look("loop/eval-mode"), Well)


def evaluation(step, mode, split="val"):
    return EvaluationRow(
        step=step, pass_number=1, split=split, mode=mode, loss=1.0, accuracy=0.5, pictures=20
    )


def test_evaluation_in_training_mode():
    rows = [evaluation(10, "train"), evaluation(20, "train")]
    assert look("loop/evaluation-in-train-mode", evaluations=rows).confirmed
    plain = tuple(one for one in MODULES if one.path not in {"bn", "drop"})
    assert isinstance(look("loop/evaluation-in-train-mode", evaluations=rows, modules=plain), Well)
    both = [*rows, evaluation(10, "eval"), evaluation(20, "eval")]
    assert isinstance(look("loop/evaluation-in-train-mode", evaluations=both), Well)
    own = [evaluation(10, "train", "train"), evaluation(10, "eval")]
    assert isinstance(look("loop/evaluation-in-train-mode", evaluations=own), Well)
    assert isinstance(look("loop/evaluation-in-train-mode"), Unknown)


def test_clipping_before_unscaling():
    seen = [(events.CLIP_BEFORE_UNSCALE, "gradients were clipped while they were scaled")]
    assert look("loop/clipping-order", events=seen).confirmed
    assert isinstance(look("loop/clipping-order"), Well)
    assert isinstance(look("loop/clipping-order", rows=[]), Unknown)


def test_gradients_that_are_cleared_unused():
    detail = "270 of 276 batches"
    found = look("loop/not-stepping", events=[(events.CLEARED_WITHOUT_STEP, detail)])
    assert isinstance(found, Sign)
    assert (found.confirmed, found.confidence) == (True, 1.0)
    assert detail in found.evidence
