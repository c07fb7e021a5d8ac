"""Receptive fields against what was published, and against every kind of layer by hand."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from hubel.analysis import receptive_field, receptive_fields
from hubel.architectures import ARCHITECTURES
from hubel.errors import UsageError
from hubel.tracing import trace


def built(make, *arguments, **settings):
    with torch.device("meta"):
        return make(*arguments, **settings).eval()


def fields_of(network, shape):
    """The fields by path, of the first call."""
    analysed = receptive_fields(trace(network, shape))
    assert analysed.not_analysed == ()
    return {one.path: one.receptive_field for one in analysed if one.call == 0}


# Published ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "layer", "size", "stride"),
    [
        ("alexnet", "features.12", 195, 32),
        ("vgg16", "features.30", 212, 32),
        ("resnet50", "layer4", 427, 32),
        ("resnet101", "layer4", 971, 32),
        ("resnet152", "layer4", 1451, 32),
    ],
)
def test_torchvision_networks_have_their_published_fields(name, layer, size, stride):
    fields = fields_of(built(torchvision.models.get_model, name), (3, 224, 224))
    assert fields[layer].size == (size, size)
    assert fields[layer].stride == (stride, stride)
    assert fields[layer].whole == (False, False)
    assert fields[""].whole == (True, True)
    assert fields[""].size == (224, 224)


@pytest.mark.parametrize(
    ("name", "size"), [("resnet50", 483), ("resnet101", 1027), ("resnet152", 1507)]
)
def test_resnets_with_the_papers_stride_have_their_published_fields(name, size):
    network = built(torchvision.models.get_model, name)
    for layer in (network.layer2, network.layer3, network.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    assert fields_of(network, (3, 224, 224))["layer4"].size == (size, size)


def test_inception_v3_has_its_published_field():
    network = built(torchvision.models.inception_v3, init_weights=False)
    field = fields_of(network, (3, 299, 299))["Mixed_7c"]
    assert field.size == (1311, 1311)
    assert field.stride == (32, 32)


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [("inception_v4", "features", 2071), ("inception_resnet_v2", "conv2d_7b", 3039)],
)
def test_timms_inceptions_have_their_published_fields(name, layer, size):
    timm = pytest.importorskip("timm")
    field = fields_of(built(timm.create_model, name), (3, 299, 299))[layer]
    assert field.size == (size, size)


@pytest.mark.parametrize(
    ("name", "arguments", "layer", "size"),
    [
        ("alexnet", {}, "features.pool5", 195),
        ("vgg16", {}, "features.30", 212),
        ("resnet50", {"stride_on": "1x1"}, "stages", 483),
        ("resnet101", {"stride_on": "1x1"}, "stages", 1027),
        ("resnet152", {"stride_on": "1x1"}, "stages", 1507),
        ("resnet50", {}, "stages", 427),
        ("resnet101", {}, "stages", 971),
        ("resnet152", {}, "stages", 1451),
        ("inception_v3", {}, "upper", 1311),
        ("inception_v4", {}, "inception_c_3", 2071),
        ("inception_resnet_v2", {}, "top", 3039),
        ("mobilenet_v1", {}, "features", 315),
    ],
)
def test_own_networks_have_their_published_fields(name, arguments, layer, size):
    network = ARCHITECTURES[name]
    side, channels = network.design_size, network.design_channels
    module = built(network.build, outputs=1000, channels=channels, size=side, **arguments)
    field = fields_of(module, (channels, side, side))[layer]
    assert field.size == (size, size)
    assert field.stride == (32, 32)


def test_mobilenet_v1_has_its_published_field():
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    layers = [nn.Conv2d(3, 8, 3, 2, 1)]
    for stride in strides:
        layers += [nn.Conv2d(8, 8, 3, stride, 1, groups=8), nn.Conv2d(8, 8, 1)]
    field = fields_of(built(nn.Sequential, *layers), (3, 224, 224))[""]
    assert field.size == (315, 315)
    assert field.stride == (32, 32)


# (name, kernel, stride, padding), output at 224, stride, size: what the notes' script prints,
# which floors its divisions.
NOTES = {
    "alexnet": [
        ("conv1", 11, 4, 0, 54, 4, 11),
        ("pool1", 3, 2, 0, 26, 8, 19),
        ("conv2", 5, 1, 2, 26, 8, 51),
        ("pool2", 3, 2, 0, 12, 16, 67),
        ("conv3", 3, 1, 1, 12, 16, 99),
        ("conv4", 3, 1, 1, 12, 16, 131),
        ("conv5", 3, 1, 1, 12, 16, 163),
        ("pool5", 3, 2, 0, 5, 32, 195),
    ],
    "zf-5": [
        ("conv1", 7, 2, 3, 112, 2, 7),
        ("pool1", 3, 2, 1, 56, 4, 11),
        ("conv2", 5, 2, 2, 28, 8, 27),
        ("pool2", 3, 2, 1, 14, 16, 43),
        ("conv3", 3, 1, 1, 14, 16, 75),
        ("conv4", 3, 1, 1, 14, 16, 107),
        ("conv5", 3, 1, 1, 14, 16, 139),
    ],
    "vgg16": [
        ("conv1_1", 3, 1, 1, 224, 1, 3),
        ("conv1_2", 3, 1, 1, 224, 1, 5),
        ("pool1", 2, 2, 0, 112, 2, 6),
        ("conv2_1", 3, 1, 1, 112, 2, 10),
        ("conv2_2", 3, 1, 1, 112, 2, 14),
        ("pool2", 2, 2, 0, 56, 4, 16),
        ("conv3_1", 3, 1, 1, 56, 4, 24),
        ("conv3_2", 3, 1, 1, 56, 4, 32),
        ("conv3_3", 3, 1, 1, 56, 4, 40),
        ("pool3", 2, 2, 0, 28, 8, 44),
        ("conv4_1", 3, 1, 1, 28, 8, 60),
        ("conv4_2", 3, 1, 1, 28, 8, 76),
        ("conv4_3", 3, 1, 1, 28, 8, 92),
        ("pool4", 2, 2, 0, 14, 16, 100),
        ("conv5_1", 3, 1, 1, 14, 16, 132),
        ("conv5_2", 3, 1, 1, 14, 16, 164),
        ("conv5_3", 3, 1, 1, 14, 16, 196),
        ("pool5", 2, 2, 0, 7, 32, 212),
    ],
}


def as_the_script_computes(rows):
    """Output, stride and field of each row, from the top layer down as the script goes."""
    computed = []
    for count in range(1, len(rows) + 1):
        length, total, field = 224, 1, 1
        for _, kernel, stride, padding, *_ in rows[:count]:
            length, total = (length - kernel + 2 * padding) // stride + 1, total * stride
        for _, kernel, stride, *_ in reversed(rows[:count]):
            field = (field - 1) * stride + kernel
        computed.append((length, total, field))
    return computed


@pytest.mark.parametrize("name", NOTES)
def test_the_tables_of_the_notes(name):
    rows = NOTES[name]
    layers = [
        nn.Conv2d(3 if at == 0 else 4, 4, *settings)
        if layer.startswith("conv")
        else nn.MaxPool2d(*settings)
        for at, (layer, *settings, _, _, _) in enumerate(rows)
    ]
    traced = trace(built(nn.Sequential, *layers), (3, 224, 224))
    analysed = [one for one in receptive_fields(traced) if one.path]
    found = [
        (
            traced.values[one.value].shape[2],
            *one.receptive_field.stride[:1],
            *one.receptive_field.size[:1],
        )
        for one in analysed
    ]
    assert found == [row[4:] for row in rows]
    assert found == as_the_script_computes(rows)


# By hand ------------------------------------------------------------------------------------


class Does(nn.Module):
    """A function as a network."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def field_after(function, shape):
    return fields_of(Does(function), shape)[""]


