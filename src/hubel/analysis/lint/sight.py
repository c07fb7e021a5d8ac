"""What the layers see of the picture: receptive fields against picture and object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hubel.analysis.lint.layers import Layer
from hubel.analysis.lint.rule import Hit, Rule, Subject
from hubel.analysis.lint.wording import by, count, some
from hubel.results import Field

COVERED: Final = 2 / 3
"""Share of the picture that the largest field must span. SqueezeNet 1.0 spans 69%, 1.1 92%."""
OBJECTS: Final = 2.0
"""A field of about twice the object's size sees the object and what surrounds it."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The layer with the largest field that lies on the picture, not through a global layer."""

    name: str
    field: Field


def _largest(subject: Subject) -> _Seen | None:
    """Return the convolution or pooling whose units see most, before any global layer."""
    best: _Seen | None = None
    for layer in subject.graph.layers:
        field = subject.fields.get(layer.result)
        if not layer.convolves or field is None or any(field.whole):
            continue
        if best is None or min(field.size) > min(best.field.size):
            best = _Seen(subject.graph.layer_name(layer), field)
    return best


def _flattens(subject: Subject) -> bool:
    """Return whether a fully-connected layer reads whole maps, place by place.

    It sees the picture as a whole, whatever the fields before it; an average over the picture
    only counts what they saw.
    """
    graph = subject.graph
    for layer in graph.layers:
        if layer.convolves:
            continue
        before = subject.trace.values[graph.unfolded(layer.source)].shape
        if len(before) == 1 + 1 + len(subject.picture) and any(side > 1 for side in before[2:]):
            return True
    return False


def _attends(subject: Subject) -> bool:
    """Return whether some layer sees the whole picture before the last layer does its work."""
    graph = subject.graph
    return any(
        layer.convolves
        and (field := subject.fields.get(layer.source)) is not None
        and all(field.whole)
        for layer in graph.layers
        if layer.spatial
    )


def _field_never_covers(subject: Subject) -> Iterator[Hit]:
    seen = _largest(subject)
    if seen is None or not subject.answers or _flattens(subject) or _attends(subject):
        return
    share = min(size / side for size, side in zip(seen.field.size, subject.picture, strict=True))
    if share < COVERED:
        yield Hit(
            what=f"No unit sees the whole picture: the largest field spans {share:.0%} of it, and "
            "what follows only averages over places.",
            where=(seen.name,),
            evidence=f"field {by(seen.field.size)} of {by(subject.picture)} pixels",
        )


def _field_smaller_than_object(subject: Subject) -> Iterator[Hit]:
    wanted, seen = subject.object_px, _largest(subject)
    if wanted is None or seen is None or _attends(subject):
        return
    size = min(seen.field.size)
    if size < OBJECTS * wanted:
        yield Hit(
            what=f"The largest field is {size / wanted:.1f} times the object's size: "
            + (
                "no unit sees a whole object."
                if size < wanted
                else "its units see little around the object."
            ),
            where=(seen.name,),
            evidence=f"field {by(seen.field.size)} pixels, object {wanted:g} pixels",
        )


def _unproductive_layers(subject: Subject) -> Iterator[Hit]:
    beyond: list[Layer] = []
    for layer in subject.graph.layers:
        field = subject.fields.get(layer.source)
        if not layer.spatial or field is None or len(field.size) != len(subject.picture):
            continue
        if not any(field.whole) and all(
            size >= side for size, side in zip(field.size, subject.picture, strict=True)
        ):
            beyond.append(layer)
    if beyond:
        names = tuple(subject.graph.layer_name(layer) for layer in beyond)
        macs = sum(layer.macs for layer in beyond)
        whole = sum(layer.macs for layer in subject.graph.layers)
        field = subject.fields[beyond[0].source]
        assert field is not None
        yield Hit(
            what=f"{count(len(beyond), 'convolution reads', 'convolutions read')} maps whose units "
            "already see the whole picture.",
            where=names,
            evidence=some(
                [
                    f"from {names[0]} on, field {by(field.size)} of {by(subject.picture)} pixels",
                    f"{macs / whole:.0%} of the multiply-accumulates",
                ]
            ),
        )


RULES: Final = (
    Rule(
        id="check/field-never-covers",
        severity="warning",
        meaning="The receptive field of the last convolution stays well below the picture, and "
        "only an average joins the places: the network judges by details.",
        threshold=f"{COVERED:.0%} of the side",
        confidence=0.8,
        remedy="Add layers, a reduction or dilation, or use a smaller input.",
        source="araujo2019computing",
        find=_field_never_covers,
    ),
    Rule(
        id="check/field-smaller-than-object",
        severity="warning",
        meaning="The largest receptive field is less than twice the object's size (told with "
        "--object).",
        threshold=f"{OBJECTS:g} times the object",
        confidence=0.8,
        remedy="Add layers or reductions until the field is about twice the object, or scale the "
        "pictures down.",
        source="luo2016understanding",
        find=_field_smaller_than_object,
    ),
    Rule(
        id="check/unproductive-layers",
        severity="note",
        meaning="Convolutions read maps whose units already see the whole picture: at this input "
        "size they add little.",
        threshold="field as large as the picture",
        confidence=0.7,
        remedy="Use a larger input, or remove these layers or a reduction before them.",
        source="richter2021should",
        find=_unproductive_layers,
    ),
)
