"""The callbacks of Lightning and of Hugging Face, in trainings by them where they are installed."""

import importlib
import importlib.util
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from hubel.errors import MissingExtraError, UsageError

HOME = "hubel.diagnosis.watching"
GENERATOR = torch.Generator().manual_seed(0)
X = torch.rand(48, 1, 6, 6, generator=GENERATOR)
Y = torch.randint(0, 3, (48,), generator=GENERATOR)


@pytest.mark.parametrize(
    ("module", "library", "who"),
    [("lightning", "lightning.pytorch", "Lightning"), ("transformers", "transformers", "Hugging")],
)
def test_a_library_that_is_missing_is_named_with_its_extra(monkeypatch, module, library, who):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"{HOME}.{module}", raising=False)
    with pytest.raises(MissingExtraError, match=rf"{who}.* needs the extra \[watch\]"):
        importlib.import_module(f"{HOME}.{module}")


def needs(library):
    missing = importlib.util.find_spec(library) is None
    return pytest.mark.skipif(missing, reason=f"{library} is not installed: the extra [watch]")


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 3))


def lightning_training(folder, *callbacks, sanity):
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = network()

        def training_step(self, batch, number):
            return F.cross_entropy(self.net(batch[0]), batch[1])

        def validation_step(self, batch, number):
            self.log("loss", F.cross_entropy(self.net(batch[0]), batch[1]))

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 0.01)

    torch.manual_seed(1)
    module = Module()
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=sanity,
        default_root_dir=folder,
        callbacks=list(callbacks),
    )
    data = TensorDataset(X, Y)
    trainer.fit(module, DataLoader(data, 16, shuffle=True), DataLoader(data, 24))
    return module


@needs("lightning")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sanity", [0, 1])
def test_a_training_by_lightning_is_seen_and_not_changed(tmp_path, sanity):
    module = importlib.import_module(f"{HOME}.lightning")
    callback = module.DoctorCallback(say=None)
    with pytest.raises(UsageError, match=r"call trainer.fit first"):
        callback.diagnosis()
    plain = lightning_training(tmp_path, sanity=sanity)
    watched = lightning_training(tmp_path, callback, sanity=sanity)
    for one, other in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, other)
    record = callback.doctor.record
    assert [row.step for row in record.steps] == [1, 2, 3, 4, 5, 6]
    assert [row.pass_number for row in record.steps] == [1, 1, 1, 2, 2, 2]
    assert all(row.pictures == 16 and row.backwards == 1 for row in record.steps)
    assert all(row.gradient > 0 for row in record.weights if row.name == "3.weight")
    val = [(row.step, row.mode, row.pictures) for row in record.evaluations if row.split == "val"]
    assert val == [(3, "eval", 48), (6, "eval", 48)]
    assert callback.diagnosis().step == 6


def hugging_face_training(folder, *callbacks):
    from transformers import Trainer, TrainingArguments

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, pixel_values, labels=None):
            logits = self.net(pixel_values)
            return {"loss": F.cross_entropy(logits, labels), "logits": logits}

    data = [
        {"pixel_values": one, "labels": label} for one, label in zip(X, Y.tolist(), strict=True)
    ]
    model = Model()
    settings = TrainingArguments(
        str(folder),
        num_train_epochs=2,
        per_device_train_batch_size=16,
        per_device_eval_batch_size=24,
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(
        model, settings, train_dataset=data, eval_dataset=data, callbacks=list(callbacks)
    )
    trainer.train()
    return model


@needs("transformers")
@needs("accelerate")
@pytest.mark.filterwarnings("ignore")
def test_a_training_by_hugging_face_is_seen_and_not_changed(tmp_path):
    module = importlib.import_module(f"{HOME}.transformers")
    callback = module.DoctorCallback(say=None)
    with pytest.raises(UsageError, match=r"call trainer.train first"):
        callback.diagnosis()
    plain = hugging_face_training(tmp_path)
    watched = hugging_face_training(tmp_path, callback)
    for one, other in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, other)
    record = callback.doctor.record
    assert [row.step for row in record.steps] == [1, 2, 3, 4, 5, 6]
    assert all(row.pictures == 16 and row.accuracy >= 0 for row in record.steps)
    val = [(row.step, row.mode, row.pictures) for row in record.evaluations if row.split == "val"]
    assert val == [(3, "eval", 48), (6, "eval", 48)]
    assert callback.doctor._whole().scheduler.kind == "LambdaLR"
    assert callback.diagnosis().step == 6
