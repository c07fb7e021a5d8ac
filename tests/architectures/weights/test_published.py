"""Which weights are published, how they are fetched, and what is refused; without a network."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import WeightsEnum

from hubel.architectures import load
from hubel.architectures.architecture import Architecture, PublishedWeights
from hubel.architectures.weights import packages, published
from hubel.architectures.weights.packages import PACKAGES, ArrayUnpickler, Package, package_state
from hubel.architectures.weights.published import fetch, published_weights, reading_of
from hubel.architectures.weights.reading import Reading
from hubel.architectures.weights.transplant import transplant
from hubel.errors import MissingExtraError, UsageError, WeightsError


def build(*, outputs: int, channels: int, size: int, wide: bool = False) -> nn.Module:
    """A page's network: convolution, normalisation, classifier."""
    width = 6 if wide else 4
    return nn.Sequential(
        nn.Conv2d(channels, width, 3), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(width, outputs),
    )  # fmt: skip


def published_state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    module = build(outputs=1000, channels=3, size=32, wide=True)
    return {
        f"their.{name}": torch.rand(tensor.shape, generator=generator)
        for name, tensor in module.state_dict().items()
    }


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """A network with two published entries, the second of another width."""
    entry = Architecture(
        name="tiny", builder=build, least_size=8, design_size=32, params=1, macs=1, year=2026,
        source="x", summary="x",
        weights=(
            PublishedWeights(origin="torchvision:tiny.ONE", arguments={"wide": True}),
            PublishedWeights(origin="package:tiny"),
        ),
    )  # fmt: skip
    monkeypatch.setitem(published.ARCHITECTURES, "tiny", entry)
    kind = published.Kind(
        state=lambda _name: published_state(),
        reading=lambda _name: Reading(size=32, mean=(0.5,) * 3, std=(0.5,) * 3),
    )
    monkeypatch.setattr(published, "KINDS", {"torchvision": kind, "package": kind})
    return "tiny"


def test_the_classifier_of_the_weights_is_kept(tiny: str) -> None:
    loaded = load(tiny, outputs=1000, channels=3, size=32, pretrained=True)
    state = published_state()
    assert torch.equal(loaded.module[4].weight, state["their.4.weight"])
    assert torch.equal(loaded.module[1].running_var, state["their.1.running_var"])
    assert loaded.arguments == {"wide": True}
    assert (loaded.origin, loaded.fresh) == ("torchvision:tiny.ONE", ())
    assert loaded.notes == ("Starts from the weights torchvision:tiny.ONE: 8 of 8 tensors.",)


def test_other_classes_get_a_new_classifier_and_it_is_said(tiny: str) -> None:
    torch.manual_seed(1)
    fresh = load(tiny, outputs=3, channels=1, size=32, arguments={"wide": True})
    torch.manual_seed(1)
    loaded = load(tiny, outputs=3, channels=1, size=32, weights="ONE")
    assert torch.equal(loaded.module[4].weight, fresh.module[4].weight)
    assert loaded.fresh == ("4.weight", "4.bias")
    assert loaded.notes[0] == (
        "Starts from the weights torchvision:tiny.ONE: 6 of 8 tensors; the first convolution (0) "
        "sums its kernels over RGB; the last layer (4) is new, with 3 outputs in place of 1000."
    )


def test_an_entry_is_chosen_by_its_origin_or_its_last_part(tiny: str) -> None:
    assert published_weights(tiny).origin == "torchvision:tiny.ONE"
    assert published_weights(tiny, "package:tiny").origin == "package:tiny"
    with pytest.raises(UsageError, match="There is no entry of tiny's weights 'TWO'"):
        published_weights(tiny, "TWO")
    with pytest.raises(WeightsError, match="do not fit the network: their"):
        load(tiny, outputs=3, channels=3, size=32, weights="package:tiny")
    with pytest.raises(UsageError, match="fit tiny with wide=True, not wide=False"):
        load(tiny, outputs=3, channels=3, size=32, pretrained=True, arguments={"wide": False})


@pytest.mark.parametrize("name", ["hubelnet", "net.py:make", "nothing"])
def test_networks_without_weights(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} has no published weights: leave out --pretrain"):
        load(name, outputs=2, channels=3, size=32, pretrained=True)


