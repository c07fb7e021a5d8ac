"""What a user may set about the way from a picture to a tensor; shared by `data` and `train`."""

from dataclasses import dataclass
from typing import Literal

Fit = Literal["crop", "letterbox", "squash"]
Colour = Literal["auto", "rgb", "grey", "hsv", "lab", "ycrcb"]
Normalisation = Literal["standard", "pca", "zca", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessingOptions:
    """How a picture becomes a tensor."""

    size: int | None = None
    """Side of the network's square input, in pixels [default: the pictures' median short side]."""

    fit: Fit | None = None
    """How a picture is brought to the square: crop its centre, letterbox it whole, or squash it
    [default: letterbox; as the weights were trained, where training starts from trained ones]."""

    colour: Colour = "auto"
    """Colour space of the input; auto is grey where every picture is grey, else rgb."""

    filters: tuple[str, ...] = ()
    """Classical steps before the fit, in order, as NAME or NAME:A[:B]: blur:5, gaussian:5,
    median:3, bilateral:9:75:75, erode:3, dilate:3, open:3, close:3, sobel, laplacian,
    canny:100:200, equalise."""

    normalise: Normalisation | None = None
    """Scaling of the input: per-channel mean and deviation of the training split, PCA or ZCA
    whitening, or none (values in 0 to 1) [default: standard; with the mean and deviation of
    the weights, where training starts from trained ones]."""
