"""The trace is what really runs."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import hubel
from hubel.errors import UsageError
from hubel.tracing import ConstantRef, ValueRef, Weightless, WeightRef, trace


class Functional(nn.Module):
    """A network whose forward is the function given."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.function = forward
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *inputs):
        return self.function(self, *inputs)


def kinds(traced):
    return [operation.kind for operation in traced.operations]


def test_a_small_network():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Flatten())
    traced = hubel.trace(network, (3, 8, 8), batch=2)
    assert traced.model == "Sequential"
    assert traced.input_shapes == ((2, 3, 8, 8),)
    assert kinds(traced) == ["convolution", "relu", "view"]
    convolution, relu, _ = traced.operations
    assert convolution.operator == "aten.convolution.default"
    assert convolution.arguments["input"] == ValueRef(traced.inputs[0])
    assert convolution.arguments["weight"] == WeightRef(0, (4, 3, 3, 3))
    assert convolution.arguments["padding"] in ([1, 1], (1, 1))
    assert convolution.arguments["groups"] == 1
    assert convolution.weights == (0, 1)
    assert [call.path for call in traced.calls] == ["", "0", "1", "2"]
    assert [call.depth for call in traced.calls] == [0, 1, 1, 1]
    assert [call.operations for call in traced.calls] == [(0, 3), (0, 1), (1, 2), (2, 3)]
    assert [operation.caller for operation in traced.operations] == [1, 2, 3]
    assert relu.in_place
    assert not convolution.in_place
    before, after, flat = (traced.values[at] for at in (1, 2, 3))
    assert before.storage == after.storage == flat.storage
    assert flat.shape == (2, 256)
    assert (flat.dtype, flat.bytes_each, flat.operation) == ("float32", 4, 2)
    assert traced.outputs == (flat.id,)
    assert [weight.names for weight in traced.weights] == [("0.weight",), ("0.bias",)]
    assert traced.notes == ()


def test_a_module_called_twice_has_two_calls():
    shared = nn.Conv2d(3, 3, 3, padding=1)
    network = Functional(lambda self, x: self.relu(self.b(self.relu(self.a(x)))))
    network.a, network.b, network.relu = shared, shared, nn.ReLU()
    traced = trace(network, (3, 8, 8))
    assert [(call.path, call.call) for call in traced.calls[1:]] == [
        ("a", 0),
        ("relu", 0),
        ("a", 1),
        ("relu", 1),
    ]
    assert [weight.names for weight in traced.weights] == [
        ("a.weight", "b.weight"),
        ("a.bias", "b.bias"),
    ]
    assert traced.operations[0].weights == traced.operations[2].weights


def test_tied_weights_of_two_modules_are_one_weight():
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    network[1].weight = network[0].weight
    traced = trace(network, (4,))
    first, second = (operation.weights for operation in traced.operations)
    assert set(first) & set(second) == {0}
    assert traced.weights[0].names == ("0.weight", "1.weight")


def test_frozen_weights_and_buffers_are_told_apart():
    network = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False).requires_grad_(False), nn.BatchNorm2d(4))
    told = {
        one.names[0]: (one.trainable, one.buffer) for one in trace(network, (3, 4, 4)).weights
    }  # fmt: skip
    assert told == {
        "0.weight": (False, False),
        "1.weight": (True, False),
        "1.bias": (True, False),
        "1.running_mean": (False, True),
        "1.running_var": (False, True),
        "1.num_batches_tracked": (False, True),
    }


def test_writing_into_a_view_makes_a_new_version_of_its_base():
    def forward(self, x):
        y = x * 2
        y[:, :2].relu_()
        return y

    traced = trace(Functional(forward), (4,))
    assert kinds(traced) == ["mul", "slice", "relu"]
    relu = traced.operations[2]
    assert relu.inputs == (2, 1)
    view, base = (traced.values[value] for value in relu.outputs)
    assert (view.shape, base.shape) == ((1, 2), (1, 4))
    assert traced.outputs == (base.id,)
    assert len({value.storage for value in traced.values[1:]}) == 1


