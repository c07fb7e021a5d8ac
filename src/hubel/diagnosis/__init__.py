"""The doctor: what is wrong with a training, how that is known, and what cures it.

`evidence` holds what was measured, `watching` measures it while a training runs, `trials` are
active tests on copies of the network, `symptoms` read all of that against `thresholds`, `causes`
tells which symptom brings about which, and `examination` joins them into a `Diagnosis`.
"""
