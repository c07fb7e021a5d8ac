"""Options of `hubel diagnose`."""

from dataclasses import dataclass

from hubel.options.train import OptimizerName


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnoseOptions:
    """Say what is wrong with a training, how that is known, and what to change."""

    model: str | None = None
    """Before a training: the network, named as in hubel train [default: hubelnet]."""

    model_arguments: tuple[str, ...] = ()
    """Before a training: arguments of the network, as NAME=VALUE."""

    size: int | None = None
    """Before a training: side of the network's square input, in pixels."""

    recipe: str | None = None
    """Before a training: the named set of defaults that will be trained with [default: default]."""

    optimizer: OptimizerName | None = None
    """Before a training: the optimizer that will be used [default: the recipe's]."""

    lr: float | None = None
    """Before a training: its highest learning rate [default: the recipe's]."""

    batch: int | None = None
    """Before a training: pictures a step [default: the recipe's]."""

    augment: tuple[str, ...] | None = None
    """Before a training: augmentation sets, as in hubel train [default: the recipe's]."""

    treat: bool = False
    """Try the prescription in trainings with and without it, and say whether it helped; where none
    does, or no cause was found, leave what was set of how it learns to hubel, and try that."""

    pairs: int = 3
    """Pairs of trainings of --treat, each with a seed of its own."""

    budget: str | None = None
    """Wall-clock time for the trainings of --treat, as 90s, 10m or 2h: they become shorter for it
    [default: as long as the run]."""

    source: str | None = None
    """Where the pictures of the run are now, if they have moved."""

    trials: bool = True
    """Make active tests on copies of the network, where something is suspected."""

    trial_time: str = "20s"
    """Processor time that one active test may take, as 90s or 5m; one that needs more tells
    nothing, so a large network may need a longer one."""

    silence: tuple[str, ...] = ()
    """Symptoms that are not looked for, by id: data/too-few."""

    list: bool = False
    """List every symptom: what it means, what is measured, with what it is compared, its source."""

    verbose: bool = False
    """Print everything that was found healthy too."""

    seed: int | None = None
    """Seed of what is drawn before a training [default: 0], and of the first pair of --treat
    [default: the run's]."""

    trust_code: bool = False
    """Run the Python file that made the run's network."""

    json: bool = False
    """Print one JSON document on standard output, all else on standard error."""
