"""The cache of decoded pictures: the same bytes, a bound, and no trace left."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import gettempdir

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.data.cache import PictureCache

RANDOM = np.random.default_rng(5)


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, channels), dtype=np.uint8)


PICTURES = [picture(3 + k % 7, 2 + k % 5, 1 + k % 4) for k in range(40)]


def files() -> list[Path]:
    return [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]


def open_files() -> set[str]:
    return {str(link.readlink()) for link in files()}


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6)), max_size=12))
@settings(max_examples=25, deadline=None)
def test_what_comes_out_is_what_went_in(shapes: list[tuple[int, int, int]]) -> None:
    pictures = [picture(*shape) for shape in shapes]
    cache = PictureCache(Path(gettempdir()), 10_000, len(pictures) + 1)
    try:
        for position in reversed(range(len(pictures))):
            assert cache.get(position) is None
            assert cache.put(position, pictures[position])
        for position, pixels in enumerate(pictures):
            kept = cache.get(position)
            assert kept is not None
            np.testing.assert_array_equal(kept, pixels)
        assert cache.get(len(pictures)) is None
        assert cache.held_bytes == sum(pixels.nbytes for pixels in pictures)
        assert cache.held_pictures == len(pictures)
        assert cache.problem == ""
    finally:
        cache.close()


def test_pixels_that_are_not_contiguous(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 10_000, 1)
    pixels = picture(9, 8)[::-1, ::2]
    assert cache.put(0, pixels)
    np.testing.assert_array_equal(cache.get(0), pixels)
    cache.close()


def test_a_copy_is_returned(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 10_000, 1)
    cache.put(0, PICTURES[9])
    cache.get(0)[...] = 0
    np.testing.assert_array_equal(cache.get(0), PICTURES[9])
    cache.close()


def test_the_first_picture_stays(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 10_000, 1)
    assert cache.put(0, PICTURES[0])
    assert cache.put(0, PICTURES[1])
    np.testing.assert_array_equal(cache.get(0), PICTURES[0])
    assert cache.held_bytes == PICTURES[0].nbytes
    cache.close()


def test_the_bound_holds_and_smaller_pictures_still_fit(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 100, 4)
    assert cache.put(0, picture(5, 5))  # 75 bytes
    assert not cache.put(1, picture(3, 3))  # 27 more
    assert cache.get(1) is None
    assert cache.put(2, picture(5, 5, 1))  # 25: exactly full
    assert not cache.put(3, picture(1, 1, 1))
    assert (cache.held_bytes, cache.held_pictures, cache.problem) == (100, 2, "")
    cache.close()
    nothing = PictureCache(tmp_path / "never made", 0, 1)
    assert not nothing.put(0, PICTURES[0])
    assert nothing.problem == ""


def test_no_file_before_the_first_picture_no_name_ever_nothing_after_closing(
    tmp_path: Path,
) -> None:
    before = open_files()
    cache = PictureCache(tmp_path, 10_000, 2)
    assert open_files() == before
    cache.put(0, PICTURES[0])
    assert list(tmp_path.iterdir()) == []
    (held,) = open_files() - before
    assert held.startswith(str(tmp_path))
    cache.close()
    assert open_files() == before
    assert cache.get(0) is None
    assert not cache.put(1, PICTURES[1])
    cache.close()


def test_threads_read_and_write_at_once(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 1_000_000, len(PICTURES))
    start = threading.Barrier(8)

    def work(seed: int) -> int:
        start.wait()
        found = 0
        for position in np.random.default_rng(seed).integers(0, len(PICTURES), 600).tolist():
            kept = cache.get(position)
            if kept is None:
                cache.put(position, PICTURES[position])
            else:
                found += 1
                np.testing.assert_array_equal(kept, PICTURES[position])
        return found

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) > 1000
    assert cache.held_pictures == len(PICTURES)
    assert cache.held_bytes == sum(pixels.nbytes for pixels in PICTURES)
    cache.close()


def test_a_full_disk_ends_the_growth_and_nothing_else(tmp_path: Path) -> None:
    """The system refuses to let the file grow, as a full disk does."""
    cache = PictureCache(tmp_path, 1_000_000, len(PICTURES))
    assert cache.put(0, PICTURES[0])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (cache.held_bytes, before[1]))
    try:
        assert not cache.put(1, PICTURES[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert cache.problem == (
        "The cache of decoded pictures took 1 and no more (File too large, in "
        f"{tmp_path}): the others are decoded in each pass. Training is the same, but slower."
    )
    assert not cache.put(1, PICTURES[1])
    assert cache.get(1) is None
    np.testing.assert_array_equal(cache.get(0), PICTURES[0])
    cache.close()


def test_a_picture_that_was_written_in_part_is_not_kept(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 1_000_000, len(PICTURES))
    cache.put(0, PICTURES[0])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (cache.held_bytes + 10, before[1]))
    try:
        assert not cache.put(8, picture(9, 9))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "not all of a picture could be written" in cache.problem
    assert cache.get(8) is None
    cache.close()


def test_room_that_the_disk_does_not_set_aside(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 1_000_000, 2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        assert not cache.put(0, PICTURES[0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "took 0 and no more (File too large" in cache.problem
    assert (cache.held_bytes, cache.get(0)) == (0, None)
    cache.close()


def test_the_file_grows_in_steps_up_to_the_limit(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("hubel.data.cache.STEP", 100)
    cache = PictureCache(tmp_path, 250, 9)
    sizes = []
    for position in range(9):
        cache.put(position, picture(6, 5, 1))
        (name,) = (held for held in files() if str(held.readlink()).startswith(str(tmp_path)))
        sizes.append(name.stat().st_size)
    assert sizes == [100, 100, 100, 200, 200, 200, 250, 250, 250]
    assert cache.held_pictures == 8
    cache.close()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path / "gone", 1000, 1)
    assert not cache.put(0, PICTURES[0])
    assert cache.problem.startswith("The cache of decoded pictures took 0 and no more (No such")


def test_a_file_that_can_no_longer_be_read(tmp_path: Path, monkeypatch) -> None:
    cache = PictureCache(tmp_path, 1000, 1)
    cache.put(0, PICTURES[0])

    def broken(*arguments: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", broken)
        assert cache.get(0) is None
    assert "Input/output error" in cache.problem
    cache.close()


def test_a_system_without_positional_access_decodes_anew(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delattr(os, "pwritev")
    cache = PictureCache(tmp_path, 1000, 1)
    assert not cache.put(0, PICTURES[0])
    assert cache.problem == "This system has no positional file access: each pass decodes anew."


def test_a_kill_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; import numpy as np\n"
        "from hubel.data.cache import PictureCache\n"
        "cache = PictureCache(Path(sys.argv[1]), 10**6, 1)\n"
        "assert cache.put(0, np.zeros((9, 9, 3), np.uint8))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode == -9
    assert list(tmp_path.iterdir()) == []
