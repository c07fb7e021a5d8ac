"""The page about a run: every kind of run renders, says what it must, and stands alone."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hubel.errors import RunError
from hubel.report import render_run
from hubel.results import ClassCount, Run
from hubel.results.files import write_json

HOSTILE = "<script>alert(1)</script>"
KINDS = ("classification", "hundred", "multilabel", "regression", "interrupted")


@pytest.fixture
def page(samples: ModuleType, parse: Callable[[str], Any], tmp_path: Path) -> Callable[..., Any]:
    """Makes a sample run, lets a test change it, and parses its page."""

    def make(kind: str, change: Callable[[Run], None] | None = None, **settings: Any) -> Any:
        run = getattr(samples, kind)(tmp_path / "the run", **settings)
        if change is not None:
            change(run)
        return parse(render_run(run))

    return make


def evaluated(**changes: Any) -> Callable[[Run], None]:
    """Changes what was measured."""

    def change(run: Run) -> None:
        result = run.evaluation()
        assert result is not None
        write_json(run.stage_file("evaluate"), replace(result, **changes))

    return change


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_is_one_page_that_asks_for_nothing(
    page: Callable[..., Any], kind: str
) -> None:
    made = page(kind)
    assert made.requests() == []
    assert "default-src 'none'" in made.html
    assert len(made.scripts()) == 1
    assert len(made.html) < 700_000
    assert "nan" not in made.text.lower().replace("finance", "").split()
    assert "None" not in made.text


@pytest.mark.parametrize("kind", KINDS)
def test_links_within_the_page_lead_somewhere(page: Callable[..., Any], kind: str) -> None:
    made = page(kind)
    ids = [value for _, name, value in made.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = [v[1:] for _, name, v in made.attributes if name == "href" and v.startswith("#")]
    assert links
    assert set(links) <= set(ids)


def test_the_verdict_says_accuracy_interval_and_what_guessing_gives(
    page: Callable[..., Any], samples: ModuleType
) -> None:
    text = page("classification").text
    result = samples.evaluation()
    right = sum(result.confusion[i][i] for i in range(10))
    share = f"{100 * right / result.pictures:.1f}%"
    assert f"Right on {share} of 360 test pictures it had never seen." in text
    accuracy = result.test["accuracy"]
    assert f"The 95% interval is {accuracy.low * 100:.1f}–{accuracy.high * 100:.1f}%." in text
    most = max(map(sum, result.confusion)) / 360
    assert f"right {most * 100:.1f}% of the time" in text


def test_the_class_table_holds_every_class_weakest_first(
    page: Callable[..., Any], samples: ModuleType
) -> None:
    html = page("classification").html
    table = html[html.index('id="classes"') : html.index('id="confusion"')]
    names = re.findall(r'<th scope="row" data-key="([^"]*)"', table)
    scores = {s.name: s.f1 for s in samples.evaluation().per_class}
    assert sorted(names) == sorted(scores)
    assert [scores[n] for n in names] == sorted(scores.values())


def test_mistakes_show_picture_answer_truth_and_place(
    page: Callable[..., Any], samples: ModuleType
) -> None:
    made = page("classification")
    for mistake in samples.evaluation().worst:
        assert f"data:image/png;base64,{mistake.thumbnail}" in made.html
        assert mistake.key in made.text
    assert "The worst mistakes" in made.text


def test_without_a_wrong_answer_no_picture_is_called_a_mistake(
    page: Callable[..., Any], samples: ModuleType
) -> None:
    right = tuple(replace(m, answer=m.truth) for m in samples.evaluation().worst)
    text = page("classification", evaluated(worst=right)).text
    assert "The hardest pictures" in text
    assert "mistakes" not in text.lower().split("findings")[0]
    assert "The answers are right" in text


def test_pictures_seen_in_training_are_a_grave_warning(page: Callable[..., Any]) -> None:
    made = page("classification", evaluated(seen_in_training=90))
    assert (
        "90 of the 360 pictures measured here (25.0%) show, pixel for pixel, what the" in made.text
    )
    assert 'class="gap grave"' in made.html
    assert "it had never seen" not in made.text


def test_clean_test_pictures_raise_no_such_warning(page: Callable[..., Any]) -> None:
    made = page("classification")
    assert "pixel for pixel" not in made.text
    assert 'class="gap grave"' not in made.html


def test_a_threshold_that_nothing_reaches_is_said_in_words(
    page: Callable[..., Any], samples: ModuleType
) -> None:
    rule = replace(samples.evaluation().unknown, threshold=1.5, answered_share=0.0)
    text = page("classification", evaluated(unknown=rule)).text
    assert "nothing is answered: every picture is “unknown”" in text
    assert "150" not in text.split("When it answers")[1].split("What was found")[0]


def test_a_threshold_in_reach_is_said_with_what_it_costs(page: Callable[..., Any]) -> None:
    text = page("classification").text
    assert "is below 61.4% , the answer" in text.replace("61.4%,", "61.4% ,")
    assert "97.2% of the pictures get an answer, and 0.9% of these answers are wrong" in text


def test_a_threshold_of_zero_answers_everything(
    page: Callable[..., Any], samples: ModuleType
) -> None:
    rule = replace(samples.evaluation().unknown, threshold=0.0, error_among_answered=0.004)
    assert (
        "Every picture gets an answer: even so, 0.4%"
        in page("classification", evaluated(unknown=rule)).text
    )


def test_labels_have_no_probability_in_common(
    page: Callable[..., Any], samples: ModuleType
) -> None:
    base = samples.evaluation().worst[0]
    worst = (replace(base, truth="even;prime", answer="", probability=0.31),)
    text = page("multilabel", evaluated(worst=worst)).text
    assert "no label truth: even, prime" in text
    assert "31.0%" not in text
    assert "Mean average precision of 93.4% on 360 test pictures." in text


def test_a_regression_is_said_in_its_own_units(page: Callable[..., Any]) -> None:
    text = page("regression").text
    assert "Off by" in text
    assert "The largest errors" in text
    assert "scaled to a standard deviation of 1" in text
    assert "Confusion matrix" not in text


def test_an_interrupted_run_says_how_to_go_on(page: Callable[..., Any], tmp_path: Path) -> None:
    text = page("interrupted").text
    assert "Not finished: 12 of 30 passes are done." in text
    assert f"hubel train --resume '{tmp_path}/the run'" in text
    assert "There is nothing to evaluate until the training has ended." in text


def test_a_run_that_was_not_evaluated_says_so(page: Callable[..., Any]) -> None:
    text = page("classification", lambda run: run.stage_file("evaluate").unlink()).text
    assert "The network was not evaluated" in text
    assert "hubel evaluate" in text


def test_a_run_without_inspection_says_so(page: Callable[..., Any]) -> None:
    text = page("classification", lambda run: run.stage_file("data").unlink()).text
    assert "This run holds no inspection of its data." in text


def test_without_a_validation_split_there_is_no_line_for_it(
    page: Callable[..., Any], samples: ModuleType
) -> None:
    def change(run: Run) -> None:
        table = samples.rows(5, val=False)
        samples.write_log(run, table)
        write_json(run.stage_file("train"), samples.training(table, best_epoch=0))

    made = page("classification", change)
    assert "There is no validation split" in made.text
    assert 'class="line val"' not in made.html
    assert 'class="line train"' in made.html


@pytest.mark.parametrize("epochs", [1, 2, 1000])
def test_trainings_of_any_length_render(page: Callable[..., Any], epochs: int) -> None:
    made = page("classification", epochs=epochs)
    assert f"{epochs:,} pass" in made.text
    assert len(made.html) < 700_000


def test_a_log_without_times_or_losses_renders(
    page: Callable[..., Any], samples: ModuleType
) -> None:
    def change(run: Run) -> None:
        blank = float("nan")
        samples.write_log(
            run,
            tuple(
                replace(row, train_loss=blank, val_loss=blank, val_score=blank,
                        train_score=blank, waiting_share=blank)
                for row in samples.rows(3)
            ),
        )  # fmt: skip

    text = page("interrupted", change).text
    assert "The training loss of passes 1, 2, 3 is not a number" in text
    assert "waited for pictures" not in text


def test_a_run_of_one_class_renders(page: Callable[..., Any], samples: ModuleType) -> None:
    result = samples.evaluation()
    one = evaluated(
        classes=("zero",), confusion=((36,),), per_class=result.per_class[:1], most_confused=(),
        worst=(), pictures=36, calibration=None, unknown=None,
    )  # fmt: skip
    text = page("classification", one).text
    assert "No picture of this split was taken for another class." in text
    assert "How far to believe it" not in text


def test_hostile_names_are_inert(page: Callable[..., Any], samples: ModuleType) -> None:
    path = "/data/a \"b\" 'c' onerror=alert(1)/<img src=x>.png"

    def change(run: Run) -> None:
        result = samples.evaluation()
        names = (HOSTILE, *result.classes[1:])
        worst = tuple(replace(m, truth=HOSTILE, path=path) for m in result.worst)
        scores = (replace(result.per_class[0], name=HOSTILE), *result.per_class[1:])
        evaluated(
            classes=names, worst=worst, per_class=scores, source=path,
            most_confused=((HOSTILE, "one", 3),),
        )(run)  # fmt: skip
        row = ClassCount(name=HOSTILE, total=3, train=1, val=1, test=1)
        seen = samples.inspection(source=path)
        seen = replace(
            seen, classes=(row, *seen.classes[1:]), undecodable=(f"{path}: {HOSTILE}",),
            findings=tuple(replace(f, what=HOSTILE, where=(path,)) for f in seen.findings),
        )  # fmt: skip
        write_json(run.stage_file("data"), seen)
        run.options_file.write_text(f"source = '''{HOSTILE}'''\n")

    made = page("classification", change)
    assert len(made.scripts()) == 1
    assert HOSTILE not in made.html
    assert HOSTILE in made.text
    assert path in made.text
    assert not [a for a in made.attributes if a[1].startswith("on")]
    assert made.requests() == []


def test_a_thumbnail_that_is_no_png_is_not_embedded(
    page: Callable[..., Any], samples: ModuleType
) -> None:
    worst = tuple(
        replace(m, thumbnail=bad)
        for m, bad in zip(
            samples.evaluation().worst, ['"><script>', "PHN2Zz4=", "", "%%%"], strict=False
        )
    )
    made = page("classification", evaluated(worst=worst))
    assert made.text.count("no thumbnail") == 4
    assert "PHN2Zz4=" not in made.html


def test_settings_stand_with_who_chose_them_and_why(page: Callable[..., Any]) -> None:
    text = page("classification").text
    assert "Set by you" in text
    assert "epochs 30 --epochs" in text
    assert "measured: bfloat16 is 1.4 times slower here" in text


@pytest.mark.parametrize(
    ("revisions", "said"),
    [
        ([], "frozen before the first step."),
        ([[90, 400]], "revised once"),
        ([[1, 2]] * 3, "3 times"),
    ],
)
def test_a_budget_that_revised_its_plan_says_so(
    page: Callable[..., Any], samples: ModuleType, revisions: list[list[int]], said: str
) -> None:
    plan = samples.plan(revisions=revisions)
    assert said in page("classification", lambda run: write_json(run.plan_file, plan)).text


def test_memory_that_ran_out_is_told(page: Callable[..., Any], samples: ModuleType) -> None:
    plan = samples.plan(halvings=[[11, 32]], validation_halvings=[[40, 64]])
    text = page("classification", lambda run: write_json(run.plan_file, plan)).text
    assert "in step 12: from there on at most 32 pictures went through the network" in text
    assert "in the validation after step 40: from there on at most 64 pictures" in text


def test_undone_steps_are_told(page: Callable[..., Any]) -> None:
    def change(run: Run) -> None:
        training = run.training()
        assert training is not None
        write_json(run.stage_file("train"), replace(training, undone=2))

    assert "2 steps had a loss or a gradient that was not" in page("classification", change).text


def test_the_page_says_how_to_do_it_again(page: Callable[..., Any], samples: ModuleType) -> None:
    text = page("classification").text
    assert samples.PROVENANCE.command in text
    assert samples.PROVENANCE.data_digest in text
    assert "hubel train digits --config" in text


def test_a_log_that_was_cut_off_loses_its_last_line_only(page: Callable[..., Any]) -> None:
    def change(run: Run) -> None:
        whole = run.log_file.read_text()
        run.log_file.write_text(whole[: whole.rstrip().rindex(",") - 9])

    text = page("interrupted", change).text
    assert "The last line of log.csv was cut off" in text
    assert "11 of 30 passes are done" in text


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace("val_loss", "loss"), r"has no column 'val_loss'"),
        (lambda text: text.replace("\n1,", "\none,"), r"log\.csv is damaged .*: line 2: "),
    ],
)
def test_a_damaged_log_is_named(
    page: Callable[..., Any], damage: Callable[[str], str], message: str
) -> None:
    def change(run: Run) -> None:
        run.log_file.write_text(damage(run.log_file.read_text()))

    with pytest.raises(RunError, match=message):
        page("interrupted", change)


def test_a_log_that_is_no_text_is_named(page: Callable[..., Any]) -> None:
    with pytest.raises(RunError, match=r"Could not read .*log\.csv"):
        page("interrupted", lambda run: run.log_file.write_bytes(b"\xff\xfe\x00") and None)
