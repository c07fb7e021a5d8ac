"""Arms take turns, are measured once, and go on where a run stopped."""

import json
import sys
from dataclasses import replace

import pytest
from benchmarks.peers.arms import Arm, append, known, read, turns
from benchmarks.peers.environments import Work, pins
from benchmarks.peers.running import Clock, Heard
from benchmarks.peers.taking_turns import measure_arms

SCRIPT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from speaking import say
print("noise of a library")
say("start")
say("paused")
time.sleep(0.3)
say("accuracy", value=0.5)
say("resumed")
say("versions", tool="1.2")
with open(sys.argv[2], "a") as file:
    file.write(sys.argv[3])
say("final", scratch=sys.argv[4])
if sys.argv[5] == "hangs":
    time.sleep(60)
if sys.argv[5] == "fails":
    raise ValueError("broken on purpose")
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return a maker of arms whose script leaves a letter a run in `log`."""
    monkeypatch.setattr("benchmarks.peers.arms.HUBEL", "none")
    monkeypatch.setattr("benchmarks.peers.arms.requirements", lambda _: tmp_path / "pins.txt")
    monkeypatch.setattr(Work, "python", lambda *_: sys.executable)
    (tmp_path / "pins.txt").write_text("tool==1.2\n")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    from benchmarks.peers.arms import SCRIPTS

    def arm(letter, how="ends", **more):
        log = str(tmp_path / "log")
        given = (str(SCRIPTS), log, letter, "{scratch}/{seed}", how)
        return Arm(name=letter, peer="tool", variant="best", script=script, arguments=given, **more)

    return arm


def log(tmp_path):
    return (tmp_path / "log").read_text()


def test_arms_alternate_and_each_has_its_repeats():
    arms = [
        Arm(name="a", peer="hubel", variant="hubel", repeats=3),
        Arm(name="b", peer="hubel", variant="hubel", repeats=2),
        Arm(name="c", peer="hubel", variant="hubel"),
    ]
    order = [(arm.name, repeat) for arm, repeat in turns(arms)]
    assert order == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1), ("a", 2)]
    assert turns([]) == []


def test_a_run_goes_on_where_it_stopped(make, tmp_path):
    work = Work(folder=tmp_path / "work")
    arms = [make("a", repeats=2), make("b")]
    first = measure_arms("try", arms, replace(work, only=("a",)))
    assert log(tmp_path) == "aa"
    assert [(one.arm, one.repeat) for one in first] == [("a", 0), ("a", 1)]
    both = measure_arms("try", arms, work)
    assert log(tmp_path) == "aab"
    assert [(one.arm, one.repeat) for one in both] == [("a", 0), ("b", 0), ("a", 1)]
    assert measure_arms("try", arms, work) == both
    assert log(tmp_path) == "aab"
    measure_arms("try", arms, replace(work, since="9999"))
    assert log(tmp_path) == "aababa"


def test_what_changes_an_arm_measures_it_again(make, tmp_path):
    arm = make("a")
    assert replace(arm, repeats=5, note="other words").digest() == arm.digest()
    assert replace(arm, limit_s=1).digest() != arm.digest()
    assert replace(arm, variables=(("A", "1"),)).digest() != arm.digest()
    before = arm.digest()
    (tmp_path / "pins.txt").write_text("tool==1.3\n")
    assert arm.digest() != before


def test_pauses_do_not_count():
    heard = Heard(clock=Clock(started=100.0))
    said = [
        (103.0, "start"),
        (110.0, "paused"),
        (114.0, "accuracy"),
        (115.0, "resumed"),
        (116.0, "epoch"),
    ]
    for now, event in said:
        heard.take({"event": event}, now)
    assert heard.events == [
        {"event": "start", "seconds": 3.0},
        {"event": "accuracy", "seconds": 10.0},
        {"event": "epoch", "seconds": 11.0},
    ]
    assert heard.clock.counted(120.0) == 15.0


def test_what_a_script_says_is_kept(make, tmp_path):
    (one,) = measure_arms("try", [make("a")], Work(folder=tmp_path / "work"))
    assert one.status == "ended"
    assert one.seconds - one.counted_s >= 0.29
    start, accuracy = one.events
    assert (start["event"], accuracy["event"], accuracy["value"]) == ("start", "accuracy", 0.5)
    assert one.versions == {"tool": "1.2"}
    assert one.final["scratch"].endswith("/0")
    assert one.peak_bytes > 1e6


def test_an_arm_over_its_limit_is_cut_off(make, tmp_path):
    (one,) = measure_arms("try", [make("a", "hangs", limit_s=0.3)], Work(folder=tmp_path / "work"))
    assert one.status == "cut off"
    assert one.counted_s < 50


def test_an_arm_that_fails_is_tried_again(make, tmp_path, capsys):
    work = Work(folder=tmp_path / "work")
    arms = [make("a", "fails"), make("b")]
    assert [one.arm for one in measure_arms("try", arms, work)] == ["b"]
    assert "broken on purpose" in capsys.readouterr().err
    measure_arms("try", arms, work)
    assert log(tmp_path) == "aba"
    with pytest.raises(SystemExit, match="No arm of try ran to its end"):
        measure_arms("try", arms[:1], work)


def test_a_line_that_was_cut_short_is_left_out_and_the_next_one_kept(make, tmp_path):
    arm = make("a")
    (one,) = measure_arms("try", [arm], Work(folder=tmp_path / "work"))
    path = tmp_path / "lines.jsonl"
    append(path, one)
    path.write_text(path.read_text() + '{"benchmark": "tr')
    append(path, replace(one, seconds=1.0))
    assert [found.seconds for found in read(path)] == [one.seconds, 1.0]
    assert known(read(path), "try", [arm])["a", 0].seconds == 1.0
    assert known(read(path), "other", [arm]) == {}
    assert json.loads(path.read_text().splitlines()[0])["arm"] == "a"


def test_pins_are_read_with_their_markers(monkeypatch):
    text = 'Some_Tool==1.2\ncuda-x==3 ; sys_platform == "linux"\n# words\n'
    monkeypatch.setattr("sys.platform", "darwin")
    assert pins(text) == {"some-tool": "1.2"}


def test_an_environment_with_other_packages_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.peers.environments.installed", lambda _: {"keras": "0.1"})
    work = Work(folder=tmp_path / "work", given={"keras": tmp_path})
    with pytest.raises(SystemExit, match="has other packages than keras.txt"):
        work.python("keras")
