"""Weights that do not learn, and those that need not."""

import math
from dataclasses import replace

import pytest
import torch
from tests.diagnosis.facts_cases import (
    MODULES,
    PARAMETERS,
    SETTING,
    OfNetwork,
    look,
    marked,
    steps,
    weights,
)
from torch import nn

from hubel.diagnosis.evidence.reading import read_setting
from hubel.diagnosis.evidence.setting import OptimizerFact, ParameterFact
from hubel.diagnosis.symptom import Sign, Unknown, Well

BODY = {"conv", "bn", "mid"}
NO_ROWS = []


def optimizer(**changes):
    return replace(SETTING.optimizer, **changes)


def test_everything_frozen():
    parameters = tuple(replace(one, trainable=False) for one in PARAMETERS)
    found = look("weights/frozen", parameters=parameters)
    assert (found.confirmed, found.confidence) == (True, 1.0)


def test_a_frozen_body_with_a_trained_head_is_well():
    parameters = marked(BODY, trainable=False)
    found = look("weights/frozen", parameters=parameters)
    assert isinstance(found, Well)
    assert found.measured["share"] == pytest.approx((54 + 6 + 36) / (54 + 6 + 36 + 24 + 4))
    little = look("weights/frozen", parameters=parameters, suffers=True, clearly=False)
    assert isinstance(little, Well)
    assert look("weights/frozen", parameters=parameters, suffers=True).confirmed
    assert isinstance(look("weights/frozen"), Well)


def test_a_frozen_head_is_an_alarm_where_it_does_harm():
    parameters = marked({"head"}, trainable=False)
    found = look("weights/frozen", parameters=parameters)
    assert isinstance(found, Sign)
    assert not found.confirmed
    assert look("weights/frozen", parameters=parameters, suffers=True).where == ("head",)
    assert isinstance(look("weights/frozen", parameters=()), Unknown)


def none(names):
    return {one.name.replace(".", "_"): {"gradient": math.nan, "update": 0.0} for one in names}


def test_a_detached_trunk():
    cut = [one for one in PARAMETERS if one.name.startswith(("conv", "bn"))]
    found = look("weights/no-gradient", weight_rows=weights(**none(cut)))
    assert (found.confirmed, found.confidence, found.where) == (True, 1.0, ("conv", "bn"))
    assert "after conv" in found.what
    by_fact = look(
        "weights/no-gradient", weight_rows=[], parameters=marked({"conv", "bn"}, reached=False)
    )
    assert by_fact.confirmed


def test_a_cut_before_weights_that_were_trained_before_may_be_meant():
    fresh = nn.Module()
    fresh.bn = nn.BatchNorm2d(6)
    fresh.conv = nn.Sequential(nn.BatchNorm2d(6))
    cut = marked({"conv", "bn"}, reached=False)
    subject = OfNetwork(None, fresh)
    assert look("weights/no-gradient", weight_rows=[], parameters=cut, subject=subject).confirmed
    fresh.bn.running_mean += 0.3
    found = look("weights/no-gradient", weight_rows=[], parameters=cut, subject=subject)
    assert isinstance(found, Sign)
    assert not found.confirmed


def test_gradients_of_losses_that_are_no_numbers_say_nothing():
    found = look("weights/no-gradient", weight_rows=[], rows=steps(loss=math.nan, backwards=1))
    assert isinstance(found, Unknown)
    assert "no finite numbers" in found.why


def test_no_gradient_at_all_is_a_matter_of_the_loop():
    found = look("weights/no-gradient", weight_rows=weights(**none(PARAMETERS)))
    assert isinstance(found, Unknown)


def test_heads_that_the_loss_leaves_out_are_well():
    middle = marked({"mid"}, reached=False)
    assert isinstance(look("weights/no-gradient", weight_rows=[], parameters=middle), Well)
    assert look("weights/no-gradient", weight_rows=[], parameters=middle, suffers=True).confirmed
    uncalled = tuple(replace(one, called=one.path != "conv") for one in MODULES)
    parameters = marked({"conv"}, reached=False)
    found = look("weights/no-gradient", weight_rows=[], parameters=parameters, modules=uncalled)
    assert isinstance(found, Well)


def test_frozen_weights_and_those_that_get_gradients_later_need_none_now():
    frozen = marked(BODY, trainable=False, reached=False)
    assert isinstance(look("weights/no-gradient", weight_rows=[], parameters=frozen), Well)
    later = look("weights/no-gradient", parameters=marked({"conv"}, reached=False))
    assert isinstance(later, Well)
    outside = marked(BODY, group=None, reached=False)
    assert isinstance(look("weights/no-gradient", weight_rows=[], parameters=outside), Well)
    assert isinstance(look("weights/no-gradient", rows=[]), Unknown)


def still(names):
    return {
        one.name.replace(".", "_"): {"update": 0.0, "weight": 0.3}
        for one in PARAMETERS
        if one.name.rpartition(".")[0] in names
    }


def test_head_replaced_after_the_optimizer_was_built():
    changes = {
        "parameters": marked({"head"}, group=None),
        "optimizer": optimizer(strangers=2),
        "weight_rows": weights(**still({"head"})),
    }
    found = look("weights/outside-optimizer", **changes)
    assert (found.confirmed, found.where) == (True, ("head",))
    assert look("weights/strangers", **changes).confirmed


def test_linear_probing_by_the_head_alone_is_well():
    changes = {"parameters": marked(BODY, group=None), "weight_rows": weights(**still(BODY))}
    assert isinstance(look("weights/outside-optimizer", **changes), Well)
    found = look("weights/outside-optimizer", **changes, suffers=True)
    assert found.confirmed
    assert found.where == ("conv", "bn", "mid")


