"""Keras 3 with JAX on Fashion-MNIST, from the idx files."""

from __future__ import annotations

from speaking import say, say_versions

# isort: split
import argparse
import os
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
from keras import layers
from precision import bfloat16_pays

from fashion import CLASSES, arguments, read_split


class Telling(keras.callbacks.Callback):
    """Tells the test accuracy of each epoch."""

    def __init__(self, pictures: Any, labels: Any) -> None:
        super().__init__()
        self._test = pictures, labels

    def on_train_begin(self, logs: Any = None) -> None:
        """Training starts."""
        del logs
        say("start")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """An epoch has ended, its own validation included."""
        del logs
        say("epoch", epoch=epoch + 1)
        say("paused")
        say("accuracy", value=self._accuracy(), epoch=epoch + 1)
        say("resumed")

    def _accuracy(self) -> float:
        """Return the share of the test pictures that are classified rightly."""
        pictures, labels = self._test
        found = self.model.predict(pictures, batch_size=500, verbose=0)
        return float((found.argmax(1) == labels).mean())


def example(data: Data, options: argparse.Namespace) -> None:
    """Its example "Simple MNIST convnet"."""
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    labels = keras.utils.to_categorical(data.labels, CLASSES)
    told = Telling(data.test, data.test_labels)
    model.fit(
        data.pictures,
        labels,
        batch_size=128,
        epochs=options.epochs,
        validation_split=0.1,
        callbacks=[told],
    )


def guide(data: Data, options: argparse.Namespace) -> None:
    """Its guide "Introduction to Keras for engineers", which uses JAX."""
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(128, kernel_size=(3, 3), activation="relu"),
            layers.Conv2D(128, kernel_size=(3, 3), activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(),
        optimizer=keras.optimizers.Adam(learning_rate=1e-3),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
    )
    path = str(options.scratch / "model_at_epoch_{epoch}.keras")
    model.fit(
        data.pictures,
        data.labels,
        batch_size=128,
        epochs=options.epochs,
        validation_split=0.15,
        callbacks=[
            keras.callbacks.ModelCheckpoint(filepath=path),
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=2),
            Telling(data.test, data.test_labels),
        ],
    )


def best(data: Data, options: argparse.Namespace) -> None:
    """The example's convolutions, which are the quicker ones, with what its guides add.

    Batch normalisation and flips (example "Image classification from scratch"; its layers for
    shifts, zooms, rotations and crops would switch compiling off: their `supports_jit`), cosine
    decay with warm-up, AdamW and the averaging of weights (optimizers), several steps a call
    (`steps_per_execution`), mixed precision where bfloat16 is faster.
    """
    if bfloat16_pays("jax"):
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    batch = 128
    steps = options.epochs * -(-len(data.labels) // batch)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-4, steps, warmup_target=3e-3, warmup_steps=max(1, steps // 10), alpha=0.01
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.01, use_ema=True, ema_momentum=0.99)
    model = _with_batch_normalisation()
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(),
        optimizer=optimizer,
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
        jit_compile=True,
        steps_per_execution=8,
    )
    model.fit(
        data.pictures,
        data.labels,
        batch_size=batch,
        epochs=options.epochs,
        callbacks=[
            keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
            Telling(data.test, data.test_labels),
        ],
    )


def _with_batch_normalisation() -> keras.Model:
    """Return the example's convolutions, each followed by batch normalisation."""
    parts: list[Any] = [
        keras.Input((28, 28, 1)),
        layers.RandomFlip("horizontal"),
    ]
    for width in (32, 64):
        parts += [
            layers.Conv2D(width, kernel_size=(3, 3), use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
        ]
    parts += [
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(CLASSES, activation="softmax", dtype="float32"),
    ]
    return keras.Sequential(parts)


class Data:
    """Pictures from 0 to 1 with one channel, as its examples have them."""

    def __init__(self, folder: Path) -> None:
        pictures, self.labels = read_split(folder, "train")
        test, self.test_labels = read_split(folder, "t10k")
        self.pictures = np.expand_dims(pictures.astype("float32") / 255, -1)
        self.test = np.expand_dims(test.astype("float32") / 255, -1)


SETTINGS = {"example": example, "guide": guide, "best": best}

if __name__ == "__main__":
    chosen = arguments().parse_args()
    say_versions("keras", "jax", "jaxlib")
    keras.utils.set_random_seed(chosen.seed)
    SETTINGS[chosen.settings](Data(chosen.data), chosen)
    say("final", epochs=chosen.epochs)
