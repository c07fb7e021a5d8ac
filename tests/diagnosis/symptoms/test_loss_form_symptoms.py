"""The form of the loss: certain faults, and forms that serve."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tests.diagnosis.facts_cases import LOSS, MODULES, case, labels, look, steps
from torch import nn

from hubel.diagnosis.evidence import events
from hubel.diagnosis.evidence.loss_reading import read_loss
from hubel.diagnosis.evidence.setting import ModuleFact, OptimizerFact
from hubel.diagnosis.symptom import Sign, Unknown, Well
from hubel.diagnosis.table import SYMPTOMS
from hubel.diagnosis.trials.trial import Trial

X = torch.rand(8, 1, 4, 4)
Y = torch.arange(8) % 4
HOT = F.one_hot(Y, 4).float()


def form(loss, *after, outputs=4, targets=Y):
    """Read a real loss of a real network."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, outputs), *after)
    made = net(X)
    return read_loss(loss(made), made, targets)


def ce(o):
    return F.cross_entropy(o, Y)


@pytest.mark.parametrize("after", [nn.Softmax(1), nn.Sigmoid(), nn.ReLU(), nn.Tanh(), nn.ReLU6()])
def test_an_activation_before_cross_entropy(after):
    kind = type(after).__name__
    modules = (*MODULES, ModuleFact(path="last", kind=kind))
    found = look("loss/activation-before", loss=form(ce, after), modules=modules)
    assert (found.confirmed, found.confidence, found.where) == (True, 1.0, ("last",))
    assert "(last)" in found.remedy


def test_sigmoid_before_a_loss_with_logits():
    fact = form(lambda o: F.binary_cross_entropy_with_logits(o, HOT), nn.Sigmoid())
    assert look("loss/activation-before", loss=fact).confirmed


SERVING = {
    "none": (ce, ()),
    "log_softmax": (ce, (nn.LogSoftmax(1),)),
    "its own": (lambda o: F.nll_loss(o, Y), (nn.LogSoftmax(1),)),
    "bce": (lambda o: F.binary_cross_entropy(o, HOT), (nn.Sigmoid(),)),
    "mse": (lambda o: F.mse_loss(o, HOT), (nn.Softmax(1),)),
    "capped": (lambda o: F.cross_entropy(30 * torch.tanh(o / 30), Y), ()),
    "clamped": (lambda o: F.cross_entropy(o.clamp(-50, 50), Y), ()),
}


@pytest.mark.parametrize("name", SERVING)
def test_what_may_stand_before_a_loss(name):
    loss, after = SERVING[name]
    assert isinstance(look("loss/activation-before", loss=form(loss, *after)), Well)


def test_an_activation_that_takes_nothing_away_is_an_observation():
    found = look("loss/activation-before", loss=form(ce, nn.LeakyReLU()))
    assert isinstance(found, Sign)
    assert not found.confirmed


def test_what_cannot_be_read_is_not_judged():
    unread = replace(LOSS, kind="unknown", reduction="unknown")
    compiled = replace(LOSS, chain=("NllLossBackward0", "CompiledFunctionBackward"))
    assert isinstance(look("loss/activation-before", loss=compiled), Unknown)
    for name in ("activation-before", "wrong-kind", "sign", "reduction", "broadcast"):
        assert isinstance(look(f"loss/{name}", loss=unread), Unknown)
        assert isinstance(look(f"loss/{name}", loss=None), Unknown)


def test_nll_of_raw_outputs():
    found = look("loss/wrong-kind", loss=form(lambda o: F.nll_loss(o, Y)))
    assert (found.confirmed, found.confidence) == (True, 1.0)
    assert "log_softmax" in found.remedy
    over = look("loss/wrong-kind", loss=form(lambda o: F.nll_loss(o, Y), nn.LogSoftmax(0)))
    assert over.confirmed
    assert "dim=1" in over.remedy


@pytest.mark.parametrize("suffers", [True, False])
def test_nll_of_probabilities_is_an_alarm_where_it_does_harm(suffers):
    fact = form(lambda o: F.nll_loss(o, Y), nn.Softmax(1))
    assert look("loss/wrong-kind", loss=fact, suffers=suffers).confirmed == suffers


def test_cross_entropy_of_one_output():
    fact = form(lambda o: F.cross_entropy(o, torch.zeros(8, dtype=torch.long)), outputs=1)
    assert look("loss/wrong-kind", loss=fact).confirmed


def test_mse_for_classes_is_an_alarm_where_it_does_harm():
    fact = form(lambda o: F.mse_loss(o, HOT))
    assert not look("loss/wrong-kind", loss=fact).confirmed
    assert look("loss/wrong-kind", loss=fact, suffers=True).confirmed
    assert isinstance(look("loss/wrong-kind", loss=fact, task="regression"), Well)