def test_start_is_negative_inside_padding_and_strides_may_be_fractions():
    kernel = torch.ones(1, 1, 5)
    field = field_after(lambda x: F.conv1d(x, kernel, stride=2, padding=2), (1, 20))
    assert (field.size, field.stride, field.start) == ((5,), (2.0,), (-2.0,))
    field = field_after(lambda x: F.conv_transpose1d(x, kernel, stride=2, padding=1), (1, 20))
    assert (field.size, field.stride, field.start) == ((3,), (0.5,), (-1.0,))
    field = field_after(lambda x: F.interpolate(x, scale_factor=4, mode="nearest"), (1, 6))
    assert (field.size, field.stride, field.start) == ((1,), (0.25,), (0.0,))
    field = field_after(lambda x: F.interpolate(x, scale_factor=2, mode="linear"), (1, 6))
    assert (field.size, field.stride, field.start) == ((2,), (0.5,), (0.0,))


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [3, 5, 7, 9, 14, 20])
def test_interpolation_reads_the_inputs_that_have_a_gradient(mode, antialias, size):
    network = Does(lambda x: F.interpolate(x, (size, 9), mode=mode, antialias=antialias))
    analysed = receptive_fields(trace(network, (1, 9, 9)))
    assert analysed.not_analysed == ()
    picture = torch.ones((1, 1, 9, 9), dtype=torch.float64, requires_grad=True)
    output = network(picture)[0, 0]
    for unit in range(size):
        (slope,) = torch.autograd.grad(output[unit, 4], picture, retain_graph=True)
        rows = (slope[0, 0].abs().sum(1) > 1e-9).nonzero().flatten()
        region = analysed.region("", (unit, 4))
        assert (region.start[0], region.stop[0]) == (int(rows.min()), int(rows.max()) + 1)


