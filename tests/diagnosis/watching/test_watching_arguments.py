"""What is wrong in a call of hubel.watch is said in one sentence."""

import pytest
import torch
from tests.diagnosis.watching.loops import DATA, network
from torch.utils.data import DataLoader

import hubel
from hubel.errors import UsageError


def test_what_is_wrong_in_a_call_is_said():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(UsageError, match=r"expected a torch.nn.Module as its model, and got str"):
        hubel.watch("model", optimizer, [])
    with pytest.raises(UsageError, match=r"expected a torch.optim.Optimizer, and got Sequential"):
        hubel.watch(model, model, [])
    with pytest.raises(UsageError, match=r"at least 1, and not 0"):
        hubel.watch(model, optimizer, [], probe_every=0)
    doctor = hubel.watch(model, optimizer, [], say=None)
    with pytest.raises(UsageError, match=r"nothing to diagnose before the training"):
        doctor.diagnosis()
    with doctor:
        pass
    with pytest.raises(UsageError, match=r"one watch sees one training"), doctor:
        pass


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"loader": 5}, "expected a loader that gives out batches, and got int"),
        ({"loader": "photos"}, "expected a loader that gives out batches, and got str"),
        ({"validation": 5}, "expected a loader that gives out batches, and got int"),
        ({"scheduler": 5}, "expected a scheduler of torch.optim.lr_scheduler, and got int"),
        ({"say": "loud"}, "say is called with one line .* and str cannot be called"),
        ({"probe_every": 0}, "probe_every is the number of updates .* at least 1, and not 0"),
        ({"probe_every": "10"}, "probe_every is the number .* and not '10'"),
        ({"probe_every": None}, "probe_every is the number .* and not None"),
        ({"epochs": "3"}, "epochs is the number of passes that are planned, .* and not '3'"),
        ({"epochs": 1.5}, "epochs is the number .* and not 1.5"),
        ({"trial_s": 0}, "trial_s is the seconds that a test may take, not 0"),
        ({"trial_s": "20s"}, "trial_s is the seconds that a test may take, not '20s'"),
        ({"classes": -1}, "classes is the number of classes, at least 1, and not -1"),
        ({"classes": ["cat", "dog"]}, "classes is the number of classes, .* and not"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(wrong, words):
    model = network()
    given = {"loader": DataLoader(DATA, 16), "say": None, **wrong}
    with pytest.raises(UsageError, match=words):
        hubel.watch(model, torch.optim.SGD(model.parameters(), 0.1), **given)
