"""From a name to a network: hubel's own, other libraries', a user's file; and every refusal."""

import builtins
import hashlib
import importlib
import re
import sys
import types

import pytest
import torch
from torch import nn

from hubel.architectures import ARCHITECTURES, choose_size, load
from hubel.errors import MissingExtraError, UsageError


def get(name, **changes):
    return load(name, **{"outputs": 3, "channels": 3, "size": 32} | changes)


@pytest.mark.parametrize("name", ["hubelnet", "lenet5"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_own_networks_at_their_sizes(name, channels):
    architecture = ARCHITECTURES[name]
    for size in {architecture.least_size, min(architecture.design_size, 64)}:
        loaded = get(name, channels=channels, size=size)
        assert loaded.module(torch.randn(2, channels, size, size)).shape == (2, 3)
        assert loaded.architecture is architecture
        assert (loaded.code_digest, loaded.code_text, loaded.notes) == ("", "", ())


def test_lenet5_is_linear_for_other_tasks():
    assert get("lenet5", outputs=10).arguments == {}
    assert not isinstance(get("lenet5", outputs=10).module.output, nn.Linear)
    loaded = get("lenet5", outputs=10, task="multilabel")
    assert loaded.arguments == {"output": "linear"}
    assert isinstance(loaded.module.output, nn.Linear)
    chosen = get("lenet5", outputs=10, task="multilabel", arguments={"output": "rbf"})
    assert chosen.arguments == {"output": "rbf"}


@pytest.mark.parametrize(
    ("name", "median", "size"),
    [
        ("hubelnet", 3, ARCHITECTURES["hubelnet"].least_size),
        ("hubelnet", 27.6, 28),
        ("hubelnet", 3000, ARCHITECTURES["hubelnet"].design_size),
        ("lenet5", 28, 32),
        ("lenet5", 500, 32),
        ("torchvision:resnet18", 8, 32),
        ("timm:resnet18", 100, 100),
        ("net.py:make", 4000, 224),
    ],
)
def test_default_size(name, median, size):
    assert choose_size(name, median) == size


def test_default_size_of_an_unknown_network():
    with pytest.raises(UsageError, match="There is no network 'hubbelnet': did you mean hubelnet"):
        choose_size("hubbelnet", 28)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("lenet", {}, "There is no network 'lenet': did you mean lenet5"),
        ("lenet5", {"size": 28}, "lenet5 takes pictures of 32 pixels a side only, not 28"),
        (
            "hubelnet",
            {"size": 4},
            (
                "hubelnet needs pictures of at least 8 pixels a side, not 4, at which its layer "
                "stages.1.pool (MaxPool2d) runs out of pixels; set --size 8 or more."
            ),
        ),
        (
            "lenet5",
            {"arguments": {"ouptut": "rbf"}},
            "lenet5 has no argument 'ouptut': did you mean output",
        ),
        ("torchvision:resnet19", {}, "torchvision has no network 'resnet19': did you mean resnet"),
        ("torchvision:qqqq", {}, "torchvision has no network 'qqqq': look at its documentation"),
        ("torchvision:alexnet", {}, "torchvision:alexnet cannot take pictures of 3 channels and"),
        (
            "torchvision:resnet18",
            {"arguments": {"depth": 3}},
            "torchvision:resnet18 cannot be built: ResNet.__init__() got an unexpected keyword",
        ),
        ("net.py", {}, "net.py names no factory: write it as net.py:FUNCTION"),
        ("net.py:make", {}, "Python file net.py, which runs only when you ask for it: add --trust"),
        (
            "net.py:make",
            {"trust_code": True},
            "Could not read the network's Python file net.py: No such file or directory",
        ),
    ],
)
def test_refusals(name, changes, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        get(name, **changes)


def test_torchvision_with_other_channels_says_what_it_changed():
    loaded = get("torchvision:squeezenet1_1", channels=2, size=64)
    assert loaded.module(torch.zeros(2, 2, 64, 64)).shape == (2, 3)
    assert loaded.notes == (
        (
            "torchvision:squeezenet1_1: its first convolution (features.0) was built again for "
            "2 channels."
        ),
    )
    assert loaded.architecture is None
    assert get("torchvision:squeezenet1_1", size=64).notes == ()


def test_torchvision_families_that_need_settings_of_their_own(monkeypatch):
    import torchvision

    calls = {}

    def get_model(name, **settings):
        calls[name] = settings
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))

    monkeypatch.setattr(torchvision.models, "get_model", get_model)
    for name in ("vit_b_16", "maxvit_t", "googlenet", "resnet18"):
        get(f"torchvision:{name}", size=64)
    base = {"weights": None, "num_classes": 3}
    assert calls == {
        "vit_b_16": base | {"image_size": 64},
        "maxvit_t": base | {"input_size": (64, 64)},
        "googlenet": base | {"aux_logits": False, "init_weights": True},
        "resnet18": base,
    }


