"""Every run of the suite by name: benches, faults with their twins, healthy kinds, real bugs."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final, Literal

from benchmarks.doctor import data, networks, program
from benchmarks.doctor.faults import FAMILIES, FAULTS
from benchmarks.doctor.faults import fault as fault_module
from benchmarks.doctor.faults.fault import Change, each, unchanged
from benchmarks.doctor.healthy import KINDS
from benchmarks.doctor.program import Program, Settings
from benchmarks.doctor.real_bugs import BUGS
from benchmarks.doctor.real_bugs import FILES as BUG_FILES

Half = Literal["calibration", "untouched"]
Sort = Literal["fault", "twin", "healthy", "bug"]
SEEDS: Final = (0, 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A network with pictures and the settings that suit them."""

    name: str
    half: Half
    pictures: str
    settings: Settings
    traits: frozenset[str] = frozenset()
    plausible: float
    """Accuracy that a healthy training reaches."""
    linear: float
    """Accuracy of a logistic regression on the pixels: what ends 2 points below it is not healthy,
    whatever it is compared with."""


BENCHES: Final[Mapping[str, Bench]] = MappingProxyType(
    {
        bench.name: bench
        for bench in (
            Bench(name="plain-mnist", half="calibration", pictures="mnist", plausible=0.88,
                  linear=0.89,
                  settings=Settings(network="plain", epochs=6)),
            Bench(name="residual-digits", half="calibration", pictures="digits", plausible=0.92,
                  linear=0.94,
                  settings=Settings(network="residual", epochs=6),
                  traits=frozenset({"norm"})),
            Bench(name="depthwise-fashion", half="calibration", pictures="fashion", plausible=0.68,
                  linear=0.79,
                  settings=Settings(network="depthwise", epochs=8, batch=50, optimizer="adam",
                                    lr=0.01),
                  traits=frozenset({"norm"})),
            Bench(name="stacked-tuxpaint", half="calibration", pictures="tuxpaint", plausible=0.5,
                  linear=0.67,
                  settings=Settings(network="stacked", epochs=12, optimizer="adam", lr=0.003,
                                    dropout=0.1),
                  traits=frozenset({"colour"})),
            Bench(name="branched-fashion", half="untouched", pictures="fashion-more",
                  plausible=0.79, linear=0.79,
                  settings=Settings(network="branched", epochs=6, lr=0.05),
                  traits=frozenset({"norm"})),
            Bench(name="dense-tuxpaint", half="untouched", pictures="tuxpaint-more",
                  plausible=0.77, linear=0.63,
                  settings=Settings(network="dense", epochs=8, optimizer="adam", lr=0.002),
                  traits=frozenset({"colour"})),
        )
    }
)  # fmt: skip


_AGAIN: Final = {
    "plain-mnist": "branched-fashion",
    "residual-digits": "branched-fashion",
    "depthwise-fashion": "branched-fashion",
    "stacked-tuxpaint": "dense-tuxpaint",
}
"""Bench of the untouched half on which a real bug is made once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run: what is trained, on which bench, with which seed."""

    sort: Sort
    name: str
    bench: str
    seed: int
    twin: str = ""
    """Key of the healthy run that it is compared with."""
    module: ModuleType = field(repr=False, default=program)
    """Where its change is written."""

    @property
    def key(self) -> str:
        """A name that no other run has."""
        return f"{self.sort}/{self.name}/{self.bench}/{self.seed}"

    @property
    def half(self) -> Half:
        """Which half of the suite it belongs to."""
        return BENCHES[self.bench].half

    def change(self) -> Change:
        """Return what is changed of the bench's program."""
        match self.sort:
            case "fault":
                return each(FAULTS[self.name].base, FAULTS[self.name].change)
            case "twin":
                return FAULTS[self.name].base if self.name != "base" else unchanged
            case "healthy":
                return KINDS[self.name].change
            case "bug":
                return BUGS[self.name].change

    def program(self) -> Program:
        """Return the program that is run."""
        settings = BENCHES[self.bench].settings
        return self.change()(Program(settings=settings).with_settings(seed=self.seed))

    def digest(self) -> str:
        """Return a digest of all code that makes the run what it is."""
        digest = hashlib.sha256()
        for path in _files((data, networks, program, fault_module, self.module)):
            digest.update(path.read_bytes())
        digest.update(repr((self.key, BENCHES[self.bench])).encode())
        return digest.hexdigest()[:16]


@cache
def _files(modules: tuple[ModuleType, ...]) -> tuple[Path, ...]:
    """Return the files of modules, and of those of the suite that they take something from."""
    found = {Path(inspect.getfile(module)) for module in modules}
    for module in modules:
        for thing in vars(module).values():
            name = (
                thing.__name__
                if isinstance(thing, ModuleType)
                else str(getattr(thing, "__module__", ""))
            )
            if name.startswith("benchmarks.doctor."):
                found.add(Path(inspect.getfile(sys.modules[name])))
    return tuple(sorted(found))


def _fault_cases() -> Iterator[Case]:
    for module in FAMILIES:
        for fault in module.FAULTS:
            for bench in BENCHES.values():
                if not fault.needs <= bench.traits:
                    continue
                for seed in SEEDS:
                    own = fault.base is not unchanged
                    twin = Case(
                        sort="twin", name=fault.name if own else "base", bench=bench.name,
                        seed=seed, module=module if own else program,
                    )  # fmt: skip
                    yield twin
                    yield Case(
                        sort="fault", name=fault.name, bench=bench.name, seed=seed,
                        twin=twin.key, module=module,
                    )  # fmt: skip


def _healthy_cases() -> Iterator[Case]:
    from benchmarks.doctor import healthy

    for kind in KINDS.values():
        for bench in BENCHES.values():
            if kind.needs <= bench.traits and bench.name not in kind.without:
                for seed in SEEDS:
                    yield Case(
                        sort="healthy", name=kind.name, bench=bench.name, seed=seed,
                        module=healthy,
                    )  # fmt: skip


def _bug_cases() -> Iterator[Case]:
    for bug in BUGS.values():
        for bench in (bug.bench, _AGAIN[bug.bench]):
            for seed in SEEDS:
                twin = Case(sort="twin", name="base", bench=bench, seed=seed)
                yield twin
                yield Case(
                    sort="bug", name=bug.name, bench=bench, seed=seed, twin=twin.key,
                    module=BUG_FILES[bug.name],
                )  # fmt: skip


def all_cases() -> dict[str, Case]:
    """Return every run of the suite by its key, each once."""
    found: dict[str, Case] = {}
    for make in (_fault_cases, _healthy_cases, _bug_cases):
        for case in make():
            found.setdefault(case.key, case)
    return found


def chosen(half: Half | None, only: str, seeds: int, limit: int | None) -> dict[str, Case]:
    """Return the runs that were asked for, with the twins that they are compared with."""
    cases = all_cases()
    wanted = [
        case
        for case in cases.values()
        if (half is None or case.half == half)
        and case.seed < seeds
        and only in case.key
        and (case.sort != "twin" or only)
    ][:limit]
    keys = [key for case in wanted for key in (case.twin, case.key) if key]
    return {key: cases[key] for key in dict.fromkeys(keys)}


__all__: list[Any] = ["BENCHES", "SEEDS", "Bench", "Case", "all_cases", "chosen"]
