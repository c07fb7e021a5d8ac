"""The classical steps of OpenCV before a network: smoothing, morphology, edges, equalisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hubel.errors import UsageError, look_up

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One number after a filter's name."""

    name: str
    default: float
    least: float
    most: float
    step: float = 0.0
    """Allowed are least, least + step, …; 0 allows any number between."""

    @property
    def allowed(self) -> str:
        """Say in words which numbers may stand here."""
        span = f"{self.least:g} to {self.most:g}"
        kinds = {0.0: "a number from ", 1.0: "a whole number from ", 2.0: "an odd number from "}
        return kinds[self.step] + span

    def check(self, text: str, spec: str) -> float:
        """Return the number that `text` means; errors: UsageError for any that is not allowed."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        on_step = self.step == 0 or (value - self.least) % self.step == 0
        if not (self.least <= value <= self.most and on_step):
            raise UsageError(
                f"In the filter {spec!r}, {self.name} is {text!r}, but must be {self.allowed}."
            )
        return value


def _kernel(default: float, least: float = 1, most: float = 99) -> Parameter:
    return Parameter(name="the kernel's side", default=default, least=least, most=most, step=2)


def _derivative(default: float) -> Parameter:
    return _kernel(default, most=7)


_TIMES: Final = Parameter(name="the number of times", default=1, least=1, most=50, step=1)
_SIGMA: Final = Parameter(name="sigma (0: from the kernel)", default=0, least=0, most=50)
_DIAMETER: Final = Parameter(name="the diameter", default=9, least=1, most=25, step=2)
_COLOUR: Final = Parameter(name="sigma of the values", default=75, least=0.1, most=500)
_SPACE: Final = Parameter(name="sigma of the distance", default=75, least=0.1, most=500)
_LOW: Final = Parameter(name="the low threshold", default=100, least=0, most=5000)
_HIGH: Final = Parameter(name="the high threshold", default=200, least=0, most=5000)


def _square(side: float) -> NDArray[np.uint8]:
    return np.ones((int(side), int(side)), np.uint8)


def _morphology(operation: int) -> Callable[..., Pixels]:
    def apply(plane: Pixels, side: float, times: float) -> Pixels:
        return np.asarray(
            cv2.morphologyEx(plane, operation, _square(side), iterations=int(times)), np.uint8
        )

    return apply


def _positive_weight(order_x: int, order_y: int, side: int) -> float:
    """Return the sum of the positive weights of OpenCV's derivative kernel."""
    column, row = cv2.getDerivKernels(order_x, order_y, side)
    kernel = np.outer(row, column)
    return float(kernel[kernel > 0].sum())


def _sobel(plane: Pixels, side: float) -> Pixels:
    size = int(side)
    across = cv2.Sobel(plane, cv2.CV_32F, 1, 0, ksize=size)
    down = cv2.Sobel(plane, cv2.CV_32F, 0, 1, ksize=size)
    return _to_bytes(np.hypot(across, down) / _positive_weight(1, 0, size))


def _laplacian(plane: Pixels, side: float) -> Pixels:
    size = int(side)
    impulse = np.zeros((4 * size + 1, 4 * size + 1), np.float32)  # borders are far enough away
    impulse[2 * size, 2 * size] = 1
    kernel = cv2.Laplacian(impulse, cv2.CV_32F, ksize=size)
    values = cv2.Laplacian(plane, cv2.CV_32F, ksize=size)
    return _to_bytes(np.abs(values) / kernel[kernel > 0].sum())


def _to_bytes(values: NDArray[np.floating]) -> Pixels:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _bilateral(plane: Pixels, diameter: float, colour: float, space: float) -> Pixels:
    return np.asarray(cv2.bilateralFilter(plane, int(diameter), colour, space), np.uint8)


def _equalise(pixels: Pixels) -> Pixels:
    """Equalise the histogram; a colour picture's on its luma Y of YCrCb, so that hues stay."""
    if pixels.ndim == 2:
        return np.asarray(cv2.equalizeHist(pixels), np.uint8)
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)
    luma[:, :, 0] = cv2.equalizeHist(np.ascontiguousarray(luma[:, :, 0]))
    return np.asarray(cv2.cvtColor(luma, cv2.COLOR_YCrCb2RGB), np.uint8)


