"""Fully convolutional networks: the map is the classifier's answer for every window cut out."""

import copy
import re

import pytest
import torch
import torchvision
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from hubel.architectures import load
from hubel.architectures.sliding import fully_convolutional
from hubel.errors import UsageError


def seasoned(net, seed=1):
    """Normalisations with statistics and factors of their own, in evaluation."""
    torch.manual_seed(seed)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.8, 1.5)
            layer.weight.data.uniform_(0.5, 1.0)
    return net.eval()


def crop_by_crop(net, pictures, size, stride):
    """The classifier, window after window: (n, outputs, h', w')."""
    high, wide = ((side - size) // stride + 1 for side in pictures.shape[2:])
    with torch.no_grad():
        rows = [
            [
                net(pictures[:, :, y * stride :, x * stride :][:, :, :size, :size])
                for x in range(wide)
            ]
            for y in range(high)
        ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def check(net, size, stride, *, larger=(9, 5), channels=2, unread=0):
    torch.manual_seed(3)
    net = seasoned(net)
    sliding = fully_convolutional(net, size=size, channels=channels)
    pictures = torch.randn(2, channels, size + larger[0], size + larger[1])
    with torch.no_grad():
        answers = sliding(pictures)
    expected = crop_by_crop(net, pictures, size, stride)
    high, wide = expected.shape[2:]
    # a window whose far border no layer reads may stand a little beyond the picture
    assert high <= answers.shape[2] <= high + unread
    assert wide <= answers.shape[3] <= wide + unread
    assert (answers[:, :, :high, :wide] - expected).abs().max() <= 1e-5
    return sliding


def lenet():
    return nn.Sequential(
        nn.Conv2d(2, 4, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(4, 6, 3), nn.Tanh(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6 * 9, 8), nn.Tanh(), nn.Linear(8, 3),
    )  # fmt: skip


class AlexLike(nn.Module):
    """Strides, overlapping pooling, dropout as a function, sizes read from the picture."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 4, 5, 2), nn.ReLU(inplace=True), nn.LocalResponseNorm(3),
            nn.MaxPool2d(3, 2), nn.Conv2d(4, 6, 3, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.one, self.two = nn.Linear(6 * 2 * 2, 8), nn.Linear(8, 3)

    def forward(self, inputs):
        maps = self.features(inputs)
        rows = F.dropout(maps.view(maps.size(0), -1), 0.5, self.training)
        return F.log_softmax(self.two(F.relu(self.one(rows), inplace=True)), -1)


class Functional(nn.Module):
    """A head with nothing but functions: mean over space, normalisation, two joined answers."""

    def __init__(self, pool):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(2, 4, 3, 2), pool
        self.bn, self.one, self.two = nn.BatchNorm1d(4), nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, inputs):
        rows = self.bn(self.pool(F.relu(self.conv(inputs))))
        return F.softmax(torch.cat((self.one(rows), self.two(rows)), 1), dim=1)


class Distances(nn.Module):
    """An answer that no convolution gives, after a pooling into 3x2 fields."""

    def __init__(self):
        super().__init__()
        self.conv, self.codes = nn.Conv2d(2, 4, 3), nn.Parameter(torch.randn(3, 4 * 6))

    def forward(self, inputs):
        rows = F.adaptive_max_pool2d(self.conv(inputs), (3, 2)).flatten(1)
        return -(rows[:, None] - self.codes).square().sum(2)


class Reduction(nn.Module):
    """Branches of the same stride, one of them a pooling that happens to see the whole map."""

    def __init__(self, pool):
        super().__init__()
        self.stem, self.conv, self.pool = nn.Conv2d(2, 4, 3, 2), nn.Conv2d(4, 3, 3, 2), pool
        self.head = nn.Linear(7, 3)

    def forward(self, inputs):
        maps = self.stem(inputs).relu()
        return self.head(torch.cat((self.conv(maps), self.pool(maps)), 1).mean((2, 3)))


@pytest.mark.parametrize("pool", [nn.MaxPool2d(3, 2), nn.AvgPool2d(3, 2)])
def test_a_pooling_of_the_body_keeps_its_stride(pool):
    check(Reduction(pool), 7, 4, larger=(8, 4))


POOLS = {
    "mean": lambda x: x.mean((2, 3)),
    "mean keeping dimensions": lambda x: (
        torch.mean(x, [-1, -2], keepdim=True).squeeze(3).squeeze(2)
    ),
    "amax": lambda x: x.amax(dim=(2, 3)),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, 1).reshape(len(x), -1),
    "adaptive max": lambda x: torch.flatten(F.adaptive_max_pool2d(x, (1, 1)), 1),
    "its own size": lambda x: F.avg_pool2d(x, x.shape[2:]).view(x.shape[0], 4),
    "one after the other": lambda x: x.mean(3).mean(2),
    "flattened": lambda x: x.flatten(2).max(2).values,
}


def test_a_plain_network():
    sliding = check(lenet(), 20, 4)
    kernels = [m.kernel_size for m in sliding.modules() if isinstance(m, nn.Conv2d)]
    assert kernels == [(5, 5), (3, 3), (3, 3), (1, 1)]
    assert not any(isinstance(module, nn.Linear) for module in sliding.modules())
    assert sliding.notes == ()


def test_strides_and_overlapping_pooling():
    sliding = check(AlexLike(), 33, 8, larger=(16, 25))
    assert not any(isinstance(module, nn.Linear) for module in sliding.modules())


@pytest.mark.parametrize("name", [name for name in POOLS if name != "adaptive"])
def test_ways_to_pool_the_whole_map(name):
    check(Functional(POOLS[name]), 11, 2)


def test_a_batch_that_is_counted_by_len_cannot_be_followed():
    with pytest.raises(UsageError, match="fully convolutional: its steps depend on the picture or"):
        fully_convolutional(Functional(POOLS["adaptive"]), size=11)


def test_answers_that_no_convolution_gives():
    check(Distances(), 12, 1, larger=(3, 2))


@pytest.mark.parametrize("fields", [(5, 5), (3, 2), (7, 7)])
def test_pooling_into_fields_before_a_layer(fields):
    features = 3 * fields[0] * fields[1]
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, 2), nn.AdaptiveAvgPool2d(fields), nn.Flatten(), nn.BatchNorm1d(features),
        nn.Dropout(), nn.Linear(features, 4), nn.ReLU(), nn.Unflatten(1, (2, 2)), nn.Flatten(),
    )  # fmt: skip
    check(net, 11, 2)


def test_a_rectangular_map_and_hubels_own_head():
    net = nn.Sequential(nn.Conv2d(2, 3, (3, 5)), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 10 * 8, 4))
    check(net, 12, 1, larger=(2, 3))
    lenet5 = load("lenet5", outputs=10, channels=2, size=32).module
    check(lenet5, 32, 4, larger=(8, 5))


@st.composite
def plain_networks(draw):
    """Layers without padding, a size that they take, and the strides' product."""
    body, maps, size, stride = [], 2, draw(st.integers(9, 20)), 1
    side = size
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "depthwise", "max", "mean", "bn", "relu"]))
        kernel, step, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2)), 1
        if kind in {"conv", "depthwise"}:
            dilation = draw(st.integers(1, 2))
            groups = maps if kind == "depthwise" else 1
            fresh = maps if kind == "depthwise" else draw(st.integers(1, 4))
            body.append(nn.Conv2d(maps, fresh, kernel, step, dilation=dilation, groups=groups))
            maps = fresh
        elif kind in {"max", "mean"}:
            body.append((nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(kernel, step))
        else:
            body.append(nn.BatchNorm2d(maps) if kind == "bn" else nn.ReLU())
            continue
        covers = kind in {"max", "mean"} and kernel == side > 1  # pooling of the whole: stride 1
        side = (side - dilation * (kernel - 1) - 1) // step + 1
        assume(side >= 1)
        stride *= 1 if covers else step
    head = draw(st.sampled_from(["flatten", "mean", "max", "fields"]))
    pool = {
        "flatten": nn.Identity(), "mean": nn.AdaptiveAvgPool2d(1), "max": nn.AdaptiveMaxPool2d(1),
        "fields": nn.AdaptiveAvgPool2d((2, 3)),
    }[head]  # fmt: skip
    features = maps * {"flatten": side * side, "mean": 1, "max": 1, "fields": 6}[head]
    end = [pool, nn.Flatten(), nn.Linear(features, 5)]
    end += [nn.BatchNorm1d(5)] if draw(st.booleans()) else []
    end += [nn.ReLU(), nn.Linear(5, 3, bias=draw(st.booleans()))]
    end += [nn.Softmax(1)] if draw(st.booleans()) else []
    return nn.Sequential(*body, *end), size, stride


@settings(max_examples=12, deadline=None)
@given(made=plain_networks(), more=st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_any_network_without_padding(made, more):
    net, size, stride = made
    check(net, size, stride, larger=more, unread=1)


@pytest.mark.parametrize(
    ("name", "size", "larger"),
    [("resnet18", 64, (3, 2)), ("mobilenet_v2", 64, (3, 2)), ("squeezenet1_1", 64, (5, 3)),
     ("vgg11", 64, (3, 2))],
)  # fmt: skip
def test_networks_of_torchvision_at_their_size(name, size, larger):
    settings = {"init_weights": False} if name == "vgg11" else {}
    net = seasoned(torchvision.models.get_model(name, num_classes=5, **settings))
    sliding = fully_convolutional(net, size=size, copy=False)
    pictures = torch.randn(2, 3, size, size)
    with torch.no_grad():
        expected, answers = net(pictures), sliding(pictures)
        assert answers.shape == (2, 5, 1, 1)
        assert (answers[:, :, 0, 0] - expected).abs().max() <= 1e-5
        assert sliding(torch.randn(1, 3, size + 64, size + 32)).shape == (1, 5, *larger)


class Weighing(nn.Module):
    """Squeeze-and-excitation between two convolutions."""

    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze, self.excite, self.head = nn.Linear(4, 2), nn.Linear(2, 4), nn.Linear(4, 3)

    def forward(self, inputs):
        maps = self.conv(inputs)
        weights = self.excite(self.squeeze(self.pool(maps).flatten(1)).relu()).sigmoid()
        maps = self.last(maps * weights[:, :, None, None])
        return self.head(self.pool(maps).flatten(1))


def test_what_weighs_maps_stays_one_for_the_picture():
    net = Weighing().eval()
    sliding = fully_convolutional(net, size=9)
    (note,) = sliding.notes
    assert note == (
        "pool looks at the whole picture, whatever its size: answers for a larger picture are not "
        "those for its windows cut out."
    )
    picture = torch.randn(1, 2, 9, 9)
    torch.testing.assert_close(sliding(picture)[:, :, 0, 0], net(picture))
    larger = torch.randn(1, 2, 12, 10)
    weights = net.excite(net.squeeze(net.conv(larger).mean((2, 3))).relu()).sigmoid()
    maps = net.last(net.conv(larger) * weights[:, :, None, None])
    expected = net.head(F.avg_pool2d(maps, 5, 1).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(sliding(larger), expected)


def test_group_normalisation_is_named():
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 1), nn.InstanceNorm2d(4),
        nn.Flatten(), nn.Linear(4 * 49, 3),
    )  # fmt: skip
    sliding = fully_convolutional(net, size=9)
    assert [note[:32] for note in sliding.notes] == ["1 (and 1 more) looks at the whol"]


def test_the_classifier_is_left_as_it_was():
    net = lenet().train()
    net[3].eval()
    net[0].weight.requires_grad = False
    before = copy.deepcopy(net.state_dict())
    sliding = fully_convolutional(net, size=20)
    assert [m.training for m in net.modules()] == [i != 4 for i in range(11)]
    modes = {path: m.training for path, m in sliding.network.named_modules()}
    assert modes.pop("3") is False
    assert all(modes.values())
    with torch.no_grad():
        for parameter in sliding.parameters():
            parameter.zero_()
    assert all(torch.equal(before[path], value) for path, value in net.state_dict().items())
    assert [p.requires_grad for p in sliding.parameters()] == [False, *[True] * 7]


def test_the_same_weights_without_a_copy():
    net = lenet()
    sliding = fully_convolutional(net, size=20, copy=False)
    assert {one.data_ptr() for one in net.parameters()} == {
        one.data_ptr() for one in sliding.parameters()
    }


def test_it_trains_on_pictures_of_several_sizes():
    torch.manual_seed(0)
    sliding = fully_convolutional(AlexLike().train(), size=33)
    assert any(isinstance(m, nn.Dropout) and m.training and m.p == 0.5 for m in sliding.modules())
    optimizer = torch.optim.SGD(sliding.parameters(), lr=0.1)
    for size in (33, 41, 60):
        optimizer.zero_grad()
        answers = sliding(torch.randn(2, 2, size, size))
        F.nll_loss(answers, torch.zeros(2, *answers.shape[2:], dtype=torch.long)).backward()
        assert all(one.grad.isfinite().all() for one in sliding.parameters())
        optimizer.step()
    kept = copy.deepcopy(sliding).eval()
    pictures = torch.randn(1, 2, 41, 41)
    assert torch.equal(kept(pictures), sliding.eval()(pictures))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)

    def forward(self, inputs):
        return self.conv(inputs) if inputs.sum() > 0 else inputs


