"""Arguments as users write them: read, and refused in one sentence where no network has them."""

import re

import pytest

from hubel.architectures import ARCHITECTURES, load, loading, parse_arguments
from hubel.errors import UsageError


def built(name, arguments):
    entry = ARCHITECTURES[name]
    size = max(entry.least_size, 16)
    channels = entry.design_channels
    return load(name, outputs=4, channels=channels, size=size, arguments=arguments).module


def test_arguments_in_words():
    words = ["width=24", "output=linear", "rate=0.5", "bias=true", "gate=false", "note=a=b"]
    assert parse_arguments(words) == {
        "width": 24, "output": "linear", "rate": 0.5, "bias": True, "gate": False, "note": "a=b",
    }  # fmt: skip
    assert type(parse_arguments(["width=24"])["width"]) is int
    assert built("hubelnet", parse_arguments(["width=4"])).head.in_features == 16


@pytest.mark.parametrize("word", ["width", "=4", "width="])
def test_words_that_are_no_arguments(word):
    with pytest.raises(UsageError, match=f"is written NAME=VALUE, not '{word}'"):
        parse_arguments([word])


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("hubelnet", {"width": "abc"}, "hubelnet's width is a whole number, not 'abc'."),
        ("hubelnet", {"width": 1.5}, "hubelnet's width is a whole number, not 1.5."),
        ("hubelnet", {"width": True}, "hubelnet's width is a whole number, not True."),
        ("hubelnet", {"pairs": None}, "hubelnet's pairs is a whole number, not None."),
        ("lenet5", {"output": 3}, "lenet5's output is rbf or linear, not 3."),
        ("lenet5", {"output": ["rbf"]}, "lenet5's output is rbf or linear, not ['rbf']."),
        ("alexnet", {"columns": 2}, "alexnet's columns is two or merged, not 2."),
        ("zfnet", {"wide": "yes"}, "zfnet's wide is true or false, not 'yes'."),
        ("nin", {"width": 3}, "nin has no argument 'width': it takes none."),
        ("vgg16", {"depth": 19}, "vgg16 has no argument 'depth': it takes none."),
        ("googlenet", {"auxiliary": "no"}, "googlenet's auxiliary is true or false, not 'no'."),
        ("plain", {"units": "many"}, "plain's units is a whole number, not 'many'."),
        ("plain", {"pool": 0}, "plain's pool is true or false, not 0."),
        ("inception_v3", {"auxiliary": 2}, "inception_v3's auxiliary is true or false, not 2."),
        ("resnet50", {"shortcut": 1}, "resnet50's shortcut is A, B or C, not 1."),
        (
            "resnet20",
            {"stride_on": "1x1"},
            "resnet20 has no argument 'stride_on': choose from shortcut",
        ),
        ("densenet121", {"dropout": "abc"}, "densenet121's dropout is a finite number, not 'abc'."),
        ("densenet121", {"dropout": float("nan")}, "'s dropout is a finite number, not nan."),
        ("mobilenet_v1", {"width": float("inf")}, "'s width is a finite number, not inf."),
        ("mobilenet_v2", {"width": "wide"}, "'s width is a finite number, not 'wide'."),
        ("shufflenet_v1", {"groups": "abc"}, "shufflenet_v1's groups is a whole number, not 'abc'"),
        ("shufflenet_v1", {"groups": 2.0}, "shufflenet_v1's groups is a whole number, not 2.0."),
        ("shufflenet_v1", {"groups": 10**6}, "shufflenet_v1's groups are 1, 2, 3, 4 or 8, not"),
        ("efficientnet_lite0", {"convention": 1}, "'s convention is tensorflow or torch, not 1."),
        ("plain", {"stages": 5}, "plain with 5 stages needs pictures of at least 32 pixels a side"),
        (
            "hubelnet",
            {"width": 10**30},
            "hubelnet with width=1000000000000000000000000000000 cannot be built: ",
        ),
        ("mobilenet_v1", {"width": 1e9}, "mobilenet_v1 with width=1000000000.0 cannot be built: "),
        ("shufflenet_v1", {"scale": 1e300}, "shufflenet_v1 with scale=1e+300 cannot be built: "),
        (
            "plain",
            {"stages": 60, "pool": False},
            "plain with stages=60, pool=False cannot be",
        ),
        ("plain", {"units": 10**12}, "plain with units=1000000000000 has weights of 8,2"),
    ],
)
def test_arguments_that_no_network_has(name, arguments, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        built(name, arguments)


def test_where_the_memory_is_not_known_nothing_is_refused_for_it(monkeypatch):
    monkeypatch.delattr("os.sysconf")
    assert loading.memory_of_the_machine() == 0
    assert built("hubelnet", {"width": 2}).head.in_features == 8
