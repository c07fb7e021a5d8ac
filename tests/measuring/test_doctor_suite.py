"""What the suite's known runs tell, where one arm of a run was cut off."""

from benchmarks.doctor.cases import Case
from benchmarks.doctor.suite import Runs
from benchmarks.recording import hubel_digest

BENCH = "branched-fashion"
HEALTHY = Case(sort="healthy", name="adam", bench=BENCH, seed=0)
TWIN = Case(sort="twin", name="base", bench=BENCH, seed=0)
FAULT = Case(sort="fault", name="no-zero-grad", bench=BENCH, seed=0, twin=TWIN.key)
CUT_OFF = {"status": "timeout"}


def line(test=0.9, digest="of-the-case-aaaa", **more):
    return {"status": "ended", "test": test, "val": test, "reported": test, "seconds": 1.0,
            "digest": digest, **more}  # fmt: skip


def diagnosed(*ids, **more):
    return line(diagnosis={"causes": [{"id": one} for one in ids]}, **more)


def runs(**arms):
    """Return the runs of three cases; each name gives the lines with the doctor and with rivals."""
    cases = {"healthy": HEALTHY, "twin": TWIN, "fault": FAULT}
    lines = {}
    for name, case in cases.items():
        doctor, rivals = arms.get(name, (diagnosed(), line()))
        lines |= {(case.key, "doctor"): doctor, (case.key, "rivals"): rivals}
    return Runs({case.key: case for case in cases.values()}, lines)


def test_a_run_is_judged_by_the_arm_that_ended():
    found = runs(healthy=(diagnosed(), CUT_OFF), fault=(diagnosed(test=0.9), CUT_OFF))
    assert found.healthy == [HEALTHY]
    assert found.ill == []
    # It cost nothing where it ended: that the other arm was cut off is no harm of the fault.
    assert found.faulty == []
    assert [one.name for one in found.controls] == ["no-zero-grad"]


def test_rivals_are_not_asked_where_their_run_was_cut_off_and_hubel_has_then_missed():
    found = runs(healthy=(diagnosed(), CUT_OFF), fault=(CUT_OFF, line(test=0.1, alarms={})))
    assert found.alarmed("hubel") == {HEALTHY.key: False}
    assert found.alarmed("UMLAUT") == {}
    assert found.faulty == [FAULT]
    (judged,) = found.judged("hubel", found.faulty)
    assert not judged.detected
    assert found.broken() == [f"{FAULT.key}: timeout"]


def test_the_doctor_of_another_source_is_named():
    assert runs().sources() == "By digest of hubel's source: 3 on aaaa. "
    now = diagnosed(digest=f"of-the-case-{hubel_digest()}")
    assert runs(healthy=(now, line()), twin=(now, line()), fault=(now, line())).sources() == ""
