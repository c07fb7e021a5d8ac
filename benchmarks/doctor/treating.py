"""`python -m benchmarks doctor-treat`: what the prescriptions cure, beside a random search.

A faulty training of hubel is made, `hubel diagnose --treat` tries its prescription, and what it
recommends is trained in full. A random search over the same options has the seconds of both.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from PIL import Image

from benchmarks.doctor import data
from benchmarks.doctor.scoring import share
from benchmarks.published import add_publish, published
from benchmarks.published import publish as publish_lines
from benchmarks.recording import Section, hubel_digest, sources
from benchmarks.running import hubel
from hubel.results import DEFAULT

CURED: Final = 0.95
"""Share of the healthy twin's accuracy from which a fault counts as cured."""
PICTURES: Final[Mapping[str, str]] = {"calibration": "tuxpaint", "untouched": "tuxpaint-more"}
"""By half of the suite: the set that is trained on, 960 coloured pictures of 32 pixels a side."""

Flags = Mapping[str, str]
_MOMENTUM: Final[Flags] = {
    "--optimizer": "momentum", "--lr": "0.05", "--momentum": "0.9", "--epochs": "8",
}  # fmt: skip
_ADAMW: Final[Flags] = {"--optimizer": "adamw", "--lr": "0.003", "--epochs": "8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatable:
    """A fault that is a wrong option of `hubel train`."""

    name: str
    base: Flags
    """Of the healthy twin, and of the faulty training but for `fault`."""
    fault: Flags


TREATABLE: Final = (
    Treatable(name="rate-times-30", base=_MOMENTUM, fault={"--lr": "1.5"}),
    Treatable(name="rate-of-10", base=_MOMENTUM, fault={"--lr": "10"}),
    Treatable(name="rate-over-300", base=_MOMENTUM, fault={"--lr": "0.00017"}),
    Treatable(name="adamw-rate-of-0.3", base=_ADAMW, fault={"--lr": "0.3"}),
    Treatable(name="adamw-rate-of-1e-6", base=_ADAMW, fault={"--lr": "0.000001"}),
    Treatable(name="momentum-of-0.999", base=_MOMENTUM, fault={"--momentum": "0.999"}),
    Treatable(name="decay-of-1", base=_MOMENTUM, fault={"--weight-decay": "1"}),
    Treatable(name="clipped-to-1e-6", base=_MOMENTUM, fault={"--clip": "0.000001"}),
    Treatable(name="dropout-of-0.95", base=_MOMENTUM, fault={"--dropout": "0.95"}),
    Treatable(name="smoothing-of-0.95", base=_MOMENTUM, fault={"--label-smoothing": "0.95"}),
    Treatable(name="strong-augmentation", base=_MOMENTUM,
              fault={"--augment": "safe,crop,mixup,cutmix,erasing", "--augment-strength": "1"}),
    Treatable(name="one-pass", base=_ADAMW, fault={"--epochs": "1"}),
    Treatable(name="whole-batch", base=_MOMENTUM, fault={"--batch": "1200", "--lr": "0.001"}),
    Treatable(name="l1-of-1", base=_MOMENTUM, fault={"--l1": "1"}),
    Treatable(name="average-too-slow", base=_MOMENTUM, fault={"--ema": "0.9999"}),
    Treatable(name="endless-warm-up", base=_MOMENTUM, fault={"--warmup": "0.95", "--lr": "0.002"}),
)  # fmt: skip
"""Written down before any run; one that does no harm (2 points) is left out and listed."""


def drawn(chance: random.Random) -> dict[str, str]:
    """Return options that a random search tries: each rate log-uniform, the others one of a few."""
    return {
        "--lr": f"{math.exp(chance.uniform(math.log(1e-5), math.log(1.0))):.3g}",
        "--weight-decay": f"{math.exp(chance.uniform(math.log(1e-6), math.log(1e-1))):.3g}",
        "--dropout": chance.choice(("0", "0.2", "0.5")),
        "--label-smoothing": chance.choice(("0", "0.1")),
        "--batch": chance.choice(("16", "32", "64", "128")),
        "--epochs": chance.choice(("4", "8", "16")),
        "--optimizer": chance.choice(("momentum", "adamw")),
        "--momentum": chance.choice(("0.8", "0.9", "0.95")),
        "--augment": chance.choice(("none", "safe")),
        "--l1": "0",
        "--ema": "0",
        "--warmup": chance.choice(("0", "0.2")),
        "--clip": chance.choice(("1", "10")),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which faults are treated, and where runs are kept."""
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(os.environ.get("HUBEL_BENCHMARKS", Path.home() / ".cache/hubel-benchmarks")),
        help="folder for runs [default: $HUBEL_BENCHMARKS, or ~/.cache/hubel-benchmarks]",
    )
    parser.add_argument("--half", choices=tuple(PICTURES), default="untouched",
                        help="whose pictures are trained on [default: untouched]")  # fmt: skip
    parser.add_argument("--only", default="", metavar="TEXT", help="faults whose name has it")
    parser.add_argument("--seeds", type=int, default=3, help="[default: 3]")
    parser.add_argument("--pairs", type=int, default=3, help="of --treat [default: 3]")
    parser.add_argument("--known", action="store_true",
                        help="make no runs, show those known of any source of hubel")  # fmt: skip
    add_publish(parser)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One fault with one seed."""

    name: str
    seed: int
    digest: str
    healthy: float
    faulty: float
    treated: float
    """Accuracy with what --treat recommends; the faulty one's where it recommends nothing."""
    searched: float
    cause: str
    options: dict[str, str]
    verdict: str
    """Of the paired retrains."""
    treat_s: float
    """Of the diagnosis, the paired trainings, and the whole training with what they recommend."""
    tries: int
    """Trainings that the random search made in as many seconds."""


def cured(outcome: Outcome, reached: float) -> bool:
    """Return whether an accuracy is at least 95% of the healthy twin's."""
    return reached >= CURED * outcome.healthy


def harmed(outcome: Outcome) -> bool:
    """Return whether the fault costs at least 2 points."""
    return outcome.healthy - outcome.faulty >= 0.02


def measure(
    work: Path, half: str, only: str, seeds: int, pairs: int, known: bool, publish: bool
) -> Section:
    """Treat faulty trainings by their prescriptions, and by random search of equal cost."""
    source = written(PICTURES[half], work / "doctor")
    store = work / "doctor" / f"treat-{source.name}.jsonl"
    digest = hubel_digest()
    outcomes = _known(store)
    bench = _Bench(source=source, folder=work / "doctor" / "treat", pairs=pairs)
    wanted = [(fault, seed) for seed in range(seeds) for fault in TREATABLE if only in fault.name]
    for fault, seed in wanted:
        before = outcomes.get((fault.name, seed))
        if not known and (before is None or before.digest != digest):
            outcome = bench.outcome(fault, seed, digest)
            outcomes[fault.name, seed] = outcome
            with store.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(outcome)) + "\n")
    if publish:
        publish_lines(_name(store), map(asdict, outcomes.values()))
    places = [(fault.name, seed) for fault, seed in wanted]
    return section([outcomes[place] for place in places if place in outcomes], half, pairs)