def test_weights_of_a_second_optimizer_move():
    parameters = marked({"head"}, group=None)
    assert isinstance(look("weights/outside-optimizer", parameters=parameters), Well)
    assert isinstance(look("weights/outside-optimizer"), Well)
    assert isinstance(look("weights/outside-optimizer", optimizer=None), Unknown)


def test_weights_of_the_loss_are_no_strangers_of_concern():
    found = look("weights/strangers", optimizer=optimizer(strangers=1))
    assert isinstance(found, Sign)
    assert (found.confirmed, found.severity) == (False, "note")
    assert isinstance(look("weights/strangers"), Well)
    assert isinstance(look("weights/strangers", optimizer=None), Unknown)


def test_optimizer_of_another_network():
    parameters = tuple(replace(one, group=None) for one in PARAMETERS)
    found = look("weights/strangers", parameters=parameters, optimizer=optimizer(strangers=5))
    assert found.confirmed
    assert "another network" in found.what


class Listed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(16, 16), nn.Linear(16, 16)]
        self.teacher = [nn.Linear(16, 4)]
        self.head = nn.Linear(16, 4)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x.flatten(1)).relu()
        return self.drop(self.head(x))


def hidden(*, group=None, reached=True):
    return (
        ParameterFact(
            name="layers[0].weight", shape=(16, 16), trainable=True, group=group, reached=reached
        ),
    )


def test_layers_in_a_list():
    found = look("weights/hidden-layers", hidden=hidden())
    assert (found.confirmed, found.where) == (True, ("layers[0]",))
    assert "ModuleList" in found.remedy or not found.remedy
    assert isinstance(look("weights/hidden-layers"), Well)
    trained = look("weights/hidden-layers", hidden=hidden(group=0))
    assert (trained.confirmed, trained.severity) == (False, "warning")
    assert isinstance(look("weights/hidden-layers", hidden=hidden(reached=False)), Well)


def test_layers_in_a_list_are_tried_on_a_copy():
    net = Listed()
    setting = read_setting(net, torch.optim.SGD(net.parameters(), 0.1), None)
    subject = OfNetwork(net, pictures=torch.rand(2, 1, 4, 4))
    before = torch.get_rng_state()
    found = look(
        "weights/hidden-layers",
        hidden=setting.hidden,
        parameters=setting.parameters,
        subject=subject,
    )
    assert found.confirmed
    assert found.where == ("layers[0]", "layers[1]")
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_that_do_not_move():
    everything = still({one.name.rpartition(".")[0] for one in PARAMETERS})
    found = look("weights/not-moving", weight_rows=weights(**everything))
    assert (found.confirmed, found.measured["share"]) == (True, 1)
    assert isinstance(look("weights/not-moving"), Well)
    some = look("weights/not-moving", weight_rows=weights(**still({"mid"})))
    assert isinstance(some, Sign)
    assert not some.confirmed


def test_weights_that_rightly_do_not_move():
    everything = still({one.name.rpartition(".")[0] for one in PARAMETERS})
    rows = weights(**everything)
    # The schedule has ended, their group has no rate, there is no gradient, too few were measured.
    ended = steps(rate=lambda n: 0.1 if n == 29 else 1e-9)
    assert isinstance(look("weights/not-moving", weight_rows=rows, rows=ended), Unknown)
    idle = OptimizerFact(kind="SGD", groups=({"lr": 0.0},))
    assert isinstance(look("weights/not-moving", weight_rows=rows, optimizer=idle), Unknown)
    flat = [replace(row, gradient=0.0) for row in rows]
    assert isinstance(look("weights/not-moving", weight_rows=flat), Unknown)
    assert isinstance(look("weights/not-moving", weight_rows=rows[:10]), Unknown)
    outside = tuple(replace(one, group=None) for one in PARAMETERS)
    assert isinstance(look("weights/not-moving", weight_rows=rows, parameters=outside), Unknown)


def body_of(head, **changes):
    """A subject whose body is frozen: as it was initialised, or changed."""
    torch.manual_seed(0)
    network = nn.Sequential()
    network.add_module("conv", nn.Conv2d(1, 16, 3))
    network.add_module("mid", nn.Conv2d(16, 16, 3))
    network.add_module("head", nn.Conv2d(16, head, 1))
    for name, change in changes.items():
        with torch.no_grad():
            change(network.get_submodule(name).weight)
    frozen = [
        ParameterFact(name=name, shape=tuple(one.shape), trainable="head" in name, group=0)
        for name, one in network.named_parameters()
    ]
    return {"subject": OfNetwork(network), "parameters": tuple(frozen), "modules": ()}


@pytest.mark.parametrize(
    "start",
    [
        lambda weights: weights,
        nn.init.kaiming_uniform_,
        nn.init.xavier_uniform_,
    ],
    ids=["torch", "he", "glorot"],
)
def test_a_body_that_is_frozen_as_it_was_initialised(start):
    found = look("weights/frozen", **body_of(4, conv=start, mid=start))
    assert isinstance(found, Sign)
    assert found.confirmed
    assert "random numbers" in found.what
    assert "load trained weights" in found.remedy


def test_a_frozen_body_that_was_trained_holds_no_random_numbers():
    def trained(weights):
        weights += 0.05 * torch.randn_like(weights) / weights[0].numel() ** 0.5

    assert isinstance(look("weights/frozen", **body_of(4, conv=trained, mid=trained)), Well)
    scaled = look(
        "weights/frozen", **body_of(4, conv=lambda w: w.mul_(0.9), mid=lambda w: w.mul_(0.9))
    )
    assert isinstance(scaled, Well)