def test_binary_cross_entropy_for_one_class_of_many():
    fact = form(lambda o: F.binary_cross_entropy_with_logits(o, HOT))
    assert isinstance(look("loss/wrong-kind", loss=fact), Well)
    assert isinstance(look("loss/wrong-kind", loss=fact, suffers=True, clearly=False), Well)
    assert look("loss/wrong-kind", loss=fact, suffers=True).confirmed
    assert isinstance(look("loss/wrong-kind", loss=fact, suffers=True, task="multilabel"), Well)
    assert isinstance(look("loss/wrong-kind"), Well)


def test_sign_turned_around():
    assert look("loss/sign", loss=form(lambda o: -ce(o))).confirmed
    assert isinstance(look("loss/sign"), Well)
    likelihood = form(lambda o: -o.log_softmax(1).gather(1, Y[:, None]).mean())
    assert isinstance(look("loss/sign", loss=likelihood), Well)


def test_an_optimizer_that_maximises():
    climbs = OptimizerFact(kind="SGD", groups=({"lr": 0.1, "maximize": 1.0},))
    assert look("loss/sign", optimizer=climbs).confirmed
    both = form(lambda o: -ce(o))
    assert isinstance(look("loss/sign", loss=both, optimizer=climbs), Well)


def test_a_sum_over_the_batch():
    fact = form(lambda o: F.cross_entropy(o, Y, reduction="sum"))
    found = look("loss/reduction", loss=fact)
    assert (found.confirmed, found.severity) == (False, "note")
    assert found.measured["times"] == 8
    assert found.measured["rate"] == pytest.approx(0.8)
    assert look("loss/reduction", loss=fact, suffers=True).confirmed
    broke = [(events.NON_FINITE_LOSS, "")]
    assert look("loss/reduction", loss=fact, events=broke).confirmed


def test_a_sum_that_is_divided_by_the_batch_is_a_mean():
    fact = form(lambda o: F.cross_entropy(o, Y, reduction="sum") / 8)
    assert isinstance(look("loss/reduction", loss=fact), Well)
    assert isinstance(look("loss/reduction"), Well)


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_column_against_a_row():
    numbers = torch.arange(8.0)
    crossed = form(lambda o: F.mse_loss(o, numbers), outputs=1, targets=numbers)
    found = look("loss/broadcast", loss=crossed, task="regression")
    assert (found.confirmed, found.confidence) == (True, 1.0)
    squeezed = form(lambda o: F.mse_loss(o[:, 0], numbers), outputs=1, targets=numbers)
    assert isinstance(look("loss/broadcast", loss=squeezed, task="regression"), Well)
    assert isinstance(look("loss/broadcast"), Well)


def test_a_broadcast_that_was_seen():
    found = look("loss/broadcast", events=[(events.BROADCAST, "outputs 8x1, targets 8")])
    assert found.confirmed


def test_fewer_outputs_than_classes():
    batch = [labels(*range(6))]
    found = look("loss/outputs-width", batches=batch, rows=[])
    assert (found.confirmed, found.confidence) == (True, 1.0)
    assert isinstance(look("loss/outputs-width", batches=[labels(0, 1, 2, 3)]), Well)
    assert isinstance(look("loss/outputs-width"), Unknown)
    assert isinstance(look("loss/outputs-width", task="regression"), Well)


def test_more_outputs_than_classes():
    batch = [labels(0, 1)] * 100
    found = look("loss/outputs-width", batches=batch, classes=2)
    assert (found.confirmed, found.severity) == (False, "note")
    assert look("loss/outputs-width", batches=batch, classes=2, suffers=True).confirmed
    forgotten = look("loss/outputs-width", batches=batch, classes=2, outputs=20)
    assert (forgotten.confirmed, forgotten.severity) == (True, "warning")
    few = look("loss/outputs-width", batches=[labels(0, 1)])
    assert isinstance(few, Well)  # The other classes may be in other batches.


def test_labels_that_the_loss_never_ignores():
    batch = [labels(1, 2, 3, 4)]
    found = look("labels/out-of-range", batches=batch, rows=[])
    assert found.confirmed
    assert "5 outputs" in found.remedy
    assert look("labels/out-of-range", events=[(events.LABEL_OUT_OF_RANGE, "label 4")]).confirmed


def test_labels_that_are_ignored_or_renumbered():
    # A training that goes on took them in another form: torch refuses such labels.
    assert isinstance(look("labels/out-of-range", batches=[labels(1, 2, 3, 4)]), Well)
    assert isinstance(look("labels/out-of-range", batches=[labels(0, -100, 3)], rows=[]), Well)
    one = replace(LOSS, kind="bce-logits")
    found = look("labels/out-of-range", batches=[labels(0, 1)], loss=one, outputs=1)
    assert isinstance(found, Well)
    assert isinstance(look("labels/out-of-range"), Unknown)


