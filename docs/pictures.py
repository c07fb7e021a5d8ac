"""Make the pictures and outputs of the documentation anew: `python docs/pictures.py`.

Everything shown is real: each command runs as a user types it, in a terminal of 100 columns. It
needs Chromium for the pictures of pages, and takes about five minutes.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text
from skimage.transform import resize
from sklearn.datasets import load_digits

DOCS = Path(__file__).parent
COLUMNS, ROWS = 100, 60
NARROW = 88
"""Columns of the outputs in the pages."""
MOST_LINES = 44
PHOTOGRAPHS = ("astronaut", "cat", "coffee", "rocket")
CONTROL = re.compile(
    r"\r\n|\r|\n|\x1b\[\?25[lh]|\x1b\[(\d*)([ABK])|\x1b\[[0-9;]*m|[^\r\n\x1b]+|\x1b."
)
SVG = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def terminal(command: list[str], folder: Path) -> str:
    """Run a command in a pseudo-terminal and return what it wrote, control sequences included."""
    child, screen = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ.update(COLUMNS=str(COLUMNS), TERM="xterm-256color", COLORTERM="truecolor")
        os.execvp(command[0], command)  # noqa: S606 - the commands stand below
    ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    written = bytearray()
    while True:
        try:
            more = os.read(screen, 65536)
        except OSError:
            break
        if not more:
            break
        written += more
    os.waitpid(child, 0)
    return written.decode()


def lines_of(written: str) -> list[str]:
    """Return the lines that stay on the screen: moves and erasures of the live bar are followed."""
    lines, row = [""], 0
    for found in CONTROL.finditer(written):
        token, number, letter = found[0], int(found[1] or 1) if found[2] else 0, found[2]
        if token in {"\n", "\r\n"}:
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif token == "\r":
            continue
        elif letter == "A":
            row = max(0, row - number)
        elif letter == "K":
            lines[row] = ""
        elif not token.startswith("\x1b[?"):
            lines[row] += token
    return lines


def svg(words: str, written: str, path: Path) -> None:
    """Write what a command left on the screen as a picture; long outputs are cut in the middle."""
    lines = [line.rstrip() for line in lines_of(written)]
    while lines and not Text.from_ansi(lines[-1]).plain.strip():
        lines.pop()
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 16], "\x1b[2m  ⋮\x1b[0m", *lines[-15:]]
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: PTH123,SIM115
    console.print(Text(f"$ {words}", style="bold"))
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    picture = console.export_svg(title="hubel", theme=MONOKAI, unique_id=path.stem)
    path.write_text(SVG.sub("", picture), encoding="utf-8")


def page(html: Path, path: Path, *, height: int, dark: bool = False) -> None:
    """Write a picture of the top of a page."""
    flags = ["--blink-settings=preferredColorScheme=0"] if dark else []
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", *flags]
        command += [f"--window-size=1200,{height}", f"--screenshot={shot}", html.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True)
        picture = Image.open(shot).convert("RGB")
    # 256 colours keep a page crisp and its file small.
    picture.quantize(256).save(path, optimize=True)


def make_photographs(folder: Path) -> None:
    """Write crops of four photographs into class folders, with the defects of real collections."""
    random = np.random.default_rng(0)
    for name in PHOTOGRAPHS:
        (folder / name).mkdir(parents=True)
        photograph = getattr(skimage.data, name)()
        for place, part in enumerate(crops(photograph, 40, random)):
            Image.fromarray(part).save(folder / name / f"{place:03d}.jpg", quality=88)
    cat = folder / "cat"
    shutil.copy(cat / "003.jpg", cat / "003 (copy).jpg")
    shutil.copy(cat / "007.jpg", folder / "coffee" / "latte.jpg")
    Image.open(cat / "011.jpg").resize((200, 150)).save(cat / "small.png")
    whole = (folder / "rocket" / "000.jpg").read_bytes()
    (folder / "rocket" / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "rocket" / "notes.jpg").write_text("launched at 14:05")
    Image.new("RGB", (240, 180), (12, 12, 14)).save(folder / "astronaut" / "lens-cap.jpg")


def crops(photograph: np.ndarray, number: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Give random parts of a photograph in changing light."""
    height, width = photograph.shape[:2]
    for _ in range(number):
        side = int(random.uniform(0.4, 0.8) * min(height, width))
        top, left = random.integers(height - side), random.integers(width - side)
        part = resize(photograph[top : top + side, left : left + side], (180, 240))
        light = random.uniform(0.75, 1.2, 3)
        yield (part * light * 255).clip(0, 255).astype(np.uint8)


def make_digits(folder: Path) -> None:
    """Write a few digits as files, and one that is none."""
    folder.mkdir()
    images, targets = load_digits(return_X_y=True)
    for place in range(5):
        pixels = (images[place].reshape(8, 8) * 255 / 16).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"scan-{place}-of-{targets[place]}.png")
    Image.fromarray(skimage.data.astronaut()).save(folder / "astronaut.png")
    (folder / "empty.png").write_bytes(b"")


def main() -> None:
    """Run every command that the documentation shows."""
    hubel = str(Path(sys.executable).with_name("hubel"))
    images, outputs = DOCS / "images", DOCS / "output"
    images.mkdir(exist_ok=True)
    outputs.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photographs(folder / "photos")
        make_digits(folder / "scans")

        def show(words: str, stem: str) -> None:
            print("$", words, flush=True)
            command = [hubel, *words.split()[1:]]
            svg(words, terminal(command, folder), images / f"{stem}.svg")

        def keep(file: str, *lines: str) -> None:
            said = []
            for words in lines:
                print("$", words, flush=True)
                command = [hubel, *words.split()[1:]]
                ended = subprocess.run(
                    command, cwd=folder, capture_output=True, text=True, check=False,
                    env=os.environ | {"COLUMNS": str(NARROW)},
                )  # fmt: skip
                text = ended.stdout if "--json" in words else ended.stdout + ended.stderr
                said.append(text if "--json" in words else f"$ {words}\n{text}")
            (outputs / file).write_text("\n".join(said), encoding="utf-8")

        show("hubel data photos --out photos-data", "data")
        show("hubel train digits --seed 0 --out digits-run", "train")
        show("hubel evaluate digits-run", "evaluate")
        show("hubel predict digits-run scans --top 3", "predict")
        keep("data.txt", "hubel data photos --out photos-data-2")
        keep("train.txt", "hubel train digits --epochs 6 --out digits-6")
        keep("evaluate.txt", "hubel evaluate digits-run")
        keep("predict.txt", "hubel predict digits-run scans --top 3")
        keep(
            "errors.txt",
            "hubel train fotos",
            "hubel train photos --epoch 20",
            "hubel train photos --epochs 20 --budget 10m",
            "hubel train digits --model lenet",
            "hubel predict digits-6 missing.jpg",
        )
        keep(
            "train.json", "hubel train digits --model lenet5 --epochs 6 --json --out digits-lenet5"
        )
        keep("predict.jsonl", "hubel predict digits-run scans --top 3 --json")
        read = [hubel, "check", "squeezenet1_1", "--html", "check.html"]
        subprocess.run(read, cwd=folder, check=True, capture_output=True)
        page(folder / "check.html", images / "check-page.png", height=2000)
        page(folder / "digits-run" / "report.html", images / "report.png", height=1500)
        page(next((folder / "photos-data").glob("*.html")), images / "data-page.png", height=1500)


if __name__ == "__main__":
    main()