def test_strided_slices_multiply_the_stride_and_shift_the_start():
    field = field_after(lambda x: F.avg_pool2d(x, 2)[:, :, 1:, ::3], (1, 24, 24))
    assert (field.size, field.stride, field.start) == ((2, 2), (2.0, 6.0), (2.0, 0.0))


def test_a_token_sees_a_patch_and_attention_sees_all():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.tokens = nn.Conv2d(3, 8, 4, 4), nn.Identity()
            self.attention, self.mlp = (
                nn.MultiheadAttention(8, 2, batch_first=True),
                nn.Linear(8, 8),
            )
            self.first = nn.Parameter(torch.zeros(1, 1, 8))

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = self.tokens(torch.cat([self.first.expand(len(x), -1, -1), x], dim=1))
            return self.mlp(x + self.attention(x, x, x, need_weights=False)[0])

    network = built(Tokens)
    seen = fields_of(network, (3, 16, 24))
    assert seen["tokens"].size == (4, 4)
    assert seen["tokens"].whole == (False, False)
    assert seen["attention"].size == seen["mlp"].size == (16, 24)
    assert seen["mlp"].whole == (True, True)
    regions = receptive_fields(trace(network, (3, 16, 24)))
    assert regions.region("tokens", (1 + 6 + 2, 0)).slices == (slice(4, 8), slice(8, 12))
    assert regions.region("tokens", (0, 0)).size == (0, 0)


def test_the_axis_is_followed_to_the_dimension_where_it_lies():
    def dimensions(function):
        return next(iter(receptive_fields(trace(Does(function), (3, 8, 8))))).dimensions

    assert dimensions(lambda x: x) == (2, 3)
    assert dimensions(lambda x: x.permute(0, 3, 2, 1)) == (2, 1)
    assert dimensions(lambda x: x.flatten(2).transpose(1, 2)) == (1, 1)
    assert dimensions(lambda x: x.mean(2)) == (None, 2)


def test_squeeze_and_excitation_makes_the_whole_picture_seen_but_keeps_the_grid():
    field = field_after(lambda x: F.avg_pool2d(x, 2) * x.mean((2, 3), keepdim=True), (4, 12, 12))
    assert field.whole == (True, True)
    assert (field.size, field.stride, field.start) == ((12, 12), (2.0, 2.0), (0.0, 0.0))


@pytest.mark.parametrize(
    "norm", [nn.InstanceNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm((4, 12, 12))], ids=repr
)
def test_norms_over_the_map_see_it_whole(norm):
    assert fields_of(norm, (4, 12, 12))[""].whole == (True, True)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4), nn.LocalResponseNorm(5)], ids=repr)
def test_norms_of_each_place_see_one_pixel(norm):
    assert fields_of(norm.eval(), (4, 12, 12))[""].size == (1, 1)


def test_batch_norm_in_training_sees_the_map_whole():
    analysed = receptive_fields(trace(nn.BatchNorm2d(4), (4, 12, 12), training=True))
    assert analysed.layers[0].receptive_field.whole == (True, True)


def test_adaptive_pooling_is_exact_about_its_first_unit_and_its_largest_field():
    # 10 places to 4: ⌊10·i/4⌋ to ⌈10·(i+1)/4⌉: 0–2, 2–4, 5–7, 7–9
    field = field_after(lambda x: F.adaptive_avg_pool1d(x, 4), (1, 10))
    assert (field.size, field.stride, field.start) == ((3,), (2.5,), (0.0,))
    traced = trace(Does(lambda x: F.adaptive_avg_pool1d(x, 4)), (1, 10))
    regions = [traced.receptive_field("", (unit,)) for unit in range(4)]
    assert [(one.start[0], one.stop[0]) for one in regions] == [(0, 3), (2, 5), (5, 8), (7, 10)]
    field = field_after(lambda x: F.adaptive_avg_pool1d(x, 5), (1, 10))
    assert (field.size, field.stride, field.start) == ((2,), (2.0,), (0.0,))


def test_windows_of_attention_see_their_window():
    def attend(x):  # (1, c, 8, 8) in windows of 4
        windows = x.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4)
        weights = torch.softmax(windows.unsqueeze(-1) @ windows.unsqueeze(-2), -1)
        return weights @ windows.unsqueeze(-1)

    traced = trace(Does(attend), (2, 8, 8))
    field = receptive_fields(traced).layers[0].receptive_field
    assert field.size == (4, 4)
    assert field.stride == (1.0, 1.0)  # of the grid on which queries lie
    assert field.whole == (False, False)
    region = traced.receptive_field("", (0, 1, 0, 7, 0))
    assert region.slices == (slice(4, 8), slice(0, 4))


