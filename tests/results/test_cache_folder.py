"""What can be made again is kept in the platform's cache folder, unless another is named."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from hubel.results.cache_folder import cache_folder


def test_the_folder_is_the_platforms_unless_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("HUBEL_CACHE")
    assert cache_folder() == Path(platformdirs.user_cache_dir("hubel"))
