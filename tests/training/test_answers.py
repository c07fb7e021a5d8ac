import math

import numpy as np

from hubel.training.answers import Answer, Interpreter, no_answer, numbers_text


def interpreter(task, *, unknown=0.0, thresholds=()):
    return Interpreter(
        task=task,
        classes=("cat", "dog", "tree"),
        unknown_threshold=unknown,
        label_thresholds=thresholds,
    )


def test_a_class_is_named_and_unknown_below_the_threshold():
    believed = np.array([0.2, 0.7, 0.1])
    answer = interpreter("classification", unknown=0.7).answer(believed)
    assert answer == Answer(label="dog", probability=0.7, unknown=False)
    answer = interpreter("classification", unknown=0.71).answer(believed)
    assert answer == Answer(label="dog", probability=0.7, unknown=True)
    assert interpreter("classification").truth(2) == "tree"


def test_top_is_the_most_probable_first_and_no_more_than_there_are():
    believed = np.array([0.25, 0.5, 0.25])
    classes = interpreter("classification")
    assert classes.top(believed, 2) == (("dog", 0.5), ("cat", 0.25))
    assert classes.top(believed, 9) == (("dog", 0.5), ("cat", 0.25), ("tree", 0.25))


def test_labels_at_their_thresholds_are_joined():
    labels = interpreter("multilabel", thresholds=(0.5, 0.9, 0.1))
    answer = labels.answer(np.array([0.5, 0.8, 0.3]))
    assert answer == Answer(label="cat;tree", probability=0.8, unknown=False)
    answer = labels.answer(np.array([0.4, 0.8, 0.05]))
    assert answer == Answer(label="", probability=0.8, unknown=True)
    assert labels.truth(np.array([0, 1, 1])) == "dog;tree"


def test_numbers_are_joined_and_never_unknown():
    numbers = interpreter("regression")
    believed = np.array([1.5, -20000000.0, 1 / 3])
    answer = numbers.answer(believed)
    assert (answer.label, answer.unknown) == ("1.5;-2e+07;0.333333", False)
    assert math.isnan(answer.probability)
    assert numbers.top(believed, 1) == (("cat", 1.5), ("dog", -2e7), ("tree", 1 / 3))
    assert numbers.truth(np.array([1.0, 2.0, 3.0])) == "1;2;3"
    assert numbers_text(4.0) == "4"


def test_prediction_carries_the_answer_and_the_path():
    prediction = interpreter("classification").prediction("a.png", np.array([0.9, 0.1, 0]), top=1)
    assert (prediction.path, prediction.label, prediction.probability) == ("a.png", "cat", 0.9)
    assert prediction.top == (("cat", 0.9),)
    assert prediction.error == ""


def test_no_answer_is_unknown_and_says_why():
    prediction = no_answer("a.png", "it is truncated")
    assert (prediction.path, prediction.error, prediction.unknown) == (
        "a.png",
        "it is truncated",
        True,
    )
    assert (prediction.label, prediction.top) == ("", ())
    assert math.isnan(prediction.probability)