def by_hand(outputs, targets):
    share = outputs.sigmoid().clamp(1e-7, 1 - 1e-7)
    return -(targets * share.log() + (1 - targets) * (1 - share).log()).mean()


@pytest.mark.parametrize("take", [lambda o: o[:, 0], lambda o: o.squeeze(1), lambda o: o])
def test_a_binary_loss_by_hand_on_one_output(take):
    numbers = torch.rand(8)
    loss = form(lambda o: by_hand(take(o), numbers), outputs=1, targets=numbers)
    assert loss.kind == "bce"
    found = look("loss/broadcast", loss=loss)
    # (8,) against (8,) goes together; (8, 1) against (8,) makes 8 times 8.
    spread = take(torch.zeros(8, 1)).shape == (8, 1)
    assert isinstance(found, Sign if spread else Well)
    column = form(lambda o: by_hand(o, numbers[:, None]), outputs=1, targets=numbers)
    assert isinstance(look("loss/broadcast", loss=column), Well)


@pytest.mark.parametrize("losses", [-3.0, 0.4])
def test_class_numbers_in_a_binary_loss(losses):
    one = replace(LOSS, kind="bce", outputs_shape=(8,), targets_shape=(8,))
    found = look("loss/wrong-kind", loss=one, classes=4, rows=steps(30, loss=losses))
    if losses > 0:
        assert isinstance(found, Well)
    else:
        assert found.confirmed
        assert found.confidence == 1.0
        assert "-3" in found.evidence


def test_an_activation_that_costs_nothing_yet_is_a_warning():
    soft = replace(LOSS, activations=("softmax",))
    found = look("loss/activation-before", loss=soft, suffers=False)
    assert (found.confirmed, found.severity) == (True, "warning")
    assert look("loss/activation-before", loss=soft, suffers=True).severity is None


def test_a_mean_that_is_divided_once_more():
    def reading(suffers, scale=1 / 1024, kind="SGD"):
        optimizer = OptimizerFact(kind=kind, groups=({"lr": 0.1},))
        loss = replace(LOSS, scale=scale)
        return look("loss/reduction", loss=loss, optimizer=optimizer, suffers=suffers)

    assert reading(True).confirmed
    assert reading(True).measured["times"] == pytest.approx(1 / 1024)
    assert not reading(False).confirmed
    assert not reading(True, kind="AdamW").confirmed  # it divides by the gradient's size
    assert isinstance(reading(True, scale=1 / 64), Well)  # of gradients that are accumulated


@pytest.mark.parametrize(
    ("lr", "high_edge", "healthy", "confirmed"),
    [(0.2, 0.05, False, True), (0.2, 2.0, True, False), (0.01, 0.05, False, False)],
    ids=["far above the useful rates", "useful", "small all the same"],
)
def test_the_range_test_confirms_a_sum_over_the_batch(lr, high_edge, healthy, confirmed):
    fact = form(lambda o: F.cross_entropy(o, Y, reduction="sum"))
    found = case(loss=fact, optimizer=OptimizerFact(kind="SGD", groups=({"lr": lr},)))
    found.trials.made["rate-range"] = Trial(
        name="rate-range",
        healthy=healthy,
        evidence="a range",
        measured={"current_lr": lr, "high_edge": high_edge},
    )
    assert SYMPTOMS["loss/reduction"].find(found).confirmed is confirmed


@pytest.mark.parametrize(
    ("kind", "decay", "confirmed"),
    [
        ("SGD", 0.0, True),
        ("RMSprop", 0.0, False),
        ("Adam", 0.0, False),
        ("Adam", 1e-4, True),
        ("AdamW", 0.1, False),
    ],
)
def test_a_mean_that_is_divided_twice_hurts_adam_only_by_the_decay_that_it_adds(
    kind, decay, confirmed
):
    fact = form(lambda o: F.cross_entropy(o, Y) / 1000)
    optimizer = OptimizerFact(kind=kind, groups=({"lr": 1e-3, "weight_decay": decay},))
    found = look("loss/reduction", loss=fact, suffers=True, optimizer=optimizer)
    assert found.confirmed is confirmed


def test_a_distance_that_is_not_squared_is_no_loss_for_classes():
    fact = form(lambda o: F.l1_loss(o, HOT))
    assert look("loss/wrong-kind", loss=fact).confirmed
    squared = form(lambda o: F.mse_loss(o, HOT))
    assert not look("loss/wrong-kind", loss=squared).confirmed
    assert look("loss/wrong-kind", loss=squared, suffers=True).confirmed