class TestTorchvision:
    def test_entries(self) -> None:
        assert published_weights("torchvision:resnet50").origin.endswith("resnet50.IMAGENET1K_V2")
        found = published_weights("torchvision:resnet50", "IMAGENET1K_V1").origin
        assert found == "torchvision:resnet50.IMAGENET1K_V1"
        with pytest.raises(UsageError, match="no entry of torchvision:resnet50's weights 'V9'"):
            published_weights("torchvision:resnet50", "V9")
        with pytest.raises(UsageError, match="There is no network of torchvision 'resnet5'"):
            published_weights("torchvision:resnet5")

    def test_readings(self) -> None:
        found = reading_of("torchvision:resnet50.IMAGENET1K_V2")
        assert (found.size, found.fit, found.share) == (224, "crop", 224 / 232)
        assert found.mean == (0.485, 0.456, 0.406)
        assert found.scaling(3) == (found.mean, (0.229, 0.224, 0.225))
        grey = found.scaling(1)
        assert grey is not None
        assert grey[0][0] == pytest.approx(np.mean(found.mean))
        assert found.scaling(4) is None
        # Its network scales again, x·0.229/0.5 + (0.485 - 0.5)/0.5, which is (v - 0.5)/0.5.
        found = reading_of("torchvision:inception_v3.IMAGENET1K_V1")
        assert (found.size, found.mean, found.std) == (299, (0.5,) * 3, (0.5,) * 3)

    @pytest.mark.parametrize("name", ["squeezenet1_1", "densenet121", "googlenet"])
    def test_old_names_and_auxiliary_heads(self, name: str, monkeypatch: Any) -> None:
        given: dict[str, Any] = {}
        with torch.device("meta"):
            settings = {"init_weights": False} if name == "googlenet" else {}
            module = torchvision.models.get_model(name, weights=None, **settings)
        state = {
            key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2.")
            if name == "densenet121"
            else key: torch.full(tensor.shape, 0.5)
            for key, tensor in reversed(module.state_dict().items())
            if "num_batches" not in key
        }
        monkeypatch.setattr(
            WeightsEnum, "get_state_dict", lambda _self, **settings: given.update(settings) or state
        )
        loaded = load(f"torchvision:{name}", outputs=4, channels=3, size=64, pretrained=True)
        assert given == {
            "progress": False, "check_hash": True, "weights_only": True, "map_location": "cpu",
        }  # fmt: skip
        for key, tensor in loaded.module.state_dict().items():
            if key not in loaded.fresh and "num_batches" not in key:
                assert (tensor == 0.5).all(), key
        assert len(loaded.fresh) == 2

    def test_no_network_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise OSError("<urlopen error no route to host>")

        monkeypatch.setattr(WeightsEnum, "get_state_dict", fail)
        match = (
            r"Could not fetch the weights torchvision:squeezenet1_1.IMAGENET1K_V1 \(OSError: .* no "
            r"route to host>\): .*; --model squeezenet1_1 --weights package:squeezenet1_1 needs no"
        )
        with pytest.raises(WeightsError, match=match):
            fetch("torchvision:squeezenet1_1.IMAGENET1K_V1")
        with pytest.raises(WeightsError, match="--model efficientnet_lite0 needs no network"):
            fetch("torchvision:resnet18.IMAGENET1K_V1")

    def test_a_wrong_digest_is_refused(self, monkeypatch: Any, tmp_path: Path) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise RuntimeError('invalid hash value (expected "f37072fd", got "00")')

        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
        monkeypatch.setattr(WeightsEnum, "get_state_dict", fail)
        with pytest.raises(WeightsError, match="is damaged or not the published one, and was not"):
            fetch("torchvision:resnet18.IMAGENET1K_V1")
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"cut off")
        with pytest.raises(WeightsError, match="SHA-256 begins with .* instead of f37072fd; delet"):
            fetch("torchvision:resnet18.IMAGENET1K_V1")
        good = hashlib.sha256(b"whole").hexdigest()[:8]
        (tmp_path / "checkpoints" / f"x-{good}.pth").write_bytes(b"whole")
        published._refuse_damaged(f"https://x/x-{good}.pth")


