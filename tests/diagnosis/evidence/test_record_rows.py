"""A record stays small, however long a training is."""

from hubel.diagnosis.evidence.record import EARLY_STEPS, MOST_STEPS, Record, StepRow


def filled(updates: int) -> Record:
    record = Record()
    for step in range(1, updates + 1):
        record.add_step(StepRow(step=step, pass_number=1, loss=1.0, lr=0.1, pictures=1))
    return record


def test_all_updates_of_a_training_of_usual_length_are_kept():
    record = filled(MOST_STEPS)
    assert [row.step for row in record.steps] == list(range(1, MOST_STEPS + 1))
    assert record.step_every == 1


def test_long_trainings_are_thinned_evenly_behind_their_beginning():
    record = filled(5 * MOST_STEPS)
    kept = [row.step for row in record.steps]
    assert len(kept) <= MOST_STEPS
    assert record.step_every == 8
    assert kept[:EARLY_STEPS] == list(range(1, EARLY_STEPS + 1))
    late = kept[EARLY_STEPS:]
    assert late == list(range(EARLY_STEPS + 8, 5 * MOST_STEPS + 1, 8))