def test_two_writes_into_a_constant_are_both_in_its_history():
    def forward(self, x, y):
        out = torch.zeros(1, 8, device=x.device)
        out[:, :4] = x
        out[:, 4:] = y
        return out

    traced = trace(Functional(forward), ((4,), (4,)))
    assert kinds(traced) == ["copy", "slice", "copy"]
    first, _, second = traced.operations
    assert first.arguments["self"] == ConstantRef((1, 4))
    (result,) = traced.outputs
    assert result == second.outputs[-1]
    assert 1 in second.inputs
    before = next(value for value in second.inputs if value in first.outputs)
    assert 0 in first.inputs
    assert traced.values[before].shape == (1, 8)


@pytest.mark.parametrize("batch", [1, 3])
def test_parts_side_by_side_do_not_depend_on_each_other(batch):
    def forward(self, x):
        left, right = (x * 2).chunk(2, 1)
        left.relu_()
        return right

    traced = trace(Functional(forward), (4, 5, 5), batch=batch)
    assert kinds(traced) == ["mul", "split", "relu"]
    assert traced.outputs == (traced.operations[1].outputs[1],)


def test_operations_on_weights_are_folded_into_the_weight():
    def forward(self, x):
        kernel = torch.zeros(4, 3, 1, 1, device=x.device)
        kernel[:, :, 0, 0] = self.linear.weight
        return F.conv2d(x, kernel)

    traced = trace(Functional(forward, linear=nn.Linear(3, 4)), (3, 2, 2))
    (operation,) = traced.operations
    assert operation.arguments["weight"] == WeightRef(0, (4, 3, 1, 1))


def test_weight_normalisation_reads_both_of_its_weights():
    network = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
    traced = trace(network, (3, 8, 8))
    (operation,) = traced.operations
    names = {traced.weights[weight].names[0].rpartition(".")[2] for weight in operation.weights}
    assert names == {"bias", "original0", "original1"}
    kernel = operation.arguments["weight"]
    assert traced.weights[kernel.id].shape == (4, 3, 3, 3)


def test_the_shape_of_the_data_makes_constants():
    traced = trace(Functional(lambda self, x: x + torch.ones_like(x) * x.new_zeros(())), (4,))
    assert kinds(traced) == ["add"]
    assert traced.operations[0].arguments["other"] == ConstantRef((1, 4))


def test_plain_tensors_and_ranges_made_in_forward_are_constants():
    network = Functional(lambda self, x: x * self.scale + torch.arange(4) + self.many[0])
    network.scale, network.many = torch.ones(4), [torch.ones(4)]
    traced = trace(network, (4,))
    assert kinds(traced) == ["mul", "add", "add"]
    assert traced.notes == ()


def test_nested_outputs_and_keyword_inputs():
    class Inner(nn.Module):
        def forward(self, *, x):
            return {"double": x * 2, "more": (x + 1, [x])}

    traced = trace(Functional(lambda self, x: self.inner(x=x), inner=Inner()), (4,))
    assert traced.calls[1].inputs == (0,)
    assert traced.calls[1].outputs == (1, 2, 0) == traced.outputs


def test_modules_made_in_forward_are_called_after_their_caller():
    traced = trace(nn.Sequential(Functional(lambda self, x: nn.Softmax(1)(x))), (4,))
    assert [call.path for call in traced.calls] == ["", "0", "0.Softmax()"]


def test_attention_is_recorded_operation_by_operation():
    network = nn.TransformerEncoderLayer(8, 2, batch_first=True)
    traced = trace(network, (3, 8))
    assert {"bmm", "softmax", "native_layer_norm"} <= set(kinds(traced))
    assert torch.backends.mha.get_fastpath_enabled()


def test_composite_operators_of_inference_mode_are_taken_apart():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    network.forward = torch.inference_mode()(network.forward)
    assert kinds(trace(network, (3, 4, 4))) == ["convolution", "native_batch_norm", "view", "addmm"]


