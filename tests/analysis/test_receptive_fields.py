"""Receptive fields of every kind of layer, by hand."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from hubel.analysis import receptive_field, receptive_fields
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
    with pytest.raises(UsageError, match="Sequential runs no layer 'conv': choose from 0, 1"):
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
