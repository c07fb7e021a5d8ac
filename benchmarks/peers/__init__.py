"""hubel's peers: their own environments, arms that take turns, and what was measured of each."""

from benchmarks.peers.arms import Arm, Measurement, turns
from benchmarks.peers.environments import Work, add_work_arguments, open_work
from benchmarks.peers.taking_turns import measure_arms

__all__ = ["Arm", "Measurement", "Work", "add_work_arguments", "measure_arms", "open_work", "turns"]
