"""Linear maps with a penalty, beside scikit-learn's."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge

from hubel.diagnosis.trials.linear import logistic_regression, ridge_regression

PIXELS, LABELS = load_digits(return_X_y=True)
ROWS = ((PIXELS - PIXELS.mean(0)) / np.maximum(PIXELS.std(0), 1e-3)).astype(np.float32)


@pytest.mark.parametrize(("classes", "penalty"), [(10, 10.0), (2, 3.0)])
def test_logistic_regression_is_that_of_scikit_learn(classes, penalty):
    kept = classes > LABELS
    rows, labels = ROWS[kept][:200], LABELS[kept][:200]
    scores = logistic_regression(rows, labels, classes, penalty)(ROWS[kept][300:])
    # Two classes have one row of weights w there, and w / 2, -w / 2 here: half of the penalty.
    known = LogisticRegression(C=(2 if classes == 2 else 1) / penalty, max_iter=500)
    theirs = known.fit(rows, labels).predict_proba(ROWS[kept][300:])
    exponents = np.exp(scores - scores.max(1, keepdims=True))
    assert exponents / exponents.sum(1, keepdims=True) == pytest.approx(theirs, abs=0.01)


@pytest.mark.parametrize("count", [40, 300])
def test_ridge_regression_is_that_of_scikit_learn(count):
    numbers = np.stack([PIXELS.sum(1), LABELS], axis=1).astype(np.float32)
    found = ridge_regression(ROWS[:count], numbers[:count], 7.0)(ROWS[count:400])
    theirs = Ridge(alpha=7.0).fit(ROWS[:count], numbers[:count]).predict(ROWS[count:400])
    assert found == pytest.approx(theirs, rel=1e-3, abs=1e-3)