def test_deformable_convolution_may_see_everything_and_says_so():
    def deformed(x):
        weight, offset = torch.ones(3, 2, 3, 3), torch.zeros(1, 18, 8, 8)
        return torchvision.ops.deform_conv2d(x, offset.to(x.device), weight.to(x.device), padding=1)

    analysed = receptive_fields(trace(Does(deformed), (2, 8, 8)))
    assert analysed.layers[0].receptive_field.whole == (True, True)
    assert any("deform_conv2d" in note and "whole" in note for note in analysed.notes)


def test_modules_called_again_have_an_entry_each():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)

        def forward(self, x):
            return self.conv(self.conv(x))

    entries = receptive_fields(trace(built(Twice), (3, 9, 9))).layers
    assert [(one.path, one.call, one.receptive_field.size) for one in entries] == [
        ("", 0, (5, 5)),
        ("conv", 0, (3, 3)),
        ("conv", 1, (5, 5)),
    ]


def test_misaligned_branches_are_noted_and_see_the_union():
    analysed = receptive_fields(
        trace(Does(lambda x: torch.cat([x[:, :, ::2], F.avg_pool1d(x, 2)], 1)), (1, 12))
    )
    field = analysed.layers[0].receptive_field
    assert (field.size, field.stride, field.start) == ((2,), (2.0,), (0.0,))
    assert analysed.notes == (
        "the network's own forward (cat): joins branches with centres 0.5 pixels apart",
    )
    analysed = receptive_fields(trace(Does(lambda x: x[..., :4] + x[..., ::2]), (1, 3, 8)))
    assert analysed.notes == (
        "the network's own forward (add): joins branches with strides of 1 and 2 pixels",
    )


def test_aligned_branches_are_not_noted():
    network = built(torchvision.models.inception_v3, init_weights=False)
    assert receptive_fields(trace(network, (3, 299, 299))).notes == ()


def test_an_unknown_operation_is_named_and_what_follows_has_no_field():
    network = nn.Sequential(nn.Conv1d(1, 2, 3), Does(torch.lgamma), nn.ReLU())
    analysed = receptive_fields(trace(network, (1, 12)))
    assert analysed.not_analysed == ("lgamma",)
    by_path = {one.path: one.receptive_field for one in analysed}
    assert by_path["0"].size == (3,)
    assert by_path["1"] is by_path["2"] is by_path[""] is None
    assert list(analysed.by_value.values()).count(None) == 2
    with pytest.raises(UsageError, match="The field of 2 is not known: no rule for lgamma"):
        analysed.region("2", (0,))


def test_writing_into_a_part_is_not_passed_over():
    def written(x):
        made = torch.zeros_like(x)
        made[:, :, 2:] = x[:, :, :-2]
        return made * 1

    assert receptive_fields(trace(Does(written), (1, 12))).not_analysed == ("copy",)


def test_vectors_have_no_field():
    analysed = receptive_fields(trace(nn.Linear(4, 2), (4,)))
    assert analysed.layers[0].receptive_field is None
    assert analysed.not_analysed == ()


def test_regions_outside_and_inside_the_picture():
    traced = trace(built(nn.Conv2d, 3, 2, 5, padding=2), (3, 10, 10))
    inside = receptive_field(traced, "", (0, 9))
    assert (inside.start, inside.stop, inside.size) == ((0, 7), (3, 10), (3, 3))
    beyond = receptive_field(traced, "", (1, 0, 9), clipped=False)
    assert (beyond.start, beyond.stop) == ((-2, 7), (3, 12))
    assert traced.receptive_field("", (0, 9)) == inside


def test_what_is_not_there_is_refused():
    traced = trace(nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU()), (3, 10, 10))
    with pytest.raises(UsageError, match="Sequential runs no layer 'conv': .*Known: 0, 1"):
        receptive_field(traced, "conv", (0, 0))
    with pytest.raises(UsageError, match="1 is called 1 times, from 0: there is no call 1"):
        receptive_field(traced, "1", (0, 0), call=1)
    with pytest.raises(UsageError, match=r"Unit \(0, 8\) lies outside of a tensor of 1×2×8×8"):
        receptive_field(traced, "1", (0, 8))
    with pytest.raises(
        UsageError, match="is named by 3 numbers, or by 2 on the picture's axes, not by 1"
    ):
        receptive_field(traced, "1", (0,))
    with pytest.raises(UsageError, match="its output lies on no axis of a picture"):
        receptive_field(trace(nn.Linear(4, 2), (4,)), "", (0,))
