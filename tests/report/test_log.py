"""Reading log.csv: whole, cut off, damaged, absent; which of log and train.json is believed."""

from __future__ import annotations

import math

import pytest

from hubel.errors import RunError
from hubel.report.log import passes, read_log
from hubel.results import Run


@pytest.fixture
def run(tmp_path, samples):
    run = Run(tmp_path)
    samples.write_log(run, samples.rows(5, val=False))
    return run


def test_rows_come_back_as_written(run, samples):
    log = read_log(run)
    assert [row.epoch for row in log.rows] == [1, 2, 3, 4, 5]
    assert log.rows[2].lr == samples.rows(5)[2].lr
    assert math.isnan(log.rows[0].val_loss)
    assert not log.cut_off


def test_no_file_and_an_empty_file_have_no_rows(tmp_path):
    run = Run(tmp_path)
    assert read_log(run).rows == ()
    run.log_file.write_text("")
    assert read_log(run).rows == ()


@pytest.mark.parametrize("keep", [3, 20, 45])
def test_a_last_line_that_was_cut_off_is_left_out_and_said(run, keep):
    lines = run.log_file.read_text().splitlines()
    run.log_file.write_text("\n".join([*lines[:-1], lines[-1][:keep]]))
    log = read_log(run)
    assert len(log.rows) == 4
    assert log.cut_off


def test_a_damaged_line_in_the_middle_is_an_error_that_names_it(run):
    lines = run.log_file.read_text().splitlines()
    lines[2] = lines[2].replace("2,", "two,", 1)
    run.log_file.write_text("\n".join(lines))
    with pytest.raises(RunError, match=r"log\.csv is damaged or was edited: line 3: .*'two'"):
        read_log(run)


def test_a_missing_column_is_an_error_that_names_it(run):
    run.log_file.write_text(run.log_file.read_text().replace("train_loss", "loss", 1))
    with pytest.raises(RunError, match=r"log\.csv has no column 'train_loss'"):
        read_log(run)


def test_a_file_that_is_no_text_is_an_error(run):
    run.log_file.write_bytes(b"\xff\xfe\x00epoch")
    with pytest.raises(RunError, match=r"Could not read .*log\.csv"):
        read_log(run)


def test_the_log_is_believed_where_it_knows_more_than_train_json(run, samples):
    three = samples.training(samples.rows(3))
    assert len(passes(run, three).rows) == 5
    six = samples.training(samples.rows(6))
    assert len(passes(run, six).rows) == 6
    assert len(passes(run, None).rows) == 5
