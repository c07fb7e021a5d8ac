"""`hubel check`: by module, name, file and run; JSON, Markdown, exit status; before training."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import hubel
from hubel.cli.main import run as command
from hubel.errors import UsageError
from hubel.results import Check, Run
from hubel.results.files import read_json
from hubel.workflows.reading import parse_pixels, parse_shape


def small(*after):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4, 4), *after,
    )  # fmt: skip


def ids(check, severity=None):
    return {one.id for one in check.findings if severity in {None, one.severity}}


def test_a_module_is_read_and_left_as_it_was():
    module = small().train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = torch.get_rng_state()
    check = hubel.check(module, (3, 8, 8))
    assert check.total.macs == 3 * 8 * 9 * 64 + 8 * 8 * 9 * 4 + 32 * 4
    assert check.total.params == 216 + 16 + 584 + 132
    assert [row.path for row in check.layers] == [str(place) for place in range(8)]
    assert check.layers[4].receptive_field.size == (8, 8)  # 3, pooling 2: 4, then 3 at stride 2
    assert check.not_analysed == ()
    assert module.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_batch_multiplies_costs_and_not_the_lint():
    one, four = (hubel.check(small(), (3, 8, 8), batch=batch) for batch in (1, 4))
    assert four.total.macs == 4 * one.total.macs
    assert four.total.params == one.total.params
    assert ids(four) == ids(one)


def test_a_module_needs_the_shape_of_its_input():
    with pytest.raises(UsageError, match="check needs the shape of the input of a module"):
        hubel.check(small())


def test_a_batch_is_one_or_more():
    with pytest.raises(UsageError, match="--batch takes a number 1 or more, not 0"):
        hubel.check(small(), (3, 8, 8), batch=0)


def test_outputs_are_one_or_more():
    with pytest.raises(UsageError, match="--outputs takes a number 1 or more, not 0"):
        hubel.check("hubelnet", outputs=0)


def test_a_rule_can_be_silenced_and_must_exist():
    wrong = small(nn.Softmax(1))
    assert "check/softmax-before-loss" in ids(hubel.check(wrong, (3, 8, 8)), "error")
    assert ids(hubel.check(wrong, (3, 8, 8), silence=("check/softmax-before-loss",)), "error") == (
        set()
    )
    with pytest.raises(UsageError, match="no rule 'check/softmax': did you mean check/"):
        hubel.check(wrong, (3, 8, 8), silence=("check/softmax",))


def test_an_input_that_is_too_small_is_a_finding_with_layer_and_least_side():
    module = nn.Sequential(*(nn.Conv2d(1, 1, 3) for _ in range(4)), nn.AdaptiveAvgPool2d(1))
    check = hubel.check(module, (1, 6, 6))
    (finding,) = check.findings
    assert finding.id == "check/input-too-small"
    assert finding.severity == "error"
    assert finding.where == ("2",)  # 6, 4, 2: the third has too little
    assert finding.threshold == "9 pixels"
    assert check.layers == ()
    assert check.total.params == 40
    assert "does not run on this input" in check.not_analysed[0]


def test_an_input_that_fits_at_no_size_is_a_usage_error():
    with pytest.raises(UsageError, match="cannot take an input"):
        hubel.check(small(), (1, 8, 8))


def test_named_networks_have_the_size_that_they_were_made_for():
    assert hubel.check("lenet5").input == (1, 32, 32)
    assert hubel.check("torchvision:squeezenet1_1").input == (3, 224, 224)


def test_a_named_network_is_built_without_numbers_and_a_note_says_so():
    check = hubel.check("torchvision:squeezenet1_1", (3, 64, 64), outputs=7)
    assert check.layers[-1].output_shape[1] == 7
    assert any("initial weights were not checked" in note for note in check.notes)


def test_a_named_network_takes_pictures():
    with pytest.raises(UsageError, match="hubelnet takes pictures of channels, height and width"):
        hubel.check("hubelnet", (224, 224))


def test_a_named_network_below_its_least_size():
    assert "check/input-too-small" in ids(hubel.check("hubelnet", (3, 7, 7)), "error")


def test_a_network_that_does_not_exist():
    with pytest.raises(UsageError, match="There is no network 'hubelnot': did you mean hubelnet"):
        hubel.check("hubelnot")
    with pytest.raises(UsageError, match="torchvision has no network 'resnet51'"):
        hubel.check("torchvision:resnet51")


def test_a_file_is_read_with_its_initial_weights(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from torch import nn\n"
        "def build(*, outputs, channels, size):\n"
        "    body = []\n"
        "    for _ in range(9):\n"
        "        body += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]\n"
        "        nn.init.normal_(body[-2].weight, std=0.01)\n"
        "    return nn.Sequential(*body, nn.Flatten(), nn.Linear(channels * size**2, outputs))\n"
    )
    check = hubel.check(f"{path}:build", (3, 16, 16), outputs=5)
    assert "check/initialisation" in ids(check)
    assert check.layers[-1].output_shape == (1, 5)


def test_a_run_is_read_with_its_input_size(classifier):
    check = hubel.check(classifier.run.path, trust_code=True)
    assert check.input == classifier.run.card().input_shape
    assert check.layers[-1].output_shape == (1, 3)


def test_measured_on_request():
    check = hubel.check(small(), (3, 8, 8), measure=True)
    assert check.measured is not None
    assert check.measured.inference_peak_bytes >= check.total.weight_bytes
    assert check.measured.flops_per_second > 0


@pytest.mark.parametrize("text", ["3", "3x8", "1x3x8x8"])
def test_shapes_are_read(text):
    assert parse_shape(text) == tuple(int(side) for side in text.split("x"))


@pytest.mark.parametrize("text", ["", "3x", "0x8x8", "3x8.5x8", "axb"])
def test_other_shapes_are_refused(text):
    with pytest.raises(UsageError, match="--input takes a shape as 3x224x224"):
        parse_shape(text)


@pytest.mark.parametrize("text", ["", "0px", "-3px", "3cm"])
def test_other_lengths_are_refused(text):
    with pytest.raises(UsageError, match="--object takes a length in pixels as 40px"):
        parse_pixels(text)


SMALL = ["hubelnet", "--input", "3x32x32"]


def test_json_is_the_documented_schema(capsys):
    assert command(["check", *SMALL, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"model", "input", "layers", "total", "not_analysed", "findings"} <= set(document)
    assert {"params", "macs", "flops", "activation_bytes"} <= set(document["total"])
    layer = document["layers"][0]
    assert {"path", "call", "kind", "output_shape", "params", "macs"} <= set(layer)
    assert {"size", "stride", "start"} <= set(layer["receptive_field"])
    assert document["input"] == [3, 32, 32]
    assert document["total"]["macs"] == sum(row["macs"] for row in document["layers"])


def refuse_constant(name):
    raise AssertionError(f"{name} is no JSON")


def test_json_has_the_keys_of_the_documentation_and_no_nan(tmp_path, capsys):
    path = tmp_path / "broken.py"
    path.write_text(
        "from torch import nn\n"
        "def build(*, outputs, channels, size):\n"
        "    body = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(8)]\n"
        "    nn.init.constant_(body[0].weight, float('nan'))\n"
        "    return nn.Sequential(*body, nn.Flatten(), nn.Linear(channels * size**2, outputs))\n"
    )
    command(["check", f"{path}:build", "--input", "3x8x8", "--json"])
    document = json.loads(capsys.readouterr().out, parse_constant=refuse_constant)
    assert list(document)[:7] == [
        "model", "input", "batch", "layers", "total", "not_analysed", "findings",
    ]  # fmt: skip
    assert document["not_analysed"] == []
    finding = {"id", "what", "where", "evidence", "threshold", "severity", "confidence", "remedy"}
    assert document["findings"]
    assert all(finding <= set(one) for one in document["findings"])
    first = document["layers"][0]
    assert (first["path"], first["call"], first["kind"]) == ("0", 0, "Conv2d")
    assert first["output_shape"] == [1, 3, 8, 8]
    assert (first["params"], first["macs"]) == (84, 81 * 64)
    field = {"size": [3, 3], "stride": [1, 1], "start": [-1, -1]}
    assert {name: first["receptive_field"][name] for name in field} == field


def test_json_of_several_networks_is_a_list(capsys):
    command(["check", "hubelnet", "lenet5", "--input", "1x32x32", "--json"])
    assert [one["model"] for one in json.loads(capsys.readouterr().out)] == ["hubelnet", "lenet5"]


def test_terminal_shows_layers_totals_and_rules(capsys):
    assert command(["check", *SMALL, "--object", "100px"]) == 0
    printed = capsys.readouterr().out
    assert "stem.conv" in printed
    assert "check/field-smaller-than-object" in printed


def test_depth_folds_layers(capsys):
    command(["check", *SMALL, "--depth", "1"])
    printed = capsys.readouterr().out
    assert "stem.conv" not in printed
    assert "4 layers" in printed  # conv, pool (nothing), bn, relu of the stem


def test_several_networks_stand_side_by_side(capsys):
    command(["check", "hubelnet", "lenet5", "--input", "1x32x32"])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["hubelnet", "lenet5"] for line in lines)
    parameters = next(line for line in lines if line.startswith("parameters"))
    assert parameters.split()[-1] == "60,000"


def test_markdown_has_tables_whose_rows_are_whole(capsys):
    assert command(["check", *SMALL, "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "## hubelnet" in lines
    header = next(line for line in lines if line.startswith("| layer"))
    rows = lines[lines.index(header) :]
    table = rows[: rows.index("")]
    assert {line.count("|") for line in table} == {header.count("|")}


def test_exit_status_is_1_where_a_finding_is_an_error(capsys):
    assert command(["check", "torchvision:squeezenet1_1", "--input", "3x8x8"]) == 1
    assert "check/input-too-small" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["check"], "check needs a MODEL"),
        (["check", "hubelnet", "--json", "--markdown"], "both want standard output"),
        (["check", "hubelnet", "--depth", "0"], "--depth takes a number 1 or more, not 0"),
        (["check", "hubelnet", "--input", "8"], "takes pictures of channels, height and width"),
    ],
)
def test_what_does_not_fit_is_a_usage_error(words, sentence, capsys):
    assert command(words) == 2
    assert sentence in capsys.readouterr().err


def test_train_reads_the_network_first(tmp_path, builders, capsys):
    source = builders.write_folder(tmp_path / "own", 12, 0)
    out = tmp_path / "run"
    flags = ["--epochs", "1", "--batch", "8", "--size", "16", "--threads", "1"]
    assert command(["train", str(source), "--out", str(out), *flags]) == 0
    check = read_json(out / "check.json", Check)
    assert check.model == "hubelnet"
    assert check.input == (1, 16, 16)
    assert Run(out).check() == check


def test_a_network_that_cannot_be_read_is_trained_all_the_same(tmp_path, builders, monkeypatch):
    def refuse(*_arguments, **_settings):
        raise UsageError("it is scripted.")

    monkeypatch.setattr("hubel.workflows.checking.check_network", refuse)
    said = []

    class Listening(hubel.workflows.watching.Watcher):
        def said(self, sentence):
            said.append(sentence)

    source = builders.write_folder(tmp_path / "own", 12, 0)
    run = hubel.train(
        source, out=tmp_path / "run", epochs=1, batch=8, size=16, threads=1, watcher=Listening()
    )
    assert run.finished
    assert run.check() is None
    assert "The network's design was not checked: it is scripted." in said
