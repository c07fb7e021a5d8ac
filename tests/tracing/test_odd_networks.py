"""Networks and shapes as people write them: the right answer, or one clear sentence."""

import numpy as np
import pytest
import torch
from torch import nn

import hubel
from hubel.analysis import receptive_fields
from hubel.errors import UsageError
from hubel.tracing import RefusedInputError, recording, refusals, trace


class Functional(nn.Module):
    def __init__(self, forward, **parts):
        super().__init__()
        self.run = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs):
        return self.run(self, *inputs)


BAD_SHAPES = [(3, 0, 8), (3, -8, 8), (3, 8.0, 8), (3, None, 8), "3x8x8", 3, {"image": (3, 8, 8)}]


@pytest.mark.parametrize("shape", BAD_SHAPES, ids=str)
def test_a_shape_is_whole_numbers_of_one_or_more(shape):
    with pytest.raises(UsageError, match="The shape of an input is whole numbers of 1 or more"):
        trace(nn.Conv2d(3, 4, 3), shape)
    with pytest.raises(UsageError, match="check takes the shape of one input, whole numbers of 1"):
        hubel.check(nn.Conv2d(3, 4, 3), shape)


def test_what_came_is_told_in_short():
    with pytest.raises(UsageError) as caught:
        hubel.check(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 64, 64))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 240


@pytest.mark.parametrize("shape", [[3, 8, 8], torch.Size((3, 8, 8)), np.array([3, 8, 8])], ids=type)
def test_shapes_of_other_libraries_are_shapes(shape):
    assert hubel.check(nn.Conv2d(3, 4, 3), shape).input == (3, 8, 8)
    assert trace(nn.Conv2d(3, 4, 3), shape).input_shapes == ((1, 3, 8, 8),)


@pytest.mark.parametrize(
    ("model", "name"), [(lambda x: x, "function"), (nn.ReLU, "the class ReLU"), (None, "NoneType")]
)
def test_what_is_no_network_is_named(model, name):
    with pytest.raises(UsageError, match=rf"nn\.Module, a name or a path, not {name}\."):
        hubel.check(model, (3, 8, 8))


def test_complex_weights_get_complex_inputs():
    traced = trace(nn.Linear(2, 2, dtype=torch.complex64), (2,))
    assert traced.values[0].dtype == "complex64"


def test_a_shape_that_is_refused_anyway_makes_no_real_pass(monkeypatch):
    def real_copy(_tensor):
        raise AssertionError("a real pass was begun")

    monkeypatch.setattr(recording, "real_copy", real_copy)
    with pytest.raises(RefusedInputError, match="to have 3 channels, but got 1") as caught:
        trace(nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3)), (1, 8, 8))
    assert caught.value.where == "1"


def test_an_operation_is_not_tried_where_it_takes_much_memory(monkeypatch):
    meta = torch.empty(4, 4, device="meta")
    wrong = (meta, torch.empty(3, 4, device="meta"))
    assert isinstance(refusals.error_with_numbers(torch.mm, wrong, {}), RuntimeError)
    assert refusals.error_with_numbers(torch.mm, (meta, meta), {}) is None
    monkeypatch.setattr(refusals, "MOST_BYTES", 63)
    assert refusals.error_with_numbers(torch.mm, wrong, {}) is None


def test_a_real_pass_is_not_made_where_it_takes_much_memory(monkeypatch):
    network = Functional(lambda self, x: x * 2 if x.sum() > 0 else x)
    assert trace(network, (4, 16)).notes
    monkeypatch.setattr(recording, "MOST_REAL_BYTES", 255)  # The input alone has 256.
    with pytest.raises(UsageError, match=r"real pass on an input of 1x4x16 takes 0\.0 GiB or more"):
        trace(network, (4, 16))


def test_what_numpy_computes_is_named_and_not_dropped():
    network = Functional(
        lambda self, x: self.last(torch.from_numpy(np.tanh(self.first(x).detach().numpy()))),
        first=nn.Conv2d(3, 4, 3), last=nn.Conv2d(4, 2, 3),
    )  # fmt: skip
    check = hubel.check(network, (3, 8, 8))
    assert check.total.macs == 36 * 4 * 27 + 16 * 2 * 36
    assert check.not_analysed == ("numpy",)
    assert not {one.id for one in check.findings} & {"check/dead-branch", "check/unused-parameters"}


def test_a_number_for_python_is_no_operation_without_a_rule_and_no_dead_end():
    network = Functional(lambda self, x: self.conv(x) * self.gate(x).max().item(),
                         conv=nn.Conv2d(3, 4, 3), gate=nn.Conv2d(3, 1, 1))  # fmt: skip
    check = hubel.check(network, (3, 8, 8))
    assert check.not_analysed == ()
    assert not {one.id for one in check.findings} & {"check/dead-branch", "check/unused-parameters"}


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")
def test_what_is_refused_stays_in_its_mode():
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout())).train()
    with pytest.raises(UsageError, match="scripted module"):
        hubel.check(scripted, (3, 8, 8))
    assert all(module.training for module in scripted.modules())
    with pytest.raises(UsageError, match="lazy module without weights yet"):
        hubel.check(nn.Sequential(nn.LazyConv2d(4, 3)), (3, 8, 8))


def test_one_field_a_module_path_containers_included():
    conv, relu = nn.Conv2d(3, 3, 3), nn.ReLU()
    network = nn.Sequential(nn.Sequential(conv, relu), nn.Sequential(conv, relu))
    fields = receptive_fields(trace(network, (3, 12, 12)))
    assert {one.path: one.receptive_field.size for one in fields} == {
        "": (5, 5), "0": (3, 3), "0.0": (5, 5), "0.1": (5, 5), "1": (5, 5),
    }  # fmt: skip
    assert len(fields) == 5
    assert len(fields.layers) == 7
