"""`hubel report`: where the page goes, and what is said when it cannot go there."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from hubel.errors import RunError, UsageError
from hubel.options import ReportOptions
from hubel.results import Run
from hubel.workflows.report import write_report


@pytest.fixture(scope="module")
def samples() -> ModuleType:
    """The sample runs of the report's own tests."""
    place = Path(__file__).parents[1] / "report" / "samples.py"
    spec = importlib.util.spec_from_file_location("hubel_report_samples_for_workflows", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_stands_in_the_run_folder(samples: ModuleType, tmp_path: Path) -> None:
    run = samples.interrupted(tmp_path / "run")
    path = write_report(str(tmp_path / "run"))
    assert path == run.report_file == tmp_path / "run" / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_page_goes_where_it_is_asked_to(samples: ModuleType, tmp_path: Path) -> None:
    run: Run = samples.interrupted(tmp_path / "run")
    wanted = tmp_path / "elsewhere.html"
    assert write_report(run, out=wanted) == wanted
    assert write_report(run, options=ReportOptions(out=wanted)) == wanted
    assert wanted.read_bytes().endswith(b"</html>")
    assert not run.report_file.exists()


def test_a_second_page_takes_the_place_of_the_first(samples: ModuleType, tmp_path: Path) -> None:
    run = samples.interrupted(tmp_path / "run")
    run.report_file.write_text("old")
    write_report(run)
    assert run.report_file.read_text(encoding="utf-8") != "old"


def test_a_place_that_cannot_be_written_is_named(samples: ModuleType, tmp_path: Path) -> None:
    samples.interrupted(tmp_path / "run")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"Could not write .*file/page\.html: .*--out"):
        write_report(tmp_path / "run", out=tmp_path / "file" / "page.html")


def test_a_folder_in_the_way_is_named(samples: ModuleType, tmp_path: Path) -> None:
    samples.interrupted(tmp_path / "run")
    (tmp_path / "page.html").mkdir()
    with pytest.raises(RunError, match=r"Could not write .*page\.html"):
        write_report(tmp_path / "run", out=tmp_path / "page.html")


def test_where_there_is_no_run_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no run folder"):
        write_report(tmp_path / "nothing")
    with pytest.raises(UsageError, match="it has no plan.json"):
        write_report(tmp_path)


def test_a_damaged_result_is_named(samples: ModuleType, tmp_path: Path) -> None:
    run = samples.classification(tmp_path / "run")
    run.stage_file("evaluate").write_text("{")
    with pytest.raises(RunError, match=r"evaluate\.json is damaged"):
        write_report(run)
