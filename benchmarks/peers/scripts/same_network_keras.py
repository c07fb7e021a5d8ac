"""Train MobileNet v2 with Keras 3 on JAX, from a folder's train/, as its guide on folders does."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import tensorflow as tf
from keras import layers
from passes import Passes
from precision import bfloat16_pays
from speaking import say, say_versions


class Watch(keras.callbacks.Callback):
    """Times the passes; how long the network waits cannot be seen from outside of `fit`."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.passes = Passes()
        self.batch = batch

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Begin a pass."""
        del epoch, logs
        self.passes.start()

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Count a batch."""
        del batch, logs
        self.passes.arrived(self.batch)

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """End it; the logs are there, so all steps have ended."""
        del epoch, logs
        self.passes.end(waiting=False)


def pictures(folder: Path, size: int, batch: int, *, best: bool) -> tf.data.Dataset:
    """Return the batches of the guide: read, resized, flipped and rotated; cached where best."""
    dataset = keras.utils.image_dataset_from_directory(
        folder, image_size=(size, size), batch_size=batch
    )
    if best:
        dataset = dataset.cache()
    augmentation = [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)]

    def augmented(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for layer in augmentation:
            images = layer(images)
        return images, labels

    return dataset.map(augmented, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def main() -> None:
    """Train as the guide does; the best variant caches what was read."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("network", choices=("mobilenet_v2",))
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--best", action="store_true")
    given = parser.parse_args()
    say_versions("keras", "jax", "tensorflow_cpu")
    keras.utils.set_random_seed(0)
    if given.best and bfloat16_pays("jax"):
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    folder = given.folder / "train"
    dataset = pictures(folder, given.size, given.batch, best=given.best)
    shape = (given.size, given.size, 3)
    inputs = keras.Input(shape)
    network = keras.applications.MobileNetV2(
        input_shape=shape, weights=None, classes=len(list(folder.iterdir()))
    )
    outputs = network(layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(3e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
    )
    model.fit(dataset, epochs=given.epochs, callbacks=[Watch(given.batch)], verbose=0)
    say("final")


if __name__ == "__main__":
    main()
