"""Rules that every page keeps: order of headings, one script, names for ears and keys, limits."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from hubel.report import render_inspection, render_run
from hubel.results.files import write_json

VOID = {"meta", "link", "img", "input", "br"}
EVIL = "<script>alert('x')</script>\"'&{{ 7*7 }}"
KINDS = ["classification", "hundred", "multilabel", "regression", "interrupted"]


class Page(HTMLParser):
    """Reads a page: tags balanced, text, links, scripts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.text, self.open, self.ids, self.anchors = text, [], [], []
        self.scripts, self.words, self.headings, self.elements = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.elements.append((tag, known))
        assert not any(name.startswith("on") for name in known), f"inline handler on {tag}"
        if "id" in known:
            self.ids.append(known["id"])
        if tag == "a":
            self.anchors.append(known["href"])
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    def says(self, part):
        return part in re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def pages(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    made = {kind: render_run(getattr(samples, kind)(folder / f"{kind}-1")) for kind in KINDS}
    made["inspection"] = render_inspection(*samples.troubled())
    return made


@pytest.mark.parametrize("kind", [*KINDS, "inspection"])
def test_the_page_is_well_formed(pages, kind):
    page = Page(pages[kind])
    assert pages[kind].startswith("<!doctype html>")
    assert len(page.ids) == len(set(page.ids))
    assert page.headings.count(1) == 1
    assert page.headings[0] == 1
    steps = zip(page.headings, page.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)
    for anchor in page.anchors:
        assert anchor.startswith("#")
        assert anchor[1:] in page.ids


@pytest.mark.parametrize("kind", [*KINDS, "inspection"])
def test_only_the_named_script_may_run(pages, kind):
    page = Page(pages[kind])
    assert len(page.scripts) == 1
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    policy = next(k["content"] for t, k in page.elements if k.get("http-equiv"))
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "localStorage" not in page.scripts[0]


@pytest.mark.parametrize("kind", [*KINDS, "inspection"])
def test_the_page_can_be_heard_and_driven_by_keys(pages, kind):
    page = Page(pages[kind])
    for tag, known in page.elements:
        if tag == "img":
            assert "alt" in known
        if tag == "svg":
            assert known.get("aria-hidden") == "true" or known.get("aria-label")
        if "scroll" in (known.get("class") or "").split():
            assert known["tabindex"] == "0"
            assert known["aria-label"]
    themes = [k["id"] for t, k in page.elements if t == "input" and k["type"] == "radio"]
    assert themes == ["theme-auto", "theme-light", "theme-dark"]


def test_a_run_that_has_only_a_plan_says_so(samples, tmp_path):
    run = samples.interrupted(tmp_path / "run", done=0)
    run.stage_file("data").unlink()
    run.options_file.unlink()
    page = Page(render_run(run))
    assert page.says("The training has not finished its first pass.")
    assert page.says("This run holds no inspection of its data.")
    assert page.says("The run holds no options.toml.")
    assert page.says("hubel data SOURCE")


def test_a_finished_run_without_evaluation_names_the_command(samples, tmp_path):
    run = samples.classification(tmp_path / "a run's folder", epochs=3)
    run.stage_file("evaluate").unlink()
    write_json(run.stage_file("train"), samples.training(samples.rows(3)))
    page = Page(render_run(run))
    assert page.says("Trained, not yet measured.")
    assert page.says("hubel evaluate '" + str(run.path).replace("'", "'\"'\"'") + "'")
    write_json(run.stage_file("train"), samples.training(samples.rows(3), samples.evaluation()))
    assert Page(render_run(run)).says("Right on 98.9% of 360 test pictures it had never seen.")


def test_pictures_seen_in_training_take_the_praise_away(samples, tmp_path):
    run = samples.classification(tmp_path / "run", epochs=2)
    write_json(run.stage_file("evaluate"), replace(samples.evaluation(), seen_in_training=36))
    page = Page(render_run(run))
    assert not page.says("it had never seen")
    assert page.says("36 of the 360 pictures measured here (10.0%) show, pixel for pixel")
    write_json(run.stage_file("evaluate"), replace(samples.evaluation(), split="train"))
    page = Page(render_run(run))
    assert page.says("Right on 98.9% of 360 training pictures.")
    assert page.says("For an honest number:")


def test_losses_that_are_no_numbers_are_named(samples, tmp_path):
    table = list(samples.rows(5))
    table[3] = replace(table[3], train_loss=float("nan"), train_score=float("nan"))
    run = samples.interrupted(tmp_path / "run", done=5)
    samples.write_log(run, tuple(table))
    page = Page(render_run(run))
    assert page.says("The training loss of pass 4 is not a number")
    assert "NaN" not in re.sub(r"Number\.isNaN", "", page.text)


def evil_run(samples, folder):
    """A run in which everything that a person can name is an attack."""
    base = samples.evaluation()
    names = (EVIL, *samples.WORDS[1:])
    renamed = tuple(replace(s, name=EVIL) if i == 0 else s for i, s in enumerate(base.per_class))
    mistake = replace(base.worst[0], key=EVIL, path=EVIL, truth=EVIL, answer=EVIL, thumbnail=EVIL)
    evaluated = replace(
        base,
        classes=names,
        per_class=renamed,
        source=EVIL,
        worst=(mistake,),
        most_confused=((EVIL, EVIL, 3),),
        undecodable=(EVIL,),
        provenance=replace(base.provenance, command=EVIL, processor=EVIL),
    )
    finding = replace(
        samples.FINDINGS[0], what=EVIL, where=(EVIL,), evidence=EVIL, remedy=EVIL, threshold=EVIL
    )
    data = samples.inspection(
        source=EVIL, undecodable=(EVIL,), findings=(finding,), formats={EVIL: 1}
    )
    data = replace(data, classes=(replace(data.classes[0], name=EVIL), *data.classes[1:]))
    table = samples.rows(3)
    run = samples.write(
        folder,
        frozen=samples.plan(3, evil=EVIL),
        table=table,
        data=data,
        model=samples.card(classes=names),
        trained=samples.training(table, evaluated, model=EVIL),
        evaluated=evaluated,
    )
    run.options_file.write_text(f"# {EVIL}\n[{json.dumps(EVIL)}]\n", encoding="utf-8")
    return run, data


def test_everything_that_people_name_is_inert(samples, tmp_path):
    run, data = evil_run(samples, tmp_path / "<b onload=x>")
    for text in (render_run(run), render_inspection(data, {EVIL: EVIL})):
        page = Page(text)
        assert len(page.scripts) == 1
        assert "<script>alert" not in text
        assert page.says(EVIL)
        assert "49" not in {word.strip() for word in page.words}
        assert not any(k.get("src", "data:").count("alert") for _, k in page.elements)
        assert "onload=x>" not in text


def test_damaged_options_are_shown_as_they_are(samples, tmp_path):
    run = samples.interrupted(tmp_path / "run", done=2)
    run.options_file.write_text("epochs = = 3")
    page = Page(render_run(run))
    assert page.says("options.toml was damaged or edited")
    assert page.says("epochs = = 3")
    run.options_file.write_bytes(b"\xff\xfe")
    assert Page(render_run(run)).says("options.toml cannot be read")


def test_long_lists_are_cut_and_what_is_left_out_is_said(samples, tmp_path):
    names = tuple(f"species {i}" for i in range(260))
    counts = [[4 if i == j else int(j == i + 1) for j in range(260)] for i in range(260)]
    base = samples.evaluation()
    score = base.per_class[0]
    evaluated = replace(
        base,
        classes=names,
        confusion=tuple(map(tuple, counts)),
        per_class=tuple(replace(score, name=n, f1=i / 260) for i, n in enumerate(names)),
        worst=base.worst * 3,
    )
    finding = samples.FINDINGS[1]
    data = samples.inspection(
        classes=tuple(replace(samples.inspection().classes[0], name=n) for n in names),
        undecodable=tuple(f"{n}.jpg: empty" for n in names),
        findings=(finding,) * 130,
    )
    table = samples.rows(90)
    run = samples.write(
        tmp_path / "run",
        frozen=samples.plan(90),
        table=table,
        data=data,
        model=samples.card(classes=names),
        trained=samples.training(table),
        evaluated=evaluated,
    )
    page = Page(render_run(run))
    assert page.says("The 200 weakest of 260")
    assert page.says("160 are left out. Shares are of the row drawn.")
    assert page.says("24 more stand in evaluate.json.")
    assert page.says("The 30 largest and the 30 smallest of 260")
    assert page.says("60 more stand in data.json.")
    assert page.says("30 more stand in data.json.")
    assert page.says("and 10 more")
    assert page.says("One pass in 2 and the last; all stand in log.csv.")
    assert page.text.count('<li class="finding">') == 100


def test_defaults_that_nobody_set_are_folded_away(samples, tmp_path):
    run = samples.interrupted(tmp_path / "run", done=2)
    plan = samples.plan()
    choices = (*plan.choices, replace(plan.choices[0], name="l1", chosen_by="default"))
    write_json(run.plan_file, replace(plan, choices=choices))
    text = render_run(run)
    assert "<summary>Left at the default (1)</summary>" in text
    assert "<h3>Left at the default</h3>" not in text
    assert "<h3>Set by you</h3>" in text


def test_an_evaluation_of_other_pictures_names_them(samples, tmp_path):
    run = samples.classification(tmp_path / "run", epochs=2)
    write_json(run.stage_file("evaluate"), replace(samples.evaluation(), source="scans"))
    assert Page(render_run(run)).says("of 360 test pictures of scans it had never seen.")


def test_small_thumbnails_keep_their_pixels_and_others_are_smoothed(samples, tmp_path):
    run = samples.classification(tmp_path / "run", epochs=2)
    base = samples.evaluation()
    for side in (8, 33):
        buffer = io.BytesIO()
        Image.new("L", (side, 4)).save(buffer, format="PNG")
        thumbnail = base64.b64encode(buffer.getvalue()).decode()
        worst = (replace(base.worst[0], thumbnail=thumbnail),)
        write_json(run.stage_file("evaluate"), replace(base, worst=worst))
        assert ('class="tiny"' in render_run(run)) == (side == 8)
