"""Seeds and targets of what lists pictures or holds many: tables, idx, npz, tar, TOML."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.fuzzing import pictures

Target = Callable[[bytes], object]


def _csv_seeds() -> Iterator[bytes]:
    yield b"path,label,split,group\na.png,cat,train,1\nb.png,dog,test,\n"
    yield b"path,label\na.png,cat;dog\nb.png,;\n"
    yield b"path,target_x,target_y\na.png,1.5,2\nb.png,-1e3,0\n"
    yield b'\xef\xbb\xbfpath,label\r\n"a.png","a ""b"""\r\n\r\nb.png,\xc3\xa9\r\n'


def _csv(folder: Path) -> Target:
    from hubel.data.opening import open_source

    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(pictures.encoded(pictures.picture("RGB"), "PNG"))
    return _written(folder / "table.csv", open_source)


def _parquet_seeds() -> Iterator[bytes]:
    import pyarrow as pa
    from pyarrow import parquet

    for compression in ("none", "snappy", "gzip"):
        buffer = io.BytesIO()
        table = pa.table({"path": ["a.png", "b.png"], "label": [["x"], ["y", "z"]]})
        parquet.write_table(table, buffer, compression=compression)
        yield buffer.getvalue()


def _parquet(folder: Path) -> Target:
    from hubel.data.opening import open_source

    _csv(folder)
    return _written(folder / "table.parquet", open_source)


def _toml_seeds() -> Iterator[bytes]:
    yield b'source = "digits"\nmodel = "lenet5"\nepochs = 3\naugment = ["safe", "mixup"]\n'
    yield b"lr = 1e-3\nbudget = '10m'\nmilestones = [0.5, 0.75]\nchannels_last = true\n"
    yield b'size = 0x20\nfilters = ["gaussian:5"]\nseed = 1_000\nout = "a"\n'


def _toml(folder: Path) -> Target:
    from cyclopts import CycloptsError

    from hubel.cli.main import _config_of, build_app
    from hubel.options import TrainOptions
    from hubel.results import Run
    from hubel.workflows.checks import check_fresh
    from hubel.workflows.keeping import kept_options

    run = Run(folder)
    tokens = ["train", "digits", "--config", str(run.options_file)]

    def config(_: Path) -> None:
        with suppress(CycloptsError):  # The program makes a sentence of it.
            build_app(_config_of(tokens)).parse_args(tokens, print_error=False, exit_on_error=False)

    def read(path: Path) -> None:
        run_through(lambda: config(path), lambda: check_fresh(kept_options(run, TrainOptions())[1]))

    return _written(run.options_file, read)


def _idx_seeds() -> Iterator[bytes]:
    pixels = bytes(range(48))
    yield struct.pack(">HBBIII", 0, 8, 3, 3, 4, 4) + pixels
    yield struct.pack(">HBBIIII", 0, 8, 4, 1, 4, 4, 3) + pixels
    yield struct.pack(">HBBII", 0, 11, 2, 6, 4) + pixels


def _idx(folder: Path) -> Target:
    from hubel.data.opening import open_source

    (folder / "labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 3) + b"\0\1\1")
    return _written(folder / "images-idx3-ubyte", _first_of(open_source))


def _idx_gz(folder: Path) -> Target:
    from hubel.data.opening import open_source

    return _written(folder / "images-idx3-ubyte.gz", _first_of(open_source))


def _npz_seeds() -> Iterator[bytes]:
    arrays = {"x": np.zeros((3, 4, 4), np.uint8), "y": np.arange(3)}
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, **arrays)
        yield buffer.getvalue()
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros((2, 4, 4, 3)), y=np.array(["a", "b"]), classes=np.array(["c"]))
    yield buffer.getvalue()


def _npz(folder: Path) -> Target:
    from hubel.data.opening import open_source

    return _written(folder / "pictures.npz", _first_of(open_source))


def _tar_seeds() -> Iterator[bytes]:
    png = pictures.encoded(pictures.picture("L"), "PNG")
    for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
            for name, data in (("0.png", png), ("0.cls", b"1"), ("1.png", png), ("1.cls", b"0")):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        yield buffer.getvalue()


def _tar(folder: Path) -> Target:
    from hubel.data.opening import open_source

    return _written(folder / "shard-000000.tar", _first_of(open_source))


def _first_of(opens: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return what opens a source and decodes its first picture."""
    from hubel.data.decoding import decode
    from hubel.data.source import Source

    def read(path: Path) -> None:
        source = opens(path)
        assert isinstance(source, Source)
        decode(source.read(0))

    return read


def _written(path: Path, read: Callable[[Path], object]) -> Target:
    """Return what writes an input to a file and reads it."""

    def target(data: bytes) -> None:
        path.write_bytes(data)
        read(path)

    return target


def run_through(*calls: Callable[[], object]) -> None:
    """Make all calls; a HubelError of one does not keep the others from it."""
    from hubel.errors import HubelError

    for call in calls:
        try:
            call()
        except HubelError:
            continue


TARGETS: Final = {
    "csv": (_csv_seeds, _csv),
    "parquet": (_parquet_seeds, _parquet),
    "toml": (_toml_seeds, _toml),
    "idx": (_idx_seeds, _idx),
    "idx.gz": (lambda: (gzip.compress(seed) for seed in _idx_seeds()), _idx_gz),
    "npz": (_npz_seeds, _npz),
    "tar": (_tar_seeds, _tar),
}
