"""`hubel.write_report`: where the page goes, and what stands in its way."""

from __future__ import annotations

import pytest

from hubel.errors import RunError, UsageError
from hubel.results import Run
from hubel.results.files import write_json
from hubel.results.plan import Plan
from hubel.workflows.report import write_report


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    run = Run(folder)
    write_json(run.plan_file, Plan(choices=()))
    return run


def test_the_page_goes_into_the_run(run):
    path = write_report(run.path)
    assert path == run.report_file
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [p.name for p in run.path.iterdir() if p.suffix == ".tmp"] == []


def test_or_where_out_says(run, tmp_path):
    wanted = tmp_path / "elsewhere.html"
    assert write_report(str(run.path), out=wanted) == wanted
    assert wanted.is_file()
    assert not run.report_file.exists()


def test_an_old_page_is_replaced(run):
    run.report_file.write_text("old")
    write_report(run)
    assert "old" != run.report_file.read_text(encoding="utf-8")


def test_a_folder_where_the_page_should_go_is_an_error_that_leaves_nothing_behind(run, tmp_path):
    folder = tmp_path / "taken.html"
    folder.mkdir()
    with pytest.raises(RunError, match=r"Could not write .*taken\.html"):
        write_report(run, out=folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "taken.html"]


@pytest.mark.parametrize("parent", ["missing", "file"])
def test_a_target_that_cannot_be_is_an_error(run, tmp_path, parent):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RunError, match=r"Could not write .*page\.html"):
        write_report(run, out=tmp_path / parent / "page.html")


def test_no_run_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="There is no run folder"):
        write_report(tmp_path / "nowhere")


def test_an_unknown_option_is_a_usage_error(run):
    with pytest.raises(UsageError, match="There is no option 'outt'"):
        write_report(run, outt="x.html")
