"""Options of `hubel train`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from hubel.options.preprocessing import PreprocessingOptions

OptimizerName = Literal[
    "gd",
    "sgd",
    "momentum",
    "nesterov",
    "adagrad",
    "rmsprop",
    "damped-rmsprop",
    "adadelta",
    "adam",
    "adamw",
    "muon",
]
ScheduleName = Literal[
    "constant", "step", "linear", "exponential", "plateau", "cyclic", "onecycle", "cosine"
]  # fmt: skip
LossName = Literal["cross-entropy", "bce", "focal", "mse", "l1", "smooth-l1"]
Balance = Literal["none", "weights", "sampling"]
Precision = Literal["float32", "bfloat16", "float16"]
Compiling = Literal["auto", "yes", "no"]
Winograd = Literal["auto", "yes", "no"]
NonFinite = Literal["stop", "skip"]
StopOn = Literal["error", "warning"]

SECTIONS: Final = {
    "source": "Pictures",
    "model": "Network",
    "recipe": "Length, optimizer and schedule",
    "loss": "Loss",
    "weight_decay": "Regularisation and augmentation",
    "clip": "When something goes wrong",
    "device": "Machine",
    "seed": "Run",
}
"""The sections of --help, each by its first option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions(PreprocessingOptions):
    """Train a network on a source of pictures, evaluate it on the test split, and report."""

    model: str = "hubelnet"
    """Network: a name of hubel's, torchvision:NAME, timm:NAME, path/to/file.py:factory or a run."""

    model_arguments: tuple[str, ...] = ()
    """Arguments of the network, as NAME=VALUE: output=linear (lenet5), width=24 (hubelnet)."""

    pretrained: bool = False
    """Start from the published weights of the network; its last layer is new."""

    weights: str | None = None
    """Which of several published weights to start from: package:squeezenet1_1, IMAGENET1K_V1, a tag
    of timm [default: the first]."""

    freeze_epochs: int | None = None
    """Passes in which only the new last layer learns, where training starts from trained weights
    [default: 1 of several with published weights, else 0]."""

    body_lr: float | None = None
    """Learning rate of all other layers after that, as a factor of the last one's
    [default: 0.1 with published weights, else 1]."""

    recipe: str = "default"
    """Named set of defaults for what is not set, from here to --clip."""

    epochs: int | None = None
    """Passes over the training split [default: the recipe's]."""

    budget: str | None = None
    """Wall-clock time for everything, evaluation included, as 90s, 10m or 2h; instead of epochs."""

    patience: int | None = None
    """Stop after this many passes without a better validation score."""

    batch: int | None = None
    """Pictures a step."""

    accumulate: int = 1
    """Batches whose gradients are added up before an update."""

    optimizer: OptimizerName | None = None
    """Optimizer; gd takes one step a pass, over the whole training split."""

    lr: float | None = None
    """Highest learning rate of the schedule."""

    momentum: float | None = None
    """Momentum (of momentum, nesterov and rmsprop; the first beta of adam and adamw; muon)."""

    schedule: ScheduleName | None = None
    """Learning-rate schedule over the whole training."""

    milestones: tuple[float, ...] | None = None
    """Shares of the training after which the schedule step lowers the rate, as 0.5
    [default: the recipe's, else after each third]."""

    step_factor: float | None = None
    """Factor of the rate at each milestone of the schedule step."""

    warmup: float | None = None
    """Share of the steps in which the learning rate rises."""

    loss: LossName | None = None
    """Loss [default: cross-entropy for classes, bce for several labels, smooth-l1 for numbers]."""

    focal_gamma: float = 2.0
    """Focusing exponent of the focal loss."""

    label_smoothing: float | None = None
    """Share of the target spread evenly over all classes."""

    balance: Balance = "none"
    """Against imbalance: weights in the loss, or balanced sampling."""

    weight_decay: float | None = None
    """L2 regularisation (decoupled in adamw and muon)."""

    l1: float = 0.0
    """L1 regularisation: this times the sum of the absolute weights is added to the loss."""

    dropout: float | None = None
    """Share of the features dropped before the last layer."""

    augment: tuple[str, ...] | None = None
    """Augmentation sets: none, safe (small shifts, zooms, rotations, light), mirror, shift, crop,
    mixup, cutmix, erasing, randaugment [default: safe, or the recipe's]."""

    augment_strength: float | None = None
    """Strength of the set safe, from 0 to 1 [default: 1, less where training has few passes]."""

    ema: float | None = None
    """Decay of the running average of the weights; 0 switches it off."""

    clip: float | None = None
    """Largest norm of the gradient; larger ones are scaled down to it."""

    non_finite: NonFinite | None = None
    """What happens where a loss or a gradient is not a finite number: stop saves the state before
    the step, skip undoes the step and goes on without its pictures [default: stop]."""

    doctor: bool = True
    """Watch the training, say in one line what is wrong with it, and write diagnosis.json; it never
    changes a bit of the training."""

    stop_on: StopOn | None = None
    """Stop, with the state saved, when the doctor finds something of this severity or worse
    [default: never]."""

    device: str = "auto"
    """Where to compute: cpu, cuda, cuda:NUMBER or mps [default: cuda, else mps, else cpu]."""

    precision: Precision | None = None
    """Arithmetic of the network; float16 scales the loss [default: measured]."""

    channels_last: bool | None = None
    """Memory format of the activations [default: measured]."""

    cache: str = "auto"
    """Largest file of decoded pictures: auto, none, or a size such as 2GB
    [auto: a quarter of the free memory, or of the free disk where that is less]."""

    threads: int | None = None
    """Threads of the arithmetic [default: measured]."""

    compile: Compiling = "auto"
    """Compile the network with torch.compile; auto: only where it pays within this run."""

    winograd: Winograd = "auto"
    """Compute convolutions of 3×3 taps by Winograd's algorithm, in float32 on a processor; auto:
    those that were measured to be faster so."""

    micro_batch: int | None = None
    """Pictures at a time; the gradients of a batch are added up [default: as many as fit into the
    memory]."""

    measure_anew: bool = False
    """Measure machine and network again, instead of using what an earlier run has measured."""

    processes: int | None = None
    """Processes on this machine that train together, each with a share of every batch and of the
    processors, or a GPU of its own [default: 1, or those of the resumed run]."""

    restarts: int = 3
    """How often these processes start again, from the last checkpoint, when one was killed."""

    seed: int = 0
    """Seed of every random choice."""

    out: Path | None = None
    """Run folder to make [default: runs/SOURCE-MODEL-NUMBER]."""

    checkpoint_every: str = "60s"
    """Least time between two checkpoints inside a pass; each pass ends with one in any case."""

    resume: Path | None = None
    """Go on with this run; with --epochs, to this many passes."""

    allow_leaks: bool = False
    """Train although pictures stand on both sides of a split that you made."""

    trust_code: bool = False
    """Run the Python file that made the network of a resumed run."""

    verbose: Literal["steps"] | None = None
    """steps: show the four parts of the first iterations: forward, loss, backward, update."""

    json: bool = False
    """Print one JSON document on standard output, all else on standard error."""
