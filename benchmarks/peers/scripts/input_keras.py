"""Keras 3's image_dataset_from_directory with its layers for augmentation; no network."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from passes import Passes, stay_on
from speaking import say, say_versions

os.environ["KERAS_BACKEND"] = "jax"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"


def main() -> None:
    """Pass over the pictures; the best variant caches them once read and resized."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--processors", type=int, required=True)
    parser.add_argument("--best", action="store_true")
    given = parser.parse_args()
    stay_on(given.processors)
    import keras
    import tensorflow as tf
    from keras import layers

    say_versions("keras", "jax", "tensorflow_cpu")
    dataset = keras.utils.image_dataset_from_directory(
        given.folder, image_size=(given.size, given.size), batch_size=given.batch
    )
    if given.best:
        dataset = dataset.cache()
    augmentation = [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)]

    def augmented(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for layer in augmentation:
            images = layer(images)
        return images, labels

    dataset = dataset.map(augmented, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    passes = Passes()
    for epoch in range(given.epochs):
        passes.start()
        for inputs, _targets in dataset.as_numpy_iterator():
            passes.arrived(len(inputs))
            passes.stepped()
        passes.end(waiting=False, cached=given.best and epoch > 0)
    say("final")


if __name__ == "__main__":
    main()
