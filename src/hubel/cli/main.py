"""The program: parses the command line, calls the verb, and turns errors into one sentence."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hubel.errors import ElsewhereError, HubelError, UsageError, close_matches, memory_ran_out
from hubel.options.train import SECTIONS

if TYPE_CHECKING:
    from cyclopts import App

INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of the command line; its module is imported when it is called."""

    name: str
    function: str
    help: str
    sections: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of --help: titles by the first option of each."""


VERBS: Final = (
    Verb("models", "hubel.cli.models:models", "List the networks, or show one with its paper."),
    Verb("data", "hubel.cli.data:data", "Inspect pictures: what is there, what is wrong with it."),
    Verb("check", "hubel.cli.check:check", "Read networks before they are trained."),
    Verb(
        "train", "hubel.cli.train:train", "Train, evaluate and report a network on pictures.",
        SECTIONS,
    ),
    Verb("evaluate", "hubel.cli.evaluate:evaluate", "Measure a trained network."),
    Verb("diagnose", "hubel.cli.diagnose:diagnose", "Say what is wrong with a training."),
    Verb("predict", "hubel.cli.predict:predict", "Say what is on pictures."),
    Verb("report", "hubel.cli.report:report", "Write one HTML page about a run."),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 well, 1 failure, 2 usage, 130 interrupted."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(tokens))


def run(tokens: list[str]) -> int:
    """Run the command line on `tokens` and return the exit status."""
    from cyclopts import CycloptsError

    try:
        status = _call(tokens)
        sys.stdout.flush()
    except ElsewhereError as error:
        return error.exit_status
    except HubelError as error:
        complain(str(error))
        return error.exit_status
    except CycloptsError as error:
        complain(_usage_sentence(error))
        return UsageError.exit_status
    except KeyboardInterrupt:
        if os.environ.get("RANK", "0") == "0":
            complain("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has left; pointing stdout at nothing keeps the exit quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not memory_ran_out(error):
            raise
        complain(_memory_sentence(error))
        return HubelError.exit_status
    return status


def _memory_sentence(error: Exception) -> str:
    """Return what to do where a library ran out of memory outside a step of training."""
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    return (
        f"Memory ran out ({reason}); what was saved is intact. Try a smaller --batch, --size or "
        "--model, or give the process more memory; a training goes on with --resume RUN."
    )


def complain(sentence: str) -> None:
    """Print an error on standard error, without a traceback."""
    print(f"hubel: {sentence}", file=sys.stderr)  # noqa: T201


def _call(tokens: list[str]) -> int:
    """Parse `tokens`, call the verb and return its exit status."""
    _require_one_process(tokens)
    app = build_app(_config_of(tokens))
    result = app(
        tokens,
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )
    return result if isinstance(result, int) else 0


def _require_one_process(tokens: list[str]) -> None:
    """Raise UsageError where torchrun has started several of a verb that is not for several."""
    several = "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"
    if several and tokens and tokens[0] in {verb.name for verb in VERBS} - {"train"}:
        raise UsageError(
            f"Only hubel train runs in several processes; run hubel {tokens[0]} without torchrun."
        )


def build_app(config: tuple[Path, dict[str, Any]] | None = None) -> App:
    """Return the cyclopts application with all verbs; `config` holds defaults from a TOML file."""
    from cyclopts import App, Parameter
    from cyclopts.config import Dict

    import hubel
    from hubel.cli.sections import Sectioned

    defaults = (
        (Dict(config[1], source=str(config[0]), use_commands_as_keys=False),) if config else ()
    )
    app = App(
        name="hubel",
        help="From a folder of pictures to a network that is trained, understood and shipped.",
        version=lambda: hubel.__version__,
        help_epilogue="hubel VERB --help tells a verb's options. Start with: hubel train digits",
        config=defaults,
        suppress_keyboard_interrupt=False,
        default_parameter=Parameter(negative_iterable=(), show_default=_shown_default),
    )
    for verb in VERBS:
        shown = Sectioned(verb.sections)
        app.command(verb.function, name=verb.name, help=verb.help, help_formatter=shown)
    return app


def _shown_default(value: Any) -> Any:
    """Return what --help shows as a default; nothing for switches that are off and empty lists."""
    return None if value is False or value == () else value


def _config_of(tokens: list[str]) -> tuple[Path, dict[str, Any]] | None:
    """Read the file after --config before anything else is parsed, checking its keys."""
    named: str | None = None
    for token, following in zip(tokens, [*tokens[1:], None], strict=False):
        if token == "--":
            break
        if token == "--config":
            named = following
        elif token.startswith("--config="):
            named = token.removeprefix("--config=")
    if named is None or not tokens:
        return None
    path = Path(named)
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Could not read --config {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--config {path} is not TOML: {error}") from error
    return path, _checked(path, settings, tokens[0])


def _checked(path: Path, settings: dict[str, Any], verb: str) -> dict[str, Any]:
    """Return `settings` if each key is an option of `verb`, else raise UsageError."""
    import dataclasses

    from hubel import options

    kinds = {"data": options.DataOptions, "train": options.TrainOptions}
    if verb not in kinds:
        raise UsageError(f"--config belongs to {' and '.join(kinds)}, not to {verb!r}.")
    known = {field.name for field in dataclasses.fields(kinds[verb])} | {"source"}
    for key in settings:
        if key not in known:
            raise UsageError(
                f"{path}: there is no option {key!r} of {verb}: {close_matches(key, known)}"
            )
    return settings


def _usage_sentence(error: Exception) -> str:
    """Return cyclopts' message on one line, with the way to help."""
    from cyclopts import UnusedCliTokensError

    text = " ".join(str(error).split())
    if isinstance(error, UnusedCliTokensError):
        text += " A list takes its flag before each value: --augment safe --augment mirror."
    return f"{text} Try: hubel --help"