class Steps(nn.Module):
    """A convolution, and then any function."""

    def __init__(self, then):
        super().__init__()
        self.conv, self.then = nn.Conv2d(2, 3, 3), then

    def forward(self, inputs):
        return self.then(self.conv(inputs))


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Branching(), "its steps depend on the picture or cannot be followed (symbolically traced"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(7, 3)),
            "it has no convolution that tells its channels; give channels",
        ),
        (
            nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(7, 3)),
            "it does not take pictures of 2 channels and 9x9 pixels (",
        ),
        (nn.Conv2d(2, 3, 3), "its output for two pictures has the shape (2, 3, 7, 7), not (2, out"),
        (Steps(lambda maps: (maps.mean((2, 3)),)), "its output is not one tensor"),
        (Steps(lambda maps: maps.flatten(1)), "its output is a flattened map, without a layer"),
        (
            Steps(lambda maps: maps.transpose(1, 2).contiguous().conj().mean((2, 3))),
            "its step transpose (transpose) has no meaning for a larger map",
        ),
        (
            Steps(lambda maps: (maps[:, :, :3, :3] + 1).mean((2, 3))),
            "its step getitem (getitem) has no meaning for a larger map",
        ),
        (
            nn.Sequential(nn.Conv2d(2, 3, 3), nn.LayerNorm(7), nn.Conv2d(3, 3, 7), nn.Flatten()),
            "its step 1 (LayerNorm) has no meaning for a larger map",
        ),
        (
            Steps(lambda maps: maps.view(2, 1, 3, 7, 7).sum(1).mean((2, 3))),
            "a step of it expects one size of the picture (",
        ),
    ],
)
def test_refusals(net, words):
    with pytest.raises(UsageError, match=re.escape(f"made fully convolutional: {words}")):
        fully_convolutional(net, size=9)


def test_a_picture_smaller_than_the_window():
    sliding = fully_convolutional(lenet(), size=20)
    with pytest.raises(UsageError, match="a window of 20x20 pixels over the picture, which has on"):
        sliding(torch.zeros(1, 2, 17, 40))
