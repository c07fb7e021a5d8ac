"""A diagnosis with something of everything."""

from __future__ import annotations

import math

from hubel.results import (
    Checked,
    Course,
    Courses,
    Diagnosis,
    Finding,
    LayerEvidence,
    Prescription,
    Treatment,
    Unchecked,
    UnitEvidence,
)


def cause(name: str, **changes: object) -> Finding:
    """Return a finding of the doctor."""
    known: dict[str, object] = {
        "id": name,
        "what": "The learning rate is far too high: each update changes the weights by 45%.",
        "where": ("stem.conv.weight", "stages.0.conv1.weight"),
        "evidence": "mean |update| / mean |weight| is 0.45 over 40 samples",
        "threshold": "0.1",
        "severity": "error",
        "confidence": 0.93,
        "remedy": "Lower the learning rate.",
        "source": "hubel",
    }
    return Finding(**{**known, **changes})  # type: ignore[arg-type]


def courses(steps: int = 200) -> Courses:
    """Return what a training left that dies after a third of its steps."""
    at = tuple(range(1, steps + 1))
    dies = steps // 3

    def ratio(scale: float) -> tuple[float, ...]:
        return tuple(
            scale * (1 if step < dies else 1e-3) * (1.5 + math.sin(step)) for step in at[::8]
        )

    return Courses(
        loss=Course(
            name="loss",
            steps=at,
            values=tuple(2.3 + (3 * abs(math.sin(step)) if step < dies else 0.01) for step in at),
        ),
        val_loss=Course(name="validation loss", steps=(dies, steps), values=(2.9, 2.31)),
        waiting=Course(name="waiting", steps=at, values=tuple(0.1 + 0.0005 * step for step in at)),
        ratios=tuple(
            Course(name=name, steps=at[::8], values=ratio(scale))
            for name, scale in (("stem.conv.weight", 0.4), ("body.4.conv.weight", 0.1),
                                ("head.weight", 0.02))
        ),
        layers=tuple(
            LayerEvidence(
                name=f"body.{layer}.conv.weight",
                first_gradient=10.0 ** (layer - 9),
                last_gradient=math.nan if layer == 3 else 10.0 ** (layer - 12),
                update_ratio=0.3 / (layer + 1),
            )
            for layer in range(10)
        ),
        units=tuple(
            UnitEvidence(
                path=f"body.{layer}.relu", kind="ReLU", dead=0.1 * layer, saturated=math.nan
            )
            for layer in range(10)
        ),
    )  # fmt: skip


_NOTHING = Course(name="", steps=(1, 2), values=(math.nan, math.nan))
NAN_COURSES = Courses(
    loss=_NOTHING, val_loss=_NOTHING, waiting=_NOTHING, ratios=(), layers=(), units=()
)


def diagnosis(**changes: object) -> Diagnosis:
    """Return a diagnosis of a training that was too fast."""
    known: dict[str, object] = {
        "verdict": "The learning rate is far too high: each update changes the weights by 45%. "
        "This is very likely (93%). 1 other finding follows from it. The validation accuracy is "
        "11.2%; a simple classifier 88.0%. First: set the learning rate to 0.003 (now 0.3).",
        "causes": (
            cause("rate/too-high"),
            cause("unit/dead", what="81% of the channels of three layers are off for all pictures.",
                  confidence=1.0, severity="warning"),
        ),
        "prescriptions": (
            Prescription(
                cause="rate/too-high",
                what="Set the learning rate to 0.003 (now 0.3).",
                options={"--lr": "0.003"},
                command="hubel train digits --lr 0.003",
            ),
            Prescription(cause="unit/dead", what="Start again.", code="Start again."),
        ),
        "observations": (cause("loss/oscillation", what="The loss swings.", severity="note"),),
        "healthy": (
            Checked(id="data/range", evidence="values from -1.2 to 2.8"),
            Checked(id="loss/sign", evidence="the loss is not negated"),
        ),
        "unchecked": (
            Unchecked(id="labels/noise", why="too few steps"),
            Unchecked(id="fit/overfitting", why="too few steps"),
        ),
        "step": 200,
        "notes": ("The training did not end; this is how far it came.",),
        "courses": courses(),
        "treatment": Treatment(
            passes=2,
            passes_without=8,
            options={"--lr": "0.003"}, pairs=3, before=(0.1, 0.1, 0.1), after=(0.9, 0.9, 0.8),
            gain=0.767, low=0.61, high=0.92, seconds=40.0, verdict="helped",
        ),
    }  # fmt: skip
    return Diagnosis(**{**known, **changes})  # type: ignore[arg-type]