def test_training_mode_on_request():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    traced = trace(network, (3, 8, 8), training=True)
    assert traced.operations[1].arguments["training"]
    assert all(call.training for call in traced.calls)
    assert not network.training
    assert not trace(network.train(), (3, 8, 8)).operations[1].arguments["training"]


def test_control_flow_on_numbers_falls_back_to_a_real_pass():
    def forward(self, x):
        return self.conv(x) * 2 if self.conv(x).mean().item() > -1e9 else x

    traced = trace(Functional(forward, conv=nn.Conv2d(3, 4, 1)), (3, 4, 4))
    assert kinds(traced)[-1] == "mul"
    (note,) = traced.notes
    assert "real forward pass on the CPU" in note
    assert "item()" in note


def test_a_network_without_numbers_gets_some_for_the_real_pass():
    with torch.device("meta"):
        conv = nn.Conv2d(3, 4, 1)
        conv.register_buffer("count", torch.zeros(1, dtype=torch.long))
    network = Functional(lambda self, x: x * 2 if self.conv(x).mean().item() > -1e9 else x)
    network.conv = conv
    traced = trace(network, (3, 4, 4))
    assert kinds(traced)[-1] == "mul"
    assert conv.weight.is_meta


def test_example_tensors_stand_for_shapes():
    network = nn.Embedding(10, 4)
    traced = trace(network, torch.tensor([[1, 2, 3]]))
    assert traced.input_shapes == ((1, 3),)
    assert traced.values[0].dtype == "int64"
    assert kinds(traced) == ["embedding"]
    both = trace(Functional(lambda self, x, y: x + y), (torch.ones(2, 4), torch.ones(2, 4)))
    assert both.input_shapes == ((2, 4), (2, 4))


def test_whole_numbers_of_a_shape_are_zeros_in_the_real_pass():
    def forward(self, x):
        assert int(x.sum()) == 0
        return self.embedding(x)

    traced = trace(Functional(forward, embedding=nn.Embedding(3, 2)), (5,), dtype=torch.int64)
    assert traced.outputs
    assert traced.notes


def test_the_input_has_the_type_of_the_weights():
    assert trace(nn.Linear(2, 2).half(), (2,)).values[1].dtype == "float16"
    assert trace(nn.Linear(2, 2).double(), (2,)).values[1].bytes_each == 8


def test_wrong_channels_are_one_sentence_with_the_module():
    network = nn.Sequential(nn.Identity(), nn.Sequential(nn.Conv2d(3, 4, 3)))
    wanted = (
        r"Sequential cannot take an input of 1x1x8x8: it stops in 1\.0, RuntimeError: Given "
        r"groups=1.*; check the size and the channels of the input\."
    )
    with pytest.raises(UsageError, match=wanted):
        trace(network, (1, 8, 8))
    with pytest.raises(UsageError, match=r"^lenet cannot .* it stops in its own forward, KeyError"):
        trace(Functional(lambda self, x: {}["no"]), (1,), name="lenet")


def test_what_cannot_be_followed_is_refused():
    with pytest.raises(UsageError, match="A network to trace is an nn.Module, not function"):
        trace(lambda x: x, (1,))
    with pytest.raises(UsageError, match="1 is a lazy module without weights yet; run the network"):
        trace(nn.Sequential(nn.ReLU(), nn.LazyLinear(3)), (4,))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")
def test_scripted_modules_are_refused():
    scripted = torch.jit.script(nn.Linear(2, 2))
    with pytest.raises(UsageError, match="0 is a scripted module, whose inside cannot be followed"):
        trace(nn.Sequential(scripted), (2,))


def test_weightless_networks_have_no_weights_but_their_numbers():
    with Weightless():
        network = nn.Sequential(nn.Conv2d(3, round(float(torch.tensor([4.0, 2.0]).max())), 3))
        rates = torch.linspace(0, 1, 3).tolist()
    assert rates == [0, 0.5, 1]
    assert network[0].weight.is_meta
    assert trace(network, (3, 8, 8)).values[1].shape == (1, 4, 6, 6)