def written(name: str, folder: Path) -> Path:
    """Return a folder with a set of the suite as PNG files, by split and class."""
    target = folder / "pictures" / name
    if target.is_dir():
        return target
    pictures = data.load(name, folder / "data")
    unfinished = target.with_name(f"{name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    for split in ("train", "val", "test"):
        arrays, labels = getattr(pictures, split), getattr(pictures, f"{split}_labels")
        for number, (array, label) in enumerate(zip(arrays, labels, strict=True)):
            path = unfinished / split / f"class{int(label)}" / f"{number:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array.permute(1, 2, 0).numpy().squeeze()).save(path)
    return unfinished.rename(target)


def _known(store: Path) -> dict[tuple[str, int], Outcome]:
    """Return the last outcome of each fault and seed."""
    own = store.read_text("utf-8").splitlines() if store.is_file() else []
    lines = [*published(_name(store)), *map(json.loads, own)]
    return {(line["name"], line["seed"]): Outcome(**line) for line in lines}


def _name(store: Path) -> str:
    """Return the name under which the outcomes of a store are published."""
    return f"doctor-{store.stem}"


def section(outcomes: Sequence[Outcome], half: str, pairs: int) -> Section:
    """Return the section of RESULTS.md."""
    by_name: dict[str, list[Outcome]] = {}
    for one in outcomes:
        by_name.setdefault(one.name, []).append(one)
    counted = {name: of for name, of in by_name.items() if all(map(harmed, of))}
    runs = [one for of in counted.values() for one in of]
    treated = share(sum(cured(one, one.treated) for one in runs), len(runs))
    searched = share(sum(cured(one, one.searched) for one in runs), len(runs))
    harmless = [name for name in by_name if name not in counted]
    return Section(
        title="The doctor's prescriptions",
        what=f"`python -m benchmarks doctor-treat --half {half}`: `hubel train` on "
        f"{PICTURES[half]} of the suite with one wrong option, "
        f"`hubel diagnose --treat --pairs {pairs}`, and a full training with what it recommends; "
        "beside it a random search over 13 options that may train for as many seconds and keeps "
        f"what validation likes best. Cured: at least {CURED:.0%} of the healthy twin's test "
        "accuracy. Means over seeds.",
        header=("fault", "healthy", "faulty", "treated", "random search", "first cause",
                "options", "seconds", "its tries"),
        rows=[_row(name, of) for name, of in counted.items()],
        verdict=f"{sources(one.digest for one in runs)}Cured: --treat {treated}, random search "
        f"{searched} (goal: ≥ 70%, and more than random search). Without harm here, and left out: "
        f"{', '.join(harmless) or 'none'}.",
    )  # fmt: skip


def _row(name: str, of: Sequence[Outcome]) -> tuple[str, ...]:
    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    options = dict.fromkeys(" ".join(f"{k} {v}" for k, v in one.options.items()) for one in of)
    return (
        name,
        f"{mean([one.healthy for one in of]):.1%}",
        f"{mean([one.faulty for one in of]):.1%}",
        f"{mean([one.treated for one in of]):.1%}",
        f"{mean([one.searched for one in of]):.1%}",
        ", ".join(dict.fromkeys(one.cause or "–" for one in of)),
        "; ".join(one or "–" for one in options),
        f"{mean([one.treat_s for one in of]):.0f}",
        f"{mean([one.tries for one in of]):.0f}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """Where faulty trainings are made, and on what."""

    source: Path
    folder: Path
    pairs: int
    healthy: dict[str, float] = field(default_factory=dict[str, float])
    """Accuracies of healthy twins, each trained once."""

    def outcome(self, fault: Treatable, seed: int, digest: str) -> Outcome:
        """Make one fault, treat it, and search at random for as long."""
        shutil.rmtree(self.folder, ignore_errors=True)
        twin = f"{fault.base} {seed}"
        if twin not in self.healthy:
            self.healthy[twin], _ = self._train(fault.base, seed, "healthy")
        wrong = {**fault.base, **fault.fault}
        faulty, _ = self._train(wrong, seed, "faulty")
        started = time.perf_counter()
        run = str(self.folder / "faulty")
        diagnosis = _answer("diagnose", run, "--treat", "--pairs", str(self.pairs))
        treatment = (diagnosis or {}).get("treatment") or {}
        options = dict(treatment.get("options") or {})
        helped = treatment.get("verdict") == "helped"
        reached = faulty
        if helped:
            reached, _ = self._train({**wrong, **options}, seed, "treated")
        treat_s = time.perf_counter() - started
        searched, tries = self._search(wrong, random.Random(f"{fault.name} {seed}"), seed, treat_s)
        return Outcome(
            name=fault.name, seed=seed, digest=digest, healthy=self.healthy[twin], faulty=faulty,
            treated=reached, searched=searched,
            cause=((diagnosis or {}).get("causes") or [{"id": ""}])[0]["id"],
            options=options if helped else {}, verdict=treatment.get("verdict", "nothing to try"),
            treat_s=treat_s, tries=tries,
        )  # fmt: skip

    def _search(
        self, wrong: Flags, chance: random.Random, seed: int, seconds: float
    ) -> tuple[float, int]:
        """Return the test accuracy of what validation likes best among random trainings."""
        began, tries, best, reached = time.perf_counter(), 0, -1.0, 0.0
        while tries == 0 or time.perf_counter() - began < seconds:
            test, val = self._train({**wrong, **drawn(chance)}, seed, f"search-{tries}")
            shutil.rmtree(self.folder / f"search-{tries}", ignore_errors=True)
            tries += 1
            if val > best:
                best, reached = val, test
        return reached, tries

    def _train(self, flags: Flags, seed: int, name: str) -> tuple[float, float]:
        """Return accuracies on test and validation; 0 where a training ends in an error."""
        words: list[str] = []
        for flag, value in flags.items():
            if value == DEFAULT:
                continue
            # A set of augmentations is said one by one.
            for one in value.split(",") if flag == "--augment" else (value,):
                words += [flag, one]
        out = str(self.folder / name)
        answer = _answer("train", str(self.source), *words, "--seed", str(seed), "--out", out)
        if answer is None:
            return 0.0, 0.0
        return answer["test"]["accuracy"]["value"], answer["best_val_score"]


def _answer(*arguments: str) -> dict[str, Any] | None:
    """Return hubel's JSON document; None where it ends in an error.

    Its status is no guide: `hubel diagnose` ends with 1 where it finds an error in a training.
    """
    command = hubel(*arguments, "--json")
    print("$", " ".join(command), file=sys.stderr, flush=True)
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if not ended.stdout.strip():
        print(ended.stderr[-1000:], file=sys.stderr, flush=True)
        return None
    return json.loads(ended.stdout)
