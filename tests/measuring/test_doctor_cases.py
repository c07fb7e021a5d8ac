"""The table of the suite: enough of everything, each run with what it needs."""

from collections import Counter

import pytest
import torch
from benchmarks.doctor.cases import BENCHES, Case, all_cases, chosen
from benchmarks.doctor.data import Pictures
from benchmarks.doctor.executing import weights_digest
from benchmarks.doctor.faults import FAULTS
from benchmarks.doctor.healthy import KINDS
from benchmarks.doctor.program import Program, Settings, run, true_accuracy
from benchmarks.doctor.real_bugs import BUGS
from benchmarks.doctor.regimes import Unwatched

from hubel.diagnosis.table import SYMPTOMS

CASES = all_cases()


def pictures(channels=1, side=8):
    """Return bright halves: class 0 on the left, class 1 on the right."""
    labels = torch.arange(48) % 2
    found = torch.zeros(48, channels, side, side, dtype=torch.uint8)
    for place, label in enumerate(labels.tolist()):
        half = slice(0, side // 2) if label == 0 else slice(side // 2, side)
        found[place, :, :, half] = 200
    return Pictures(
        name="halves", train=found, train_labels=labels, val=found[:20], val_labels=labels[:20],
        test=found[:30], test_labels=labels[:30],
    )  # fmt: skip


def test_the_suite_is_as_large_as_it_says():
    assert len([fault for fault in FAULTS.values() if not fault.expected_harmless]) >= 60
    assert len(BUGS) >= 15
    healthy = Counter(case.half for case in CASES.values() if case.sort == "healthy")
    assert min(healthy.values()) >= 150
    assert {bench.half for bench in BENCHES.values()} == {"calibration", "untouched"}
    networks = {half: {bench.settings.network for bench in BENCHES.values() if bench.half == half}
                for half in ("calibration", "untouched")}  # fmt: skip
    assert min(map(len, networks.values())) >= 2
    assert not networks["calibration"] & networks["untouched"]


def test_every_faulty_run_has_a_twin_on_the_same_bench_and_seed():
    for case in CASES.values():
        if case.sort in {"fault", "bug"}:
            twin = CASES[case.twin]
            assert (twin.bench, twin.seed, twin.sort) == (case.bench, case.seed, "twin")


def test_what_is_chosen_brings_its_twins_and_keeps_to_its_half():
    found = chosen("untouched", "fault/no-step", 1, None)
    assert {case.half for case in found.values()} == {"untouched"}
    assert {case.sort for case in found.values()} == {"fault", "twin"}
    assert {case.seed for case in found.values()} == {0}
    assert len([case for case in chosen(None, "", 1, 7).values() if case.sort != "twin"]) == 7


def test_keys_and_digests_tell_runs_apart():
    one, other = (
        Case(sort="healthy", name="adam", bench="plain-mnist", seed=0),
        Case(sort="healthy", name="adam", bench="plain-mnist", seed=1),
    )
    assert one.digest() == one.digest() != other.digest()
    assert one.program().settings.optimizer == "adam"


def test_the_plain_program_learns_and_is_the_same_at_each_run():
    settings = Settings(epochs=4, batch=8, lr=0.05, width=0.3)
    first, _ = run(Program(settings=settings), pictures(), Unwatched)
    again, _ = run(Program(settings=settings), pictures(), Unwatched)
    assert true_accuracy(first.network, first.data.test) == 1.0
    assert first.epochs[-1].val_accuracy == 1.0
    assert weights_digest(first.network) == weights_digest(again.network)
    other, _ = run(Program(settings=Settings(epochs=4, batch=8, width=0.3, seed=1)), pictures(),
                   Unwatched)  # fmt: skip
    assert weights_digest(first.network) != weights_digest(other.network)


def test_true_accuracy_leaves_modes_alone_and_counts_nan_as_wrong():
    finished, _ = run(
        Program(settings=Settings(epochs=1, batch=8, width=0.3)), pictures(), Unwatched
    )
    finished.network.train()
    finished.network.features[0].eval()
    true_accuracy(finished.network, finished.data.test)
    assert finished.network.training
    assert not finished.network.features[0].training
    with torch.no_grad():
        finished.network.head.bias.fill_(float("nan"))
    assert true_accuracy(finished.network, finished.data.test) == 0.0


@pytest.mark.parametrize("name", ["no-step", "labels-permuted", "copy-given", "rate-of-1e-8"])
def test_these_faults_keep_the_network_from_learning(name):
    program = FAULTS[name].change(Program(settings=Settings(epochs=3, batch=8, width=0.3)))
    finished, _ = run(program, pictures(), Unwatched)
    assert true_accuracy(finished.network, finished.data.test) < 0.9


def test_a_fault_of_the_report_leaves_the_network_well():
    fault = FAULTS["validation-labels-rolled"]
    program = fault.change(Program(settings=Settings(epochs=4, batch=8, width=0.3)))
    finished, _ = run(program, pictures(), Unwatched)
    assert true_accuracy(finished.network, finished.data.test) == 1.0
    assert finished.epochs[-1].val_accuracy < 0.2


def test_healthy_kinds_name_benches_that_exist():
    assert all(kind.without <= BENCHES.keys() for kind in KINDS.values())


def test_every_accepted_cause_is_an_id_that_exists():
    accepted = {one for what in (*FAULTS.values(), *BUGS.values()) for one in what.accepted}
    # No row of a record shows that a loop waits for its device: that fault cannot be named.
    assert accepted - SYMPTOMS.keys() <= {"speed/synchronising"}
    assert all(what.accepted for what in (*FAULTS.values(), *BUGS.values()))
