"""Tables: classes, several labels, numbers, splits, groups, and every way to be wrong."""

import builtins

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from hubel.data.source import TEST, TRAIN, UNSPLIT, VAL
from hubel.data.table import open_table
from hubel.errors import MissingExtraError, SourceError


@pytest.fixture
def table(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg", "sub/d.jpg"):
        (tmp_path / name).write_bytes(b"")

    def write(text, name="list.csv", encoding="utf-8"):
        (tmp_path / name).write_text(text, encoding=encoding)
        return open_table(tmp_path / name, "list")

    return write


def test_classes(table, tmp_path):
    source = table("path,label\nb.jpg,dog\n a.jpg , cat \nsub/d.jpg,dog\n")
    index = source.index
    assert index.task == "classification"
    assert index.keys == ["b.jpg", "a.jpg", "sub/d.jpg"]
    assert index.classes == ("cat", "dog")
    assert index.labels.tolist() == [1, 0, 1]
    assert index.splits.tolist() == [UNSPLIT] * 3
    assert index.groups is None
    assert source.read(2) == tmp_path / "sub/d.jpg"


def test_absolute_paths_tabs_byte_order_mark_and_blank_lines(table, tmp_path):
    text = f"Path\tLabel\n{tmp_path}/a.jpg\t1\n\nb.jpg\t10\n\t\nc.jpg\t9\n"
    index = table(text, "list.tsv", "utf-8-sig").index
    assert index.classes == ("1", "9", "10")
    assert index.labels.tolist() == [0, 2, 1]


def test_several_labels(table):
    index = table("path,label\na.jpg,red; round\nb.jpg,round\nc.jpg,;\n").index
    assert index.task == "multilabel"
    assert index.classes == ("red", "round")
    assert index.labels.tolist() == [[1, 1], [0, 1], [0, 0]]
    assert index.labels.dtype == np.uint8


def test_one_target(table):
    index = table("path,target\na.jpg,1.5\nb.jpg,-2e3\n").index
    assert index.task == "regression"
    assert index.classes == ("target",)
    assert index.labels.tolist() == [[1.5], [-2000.0]]
    assert index.labels.dtype == np.float32


def test_several_targets(table):
    index = table("path,target_age,target:height\na.jpg,1,2\nb.jpg,3,4\n").index
    assert index.classes == ("age", "height")
    assert index.labels.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_neither_label_nor_target(table):
    index = table("path\na.jpg\nb.jpg\n").index
    assert index.task == "unlabelled"
    assert index.labels.tolist() == [-1, -1]


def test_splits_and_groups(table):
    index = table(
        "path,label,split,group\na.jpg,x,Train,p1\nb.jpg,y,,\nc.jpg,x,test,p1\nsub/d.jpg,y,valid,\n"
    ).index
    assert index.splits.tolist() == [TRAIN, UNSPLIT, TEST, VAL]
    groups = index.groups.tolist()
    assert groups[0] == groups[2]
    assert len(set(groups)) == 3


def test_parquet(table, tmp_path):
    columns = {"path": ["a.jpg", "b.jpg"], "label": [["x", "y"], []], "split": ["train", None]}
    parquet.write_table(pa.table(columns), tmp_path / "list.parquet")
    index = open_table(tmp_path / "list.parquet", "list").index
    assert index.task == "multilabel"
    assert index.labels.tolist() == [[1, 1], [0, 0]]
    assert index.splits.tolist() == [TRAIN, UNSPLIT]


def test_rows_of_parquet_count_from_one(table, tmp_path):
    columns = {"path": ["a.jpg", "b.jpg"], "target": [1.0, None]}
    parquet.write_table(pa.table(columns), tmp_path / "list.parquet")
    with pytest.raises(SourceError, match="row 2 does not"):
        open_table(tmp_path / "list.parquet", "list")


def test_parquet_that_is_none(table):
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        table("path,label\n", "list.parquet")


def test_parquet_without_pyarrow(table, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"Reading list needs the extra \[tables\]"):
        open_table(tmp_path / "list.parquet", "list")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "list is empty: expected a first row such as path,label"),
        ("path;label\na.jpg;cat\n", "parted by ';': part them by ','"),
        ("path,label\n", "no rows below its first"),
        ("path,path\na.jpg,x\n", "two columns called 'path'"),
        ("file,label\na.jpg,x\n", "no column 'path': its columns are file and label"),
        ("path,label,target\na.jpg,x,1\n", "column 'label' and a column 'target'"),
        ("path,target_x,target:x\na.jpg,2,1\n", "Two target columns .* the same name"),
        ("path,labels\na.jpg,x\n", "column 'labels': did you mean label"),
        ("path,label,Splits\na.jpg,x,train\n", "column 'splits': did you mean split"),
        ('path,label\na.jpg,"x\n', "cannot be read as a table"),
        ("path,label\na.jpg,x,y\nb.jpg\nc.jpg,z\n", r"2 rows \(2 and 3\) of list have another"),
        ("path,label\na.jpg,x\n,y\n", "path is missing in row 3"),
        ("path,label\na.jpg,x\n\nb.jpg,\nc.jpg,\n", r"label is missing in 2 rows \(4 and 5\)"),
        ("path,label\na.jpg,x\nb.jpg,;\n", None),
        ("path,label\na.jpg,;\nb.jpg,;\n", "No row of list names a label"),
        ("path,label\na.jpg,x\n./a.jpg,y\n", "Rows 2 and 3 of list name the same picture 'a.jpg'"),
        ("path,label\nno.jpg,x\na.jpg,y\nsub,z\n", "2 of the 3 paths in list are no files "),
        ("path,label\nno.jpg,x\na.jpg,y\n", r"1 of the 2 .* is no file \(row 2: 'no.jpg'\)"),
        (
            "path,target\na.jpg,1\nb.jpg,inf\nc.jpg,big\n",
            r"2 rows \(3 and 4\) do not \(first: 'inf",
        ),
        ("path,target\na.jpg,1e39\n", "row 2 does not"),
        ("path,label,split\na.jpg,x,train\nb.jpg,y,dev2\n", "row 3 of list says something else"),
        ("path,label\na.jpg,Cat\nb.jpg,cat\n", "differ only in case: 'Cat' and 'cat'"),
    ],
)
def test_what_is_wrong_is_said(table, text, message):
    if message is None:
        assert table(text).index.task == "multilabel"
        return
    with pytest.raises(SourceError, match=message):
        table(text)


def test_another_encoding(table):
    with pytest.raises(SourceError, match="not UTF-8 text"):
        table("path,label\na.jpg,Bär\n", encoding="latin-1")


def test_many_rows_are_counted_and_the_first_named(table):
    lines = "".join(f"no{number}.jpg,x\n" for number in range(9))
    with pytest.raises(SourceError, match=r"9 of the 9 .*row 2: .*row 4: 'no2.jpg' and 6 more"):
        table(f"path,label\n{lines}")


def test_a_column_with_another_purpose_is_left_alone(table):
    assert table("path,label,width,camera\na.jpg,x,3,k\n").index.classes == ("x",)