def test_a_network_without_such_a_convolution(monkeypatch):
    import torchvision

    monkeypatch.setattr(torchvision.models, "get_model", lambda *_a, **_k: nn.Linear(3, 3))
    with pytest.raises(UsageError, match="has no convolution over 3 channels that could be built"):
        get("torchvision:resnet18", channels=2)


def test_timm_is_an_extra(monkeypatch):
    real = importlib.import_module

    def missing(name, *rest):
        if name == "timm":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=re.escape("timm:resnet18 needs the extra [timm]")):
        get("timm:resnet18")


@pytest.fixture
def fake_timm(monkeypatch):
    """The three functions of timm that hubel calls; the real ones need a heavy package."""
    calls = []

    def create_model(name, *, pretrained, num_classes, in_chans, **rest):
        if "depth" in rest:
            raise TypeError("unexpected keyword argument 'depth'\nmore")
        calls.append((name, pretrained, rest))
        return nn.Sequential(
            nn.Conv2d(in_chans, 4, 3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, num_classes),
        )

    module = types.ModuleType("timm")
    module.is_model = lambda name: name in {"resnet18", "vit"}
    module.list_models = lambda: ["resnet18", "vit"]
    module.create_model = create_model
    module.models = types.SimpleNamespace(get_pretrained_cfg_value=lambda name, key: name == "vit")
    monkeypatch.setitem(sys.modules, "timm", module)
    return calls


def test_timm_adapts_classes_channels_and_size(fake_timm):
    assert get("timm:resnet18", channels=5).module[0].in_channels == 5
    get("timm:vit", size=48)
    assert fake_timm == [("resnet18", False, {}), ("vit", False, {"img_size": 48})]
    with pytest.raises(UsageError, match="timm has no network 'resnet81': did you mean resnet18"):
        get("timm:resnet81")
    with pytest.raises(UsageError, match=re.escape("timm:vit cannot be built: unexpected keyword")):
        get("timm:vit", arguments={"depth": 2})


FILE = """
from torch import nn

class Wrong(nn.Module):
    def forward(self, x):
        return x.sum()

def make(*, outputs, channels, size, width=4):
    return nn.Sequential(nn.Conv2d(channels, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, outputs))

def wrong_shape(**_):
    return Wrong()

def wrong_kind(**_):
    return [1]

def tuple_out(**_):
    net = Wrong()
    net.forward = lambda x: (x, x)
    return net

def failing(**_):
    raise RuntimeError("out of luck")

def strict(*, outputs, channels, size):
    return nn.Sequential(nn.Flatten(), nn.Linear(7, outputs))
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(FILE)
    return path


def test_a_users_file(file):
    loaded = get(f"{file}:make", arguments={"width": 6}, trust_code=True)
    assert loaded.module[0].out_channels == 6
    assert loaded.module.training
    assert loaded.code_text == FILE
    assert loaded.code_digest == hashlib.sha256(FILE.encode()).hexdigest()
    assert "net" not in sys.modules


def test_the_stored_copy_runs_in_place_of_the_file(file):
    name = f"{file}:make"
    file.unlink()
    loaded = get(name, trust_code=True, stored_code=FILE.replace("width=4", "width=9"))
    assert loaded.module[0].out_channels == 9
    with pytest.raises(UsageError, match="runs only when you ask for it"):
        get(name, stored_code=FILE)


def test_nothing_of_a_file_runs_without_trust(file, monkeypatch):
    file.write_text("raise SystemExit('ran')")
    monkeypatch.setattr(builtins, "exec", lambda *_: pytest.fail("code was run"))
    with pytest.raises(UsageError, match="add --trust-code, or name the file again with --model"):
        get(f"{file}:make")


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("mak", "has no function 'mak': did you mean make?"),
        ("wrong_kind", "must return a torch.nn.Module, but returned list"),
        ("wrong_shape", "must turn 2 pictures into a tensor of shape (2, 3), but gave ()"),
        ("tuple_out", "must turn 2 pictures into a tensor of shape (2, 3), but gave tuple"),
        ("failing", "failed with RuntimeError: out of luck; it is called as factory(outputs=3, ch"),
        ("strict", "cannot take pictures of 3 channels and 32x32 pixels: RuntimeError: mat1"),
    ],
)
def test_wrong_factories(file, factory, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        get(f"{file}:{factory}", trust_code=True)


@pytest.mark.parametrize("code", ["import nothing_of_this_name", "def make(:"])
def test_a_file_that_fails(file, code):
    file.write_text(code)
    with pytest.raises(UsageError, match=r"net\.py failed with (ModuleNotFound|Syntax)Error: "):
        get(f"{file}:make", trust_code=True)
