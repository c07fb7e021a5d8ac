"""Every form of a loss is read from autograd's graph; what is not known is not guessed."""

import pytest
import torch
import torch.nn.functional as F
from tests.diagnosis.evidence.loss_forms import FORMS, HOT, NET, C, N, X, Y, network
from torch import nn
from torch.utils.checkpoint import checkpoint

from hubel.diagnosis.evidence.loss_reading import reached_parameters, read_loss, with_loss
from hubel.diagnosis.evidence.reading import read_setting


@pytest.mark.parametrize("name", FORMS)
def test_form_of_the_loss(name):
    form, kind, reduction, negated, scale = FORMS[name]
    outputs = NET(X)
    loss = form(outputs)
    fact = read_loss(loss, outputs, Y)
    assert fact.kind == kind
    if reduction is not None:
        assert fact.reduction == reduction
    assert fact.negated == negated
    if scale is not None:
        assert fact.scale == pytest.approx(scale, rel=1e-4)
    if kind != "unknown":
        assert fact.activations == (("sigmoid",) if kind == "bce" else ())
        assert fact.chain[-1].startswith("Addmm")
    loss.backward()  # The graph is as it was.


# name: (modules after the last layer, loss, kind, activations)
BEFORE = {
    "softmax": ([nn.Softmax(1)], F.cross_entropy, "cross-entropy", ("softmax",)),
    "log_softmax": ([nn.LogSoftmax(1)], F.cross_entropy, "cross-entropy", ("log_softmax",)),
    "its own": ([nn.LogSoftmax(1)], F.nll_loss, "cross-entropy", ()),
    "nll of softmax": ([nn.Softmax(1)], F.nll_loss, "nll", ("softmax",)),
    "relu": ([nn.ReLU()], F.cross_entropy, "cross-entropy", ("relu",)),
    "relu6": ([nn.ReLU6()], F.cross_entropy, "cross-entropy", ("relu6",)),
    "sigmoid": ([nn.Sigmoid()], F.cross_entropy, "cross-entropy", ("sigmoid",)),
    "tanh": ([nn.Tanh()], F.cross_entropy, "cross-entropy", ("tanh",)),
    "gelu": ([nn.GELU()], F.cross_entropy, "cross-entropy", ("gelu",)),
    "two": ([nn.ReLU(), nn.Softmax(1)], F.cross_entropy, "cross-entropy", ("softmax", "relu")),
    "view": ([nn.Softmax(1), nn.Flatten()], F.cross_entropy, "cross-entropy", ("softmax",)),
    "dropout": ([nn.Dropout(0.5)], F.cross_entropy, "cross-entropy", ()),
    "over the batch": (
        [nn.LogSoftmax(0)],
        F.nll_loss,
        "nll",
        ("log_softmax over the batch",),
    ),
}


@pytest.mark.parametrize("name", BEFORE)
def test_activations_before_the_loss(name):
    after, loss, kind, activations = BEFORE[name]
    outputs = network(*after)(X)
    fact = read_loss(loss(outputs, Y), outputs, Y)
    assert (fact.kind, fact.activations) == (kind, activations)


def test_chain_of_cross_entropy():
    outputs = NET(X)
    assert read_loss(F.cross_entropy(outputs, Y) / 2, outputs, Y).chain == (
        "DivBackward0",
        "NllLossBackward0",
        "LogSoftmaxBackward0",
        "AddmmBackward0",
    )


def test_behind_compiled_code_only_the_loss_itself_is_known():
    outputs = torch.compile(network(nn.Softmax(1)), backend="aot_eager")(X)
    fact = read_loss(F.cross_entropy(outputs, Y), outputs, Y)
    assert (fact.kind, fact.activations) == ("cross-entropy", ())
    assert fact.chain[-1] == "CompiledFunctionBackward"
    assert read_loss(F.nll_loss(outputs, Y), outputs, Y).kind == "unknown"


def test_sigmoid_before_a_loss_that_takes_logits():
    outputs = network(nn.Sigmoid())(X)
    fact = read_loss(F.binary_cross_entropy_with_logits(outputs, HOT), outputs, HOT)
    assert (fact.kind, fact.activations) == ("bce-logits", ("sigmoid",))


def test_a_widened_activation_bounds_nothing():
    outputs = NET(X)
    capped = 30 * torch.tanh(outputs / 30)
    assert read_loss(F.cross_entropy(capped, Y), capped, Y).activations == ()
    narrow = 2 * torch.tanh(outputs)
    assert read_loss(F.cross_entropy(narrow, Y), narrow, Y).activations == ("tanh",)