class TestTimm:
    timm = pytest.importorskip("timm")

    def test_entries_and_readings(self) -> None:
        origin = published_weights("timm:inception_v4").origin
        assert origin == "timm:inception_v4.tf_in1k"
        found = reading_of(origin)
        assert (found.size, found.share, found.mean) == (299, 0.875, (0.5, 0.5, 0.5))
        assert published_weights("timm:resnet18", "tv_in1k").origin == "timm:resnet18.tv_in1k"
        with pytest.raises(UsageError, match="There is no tag of timm:resnet18's weights 'none'"):
            published_weights("timm:resnet18", "none")
        with pytest.raises(UsageError, match="timm:test_no has no published weights"):
            published_weights("timm:test_no")
        with pytest.raises(UsageError, match="timm has no weights 'nothing.at_all'"):
            reading_of("timm:nothing.at_all")

    def test_timm_fetches_its_own(self, monkeypatch: Any) -> None:
        theirs = self.timm.create_model("test_resnet", pretrained=False)
        own = self.timm.create_model

        def create(name: str, *, pretrained: bool, **settings: Any) -> nn.Module:
            return theirs if pretrained else own(name, pretrained=False, **settings)

        monkeypatch.setattr(self.timm, "create_model", create)
        loaded = load("timm:test_resnet", outputs=3, channels=1, size=64, pretrained=True)
        assert loaded.fresh == ("fc.weight", "fc.bias")
        ours, state = loaded.module.state_dict(), theirs.state_dict()
        torch.testing.assert_close(ours["conv1.0.weight"], state["conv1.0.weight"].sum(1, True))
        assert torch.equal(ours["layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])

    def test_without_timm(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "timm", None)
        with pytest.raises(MissingExtraError, match=r"needs the extra \[timm\]"):
            published_weights("timm:resnet18")


def make_package(folder: Path, monkeypatch: Any, data: bytes, read: Any = None) -> Package:
    (folder / "made_package").mkdir()
    (folder / "made_package" / "__init__.py").write_text("raise SystemExit('was imported')")
    (folder / "made_package" / "w.bin").write_bytes(data)
    monkeypatch.syspath_prepend(str(folder))
    package = Package(
        distribution="made==1", module="made_package", path="w.bin",
        sha256=hashlib.sha256(data).hexdigest(), read=read or packages._torch_file,
        reading=Reading(size=8, mean=(0.0,) * 3, std=(1.0,) * 3),
    )  # fmt: skip
    monkeypatch.setattr(packages, "PACKAGES", {"made": package})
    return package


class TestPackages:
    def test_a_package_is_found_and_not_imported(self, tmp_path: Path, monkeypatch: Any) -> None:
        file = io.BytesIO()
        torch.save({"a": torch.arange(3.0)}, file)
        make_package(tmp_path, monkeypatch, file.getvalue())
        assert torch.equal(fetch("package:made")["a"], torch.arange(3.0))
        assert reading_of("package:made").size == 8

    def test_another_file_is_refused(self, tmp_path: Path, monkeypatch: Any) -> None:
        package = make_package(tmp_path, monkeypatch, b"whole")
        (tmp_path / "made_package" / "w.bin").write_bytes(b"changed")
        with pytest.raises(WeightsError, match=r"are damaged or of another version: .* made==1 ag"):
            package_state("made")
        (tmp_path / "made_package" / "w.bin").unlink()
        with pytest.raises(WeightsError, match="Could not read the weights .*w.bin: No such file"):
            package_state("made")
        gone = dataclasses.replace(package, module="no_such_package_at_all")
        monkeypatch.setattr(packages, "PACKAGES", {"made": gone})
        with pytest.raises(MissingExtraError, match=r"package:made needs the extra \[weights\]"):
            package_state("made")
        with pytest.raises(UsageError, match="There is no package of weights 'mad': did you mean"):
            package_state("mad")

    def test_a_pickle_of_anything_but_arrays_is_refused(self) -> None:
        arrays = {"a": [np.arange(6, dtype=np.float32).reshape(2, 3)]}
        for protocol in (3, 4):
            found = ArrayUnpickler(io.BytesIO(pickle.dumps(arrays, protocol))).load()
            np.testing.assert_array_equal(found["a"][0], arrays["a"][0])
        with pytest.raises(pickle.UnpicklingError, match="it asks for posix.system|nt.system"):
            ArrayUnpickler(io.BytesIO(b"cposix\nsystem\n(S'true'\ntR.")).load()
        with pytest.raises(pickle.UnpicklingError, match="numbers of type 'i8' instead of 'f4'"):
            ArrayUnpickler(io.BytesIO(pickle.dumps(np.arange(3), 3))).load()

    def test_kernels_are_turned_round_and_bgr_becomes_rgb(self) -> None:
        random = np.random.default_rng(0)
        shapes = dict.fromkeys(packages.FIRES, (1, 1, 2, 3))
        shapes |= {"conv1": (3, 5, 3, 4), "conv10": (1, 1, 2, 3)}
        arrays = {
            layer: [random.random(shape, np.float32), random.random(shape[3], np.float32)]
            for layer, shape in reversed(shapes.items())
        }
        state = packages._squeezenet(pickle.dumps(arrays, 3))
        assert list(state)[:3] == ["conv1.weight", "conv1.bias", "fire2/squeeze1x1.weight"]
        assert list(state)[-1] == "conv10.bias"
        found = state["conv1.weight"]
        assert found.shape == (4, 3, 3, 5)
        assert found[1, 0, 2, 4] == arrays["conv1"][0][2, 4, 2, 1]
        assert torch.equal(state["conv10.bias"], torch.from_numpy(arrays["conv10"][1]))

    @pytest.mark.parametrize("name", PACKAGES)
    def test_the_real_package(self, name: str) -> None:
        if importlib.util.find_spec(PACKAGES[name].module) is None:
            pytest.skip(f"{PACKAGES[name].distribution} is not installed")
        state = package_state(name)
        assert all(torch.isfinite(tensor).all() for tensor in state.values())
        if name == "squeezenet1_1":
            done = transplant(state, torchvision.models.squeezenet1_1(num_classes=5), name)
            assert (done.taken, done.fresh) == (50, ("classifier.1.weight", "classifier.1.bias"))


def test_an_unknown_kind_of_weights() -> None:
    with pytest.raises(UsageError, match="There is no kind of weights 'torchvison': did you mean"):
        fetch("torchvison:resnet18.X")
    with pytest.raises(UsageError, match="There is no kind of weights 'x'"):
        reading_of("x:y")