def _blur(plane: Pixels, side: float) -> Pixels:
    return np.asarray(cv2.blur(plane, (int(side), int(side))), np.uint8)


def _gaussian(plane: Pixels, side: float, sigma: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(plane, (int(side), int(side)), sigma), np.uint8)


def _median(plane: Pixels, side: float) -> Pixels:
    return np.asarray(cv2.medianBlur(plane, int(side)), np.uint8)


def _canny(plane: Pixels, low: float, high: float) -> Pixels:
    return np.asarray(cv2.Canny(plane, low, high), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    parameters: tuple[Parameter, ...]
    apply: Callable[..., Pixels]
    whole_colour: bool = False
    """Whether three channels are handed over together; else each channel is a picture."""


FILTERS: Final[Mapping[str, _Step]] = {
    "blur": _Step(parameters=(_kernel(5),), apply=_blur),
    "gaussian": _Step(parameters=(_kernel(5), _SIGMA), apply=_gaussian),
    "median": _Step(parameters=(_kernel(3),), apply=_median),
    "bilateral": _Step(
        parameters=(_DIAMETER, _COLOUR, _SPACE), apply=_bilateral, whole_colour=True
    ),
    "erode": _Step(parameters=(_kernel(3), _TIMES), apply=_morphology(cv2.MORPH_ERODE)),
    "dilate": _Step(parameters=(_kernel(3), _TIMES), apply=_morphology(cv2.MORPH_DILATE)),
    "open": _Step(parameters=(_kernel(3), _TIMES), apply=_morphology(cv2.MORPH_OPEN)),
    "close": _Step(parameters=(_kernel(3), _TIMES), apply=_morphology(cv2.MORPH_CLOSE)),
    "sobel": _Step(parameters=(_derivative(3),), apply=_sobel),
    "laplacian": _Step(parameters=(_derivative(1),), apply=_laplacian),
    "canny": _Step(parameters=(_LOW, _HIGH), apply=_canny),
    "equalise": _Step(parameters=(), apply=_equalise, whole_colour=True),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One classical step: uint8 pixels (height, width, channels) to pixels of the same shape.

    blur, gaussian, median, bilateral, erode, dilate, open and close are OpenCV's. sobel is the
    size of the gradient, √(gx² + gy²), and laplacian |∂²/∂x² + ∂²/∂y²|, both divided by the sum
    of the kernel's positive weights (a step from black to white, or one white pixel, gives 255)
    and clipped. canny gives edges of 0 and 255. equalise spreads the histogram. Each channel is
    treated alone, but for three channels bilateral measures distances of colours, and equalise
    acts on the luma.
    """

    name: str
    arguments: tuple[float, ...] = ()

    def __call__(self, pixels: Pixels) -> Pixels:
        """Apply the step to uint8 (height, width, channels)."""
        step = FILTERS[self.name]
        channels = pixels.shape[2]
        if channels == 3 and step.whole_colour:
            return step.apply(pixels, *self.arguments)
        planes = [
            step.apply(np.ascontiguousarray(pixels[:, :, channel]), *self.arguments)
            for channel in range(channels)
        ]
        return np.stack(planes, axis=2)

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{number:.17g}" for number in self.arguments)])


def parse_filter(spec: str) -> Filter:
    """Parse `NAME[:A[:B…]]`; missing numbers take their defaults.

    Errors: UsageError for an unknown name (with close matches), too many or wrong numbers.

    >>> str(parse_filter("gaussian:5"))
    'gaussian:5:0'
    """
    name, *texts = spec.strip().split(":")
    parameters = look_up(FILTERS, name, "filter").parameters
    if len(texts) > len(parameters):
        names = ", ".join(parameter.name for parameter in parameters) or "none"
        raise UsageError(
            f"The filter {spec!r} has {len(texts)} numbers, but {name} takes at most "
            f"{len(parameters)}: {names}."
        )
    given = [
        parameter.check(text, spec) for parameter, text in zip(parameters, texts, strict=False)
    ]
    defaults = [parameter.default for parameter in parameters[len(texts) :]]
    return Filter(name, (*given, *defaults))


def parse_filters(specs: tuple[str, ...]) -> tuple[Filter, ...]:
    """Parse the filters of `PreprocessingOptions.filters`, in order."""
    return tuple(parse_filter(spec) for spec in specs)