def test_activation_before_pooling_belongs_to_the_network():
    net = nn.Sequential(nn.Conv2d(1, C, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    outputs = net(X)
    fact = read_loss(F.cross_entropy(outputs, Y), outputs, Y)
    assert (fact.kind, fact.activations) == ("cross-entropy", ())


@pytest.mark.parametrize(
    "loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, lambda o, t: ((o - t) ** 2).mean()]
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_shapes_that_met(loss):
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    numbers = torch.arange(float(N))
    outputs = net(X)
    fact = read_loss(loss(outputs, numbers), outputs, numbers)
    assert (fact.outputs_shape, fact.targets_shape) == ((N, 1), (N,))
    squeezed = read_loss(loss(outputs.squeeze(1), numbers), outputs, numbers)
    assert squeezed.outputs_shape == squeezed.targets_shape == (N,)
    column = read_loss(loss(outputs, numbers[:, None]), outputs, numbers)
    assert column.outputs_shape == column.targets_shape == (N, 1)


def test_other_outputs_than_a_tensor_and_auxiliary_heads():
    trunk, main, aux = nn.Linear(16, 8), nn.Linear(8, C), nn.Linear(8, C)
    features = trunk(X.flatten(1)).relu()
    loss = F.cross_entropy(main(features), Y) + 0.3 * F.cross_entropy(aux(features).softmax(1), Y)
    fact = read_loss(loss, None, Y)
    assert (fact.kind, fact.activations, fact.scale) == ("cross-entropy", (), 1)


def test_the_term_on_the_outputs_counts():
    trunk, head = nn.Linear(16, 8), nn.Linear(8, C)
    features = trunk(X.flatten(1)).relu()
    outputs = head(features)
    loss = F.cross_entropy(outputs, Y) + 5 * F.mse_loss(features, torch.zeros(N, 8))
    fact = read_loss(loss, outputs, Y)
    assert (fact.kind, fact.scale) == ("cross-entropy", 1)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


def test_behind_a_function_of_the_user_nothing_is_guessed():
    outputs = Doubled.apply(NET(X))
    assert read_loss(F.cross_entropy(outputs, Y), outputs, Y).kind == "cross-entropy"
    assert read_loss(F.cross_entropy(outputs, Y), outputs, Y).chain[-1] == "DoubledBackward"
    assert read_loss(F.nll_loss(outputs, Y), outputs, Y).kind == "unknown"
    assert read_loss(Doubled.apply(F.cross_entropy(NET(X), Y)), None, Y).kind == "unknown"


def test_no_graph_at_all():
    fact = read_loss(torch.zeros(()), None, None)
    assert (fact.kind, fact.chain, reached_parameters(torch.zeros(()))) == ("unknown", (), set())


def test_after_the_backward_what_was_freed_is_not_known():
    outputs = NET(X)
    loss = F.cross_entropy(outputs, Y) / 4
    loss.backward()
    fact = read_loss(loss, outputs, Y)
    assert (fact.kind, fact.negated) == ("cross-entropy", False)


def test_reached_parameters_are_those_that_get_a_gradient():
    net = nn.ModuleDict(
        {"trunk": nn.Linear(16, 8), "head": nn.Linear(8, C), "idle": nn.Linear(2, 2)}
    )
    outputs = net["head"](net["trunk"](X.flatten(1)).detach())
    loss = F.cross_entropy(outputs, Y)
    reached = reached_parameters(loss)
    loss.backward()
    assert {id(one) for one in reached} == {
        id(one) for one in net.parameters() if one.grad is not None
    }
    assert len(reached) == 2


class Hiding(nn.Module):
    def __init__(self, *, checkpointed: bool = False) -> None:
        super().__init__()
        self.layers = [nn.Linear(16, 16)]
        self.teacher = [nn.Linear(16, C)]
        self.first = nn.Linear(16, 16)
        self.head = nn.Linear(16, C)
        self.checkpointed = checkpointed

    def forward(self, x):
        x = self.layers[0](x.flatten(1).requires_grad_())
        if self.checkpointed:
            return self.head(checkpoint(self.first, x, use_reentrant=True))
        return self.head(x)


def test_setting_with_its_loss():
    net = Hiding()
    outputs = net(X)
    setting = read_setting(net, torch.optim.SGD(net.parameters(), 0.1), None)
    setting = with_loss(setting, net, F.cross_entropy(outputs, Y), outputs, Y)
    assert {one.name: one.reached for one in setting.parameters} == {
        "first.weight": False,
        "first.bias": False,
        "head.weight": True,
        "head.bias": True,
    }
    assert {one.name: one.reached for one in setting.hidden} == {
        "layers[0].weight": True,
        "layers[0].bias": True,
        "teacher[0].weight": False,
        "teacher[0].bias": False,
    }
    assert setting.outputs == C
    assert setting.loss.kind == "cross-entropy"


def test_what_checkpointing_hides_counts_as_reached():
    net = Hiding(checkpointed=True)
    outputs = net(X)
    setting = read_setting(net, torch.optim.SGD(net.parameters(), 0.1), None)
    setting = with_loss(setting, net, F.cross_entropy(outputs, Y), outputs, Y)
    assert all(one.reached for one in setting.parameters)
