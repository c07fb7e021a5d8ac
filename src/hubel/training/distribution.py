"""Several processes that train one network: who they are, and how they agree.

All of them run the same steps in the same order. What could differ between them (clocks, disks,
what a user asks for) is decided by the process of rank 0 and told to the others. Sums over the
processes have the same bits in each, so that the weights stay the same in all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from itertools import count, groupby
from pathlib import Path
from typing import Any, Final, TypeVar, final

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store

from hubel.data.batching import Share
from hubel.data.parallel import available_threads
from hubel.data.randomness import one_seed
from hubel.errors import ElsewhereError, HubelError, TrainingError
from hubel.nn.synchronised import Exchange, SynchronisedStatistics
from hubel.training.launched import RUN_NOTE, Launched

Value = TypeVar("Value")

PATIENCE: Final = timedelta(days=7)
"""How long a process waits for another: one may scan pictures for hours, and one that has died is
noticed by the launcher, or by its closed connection, at once."""
BUCKET: Final = 1 << 24
"""Numbers of the gradients that are added up at once, 64 MiB of float32."""
_RUN: Final = "hubel/run"
_CALLS: Final = count()
_DRAWS: Final = 23  # stream of random numbers, apart from those of the data


class LostError(TrainingError):
    """Another process has ended in the midst of the work."""


@final
class World(Exchange):
    """The processes of a training as one of them sees them; alone, all of this changes nothing."""

    def __init__(
        self, launched: Launched | None = None, store: Store | None = None, key: str = ""
    ) -> None:
        self.launched = launched or Launched()
        self.rank = self.launched.rank
        self.size = self.launched.size
        self._parent = os.getppid()
        self._store = store
        """The launcher's, which lives on when it starts all processes anew."""
        self._key = key

    @property
    def is_writer(self) -> bool:
        """Whether this process writes files and speaks to people."""
        return self.rank == 0

    @property
    def orphaned(self) -> bool:
        """Whether the launcher of this process has died."""
        return self.size > 1 and os.getppid() != self._parent

    def threads(self) -> int:
        """Return how many threads this process may use: its part of the machine's processors."""
        return max(1, available_threads() // self.launched.local_size)

    @property
    def part(self) -> Share:
        """Which part of each batch is this process's."""
        return Share(self.rank, self.size)

    def first(self, make: Callable[[], Value]) -> Value:
        """Return what `make` gives in the first process; the others only wait for it.

        Errors: what `make` raises, in the first process; ElsewhereError in the others, where that
        was a HubelError.
        """
        if self.size == 1:
            return make()
        if not self.is_writer:
            value, error = self._told(None)
            if error is not None:
                raise ElsewhereError(*error)
            return value
        try:
            value = make()
        except HubelError as error:
            self._told((None, (str(error), error.exit_status)))
            raise
        self._told((value, None))
        return value

    def note_run(self, folder: Path) -> None:
        """Remember the run folder that this launch trains in, for when it is started anew."""
        if self._store is not None and self.is_writer:
            self._store.set(self._key, str(folder))
            if self.launched.folder is not None:
                (self.launched.folder / RUN_NOTE).write_text(str(folder), encoding="utf-8")

    def speaks_up(self) -> bool:
        """Return whether this process, having an error, is the first one: it tells people."""
        name = f"{self._key}/errors/{self.launched.restarts}"
        return self._store is None or self._store.add(name, 1) == 1

    def noted_run(self) -> Path | None:
        """Return the run folder that an earlier start of this launch trains in; None at first."""
        if self._store is None:
            return None
        store = self._store
        return self.first(
            lambda: Path(store.get(self._key).decode()) if store.check([self._key]) else None
        )

    def share(self, value: Value) -> Value:
        """Return the value that the first process gave."""
        return self.first(lambda: value)

    def gather(self, value: Value) -> list[Value]:
        """Return all processes' values by rank in the first process, and nothing in the others."""
        if self.size == 1:
            return [value]
        found: list[Any] | None = [None] * self.size if self.is_writer else None
        with _connected():
            dist.gather_object(value, found, dst=0)
        return found or []

    def sums(self, *numbers: float) -> tuple[float, ...]:
        """Return the sum over the processes of each number."""
        if self.size == 1:
            return numbers
        total = torch.tensor(numbers, dtype=torch.float64)
        self.add_up(total)
        return tuple(total.tolist())

    def decided(self, number: float) -> float:
        """Return the number of the first process, sooner than `share` does."""
        return self.sums(number if self.is_writer else 0.0)[0]

    def any(self, *, here: bool) -> bool:
        """Return whether it is so in any process."""
        return self.sums(float(here))[0] > 0

    def wait(self) -> None:
        """Wait until all processes have come here."""
        self.sums(0.0)

    def collect(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensors that the processes gave, by rank; all have one shape."""
        if self.size == 1:
            return [tensor]
        found = [torch.empty_like(tensor) for _ in range(self.size)]
        with _connected():
            dist.all_gather(found, tensor.contiguous())
        return found

    def add_up(self, tensor: Tensor) -> None:
        """Replace `tensor` by the sum over the processes, the same bits in each."""
        if self.size > 1:
            with _connected():
                dist.all_reduce(tensor)

    def synchronised(self, *, counted: bool = True) -> AbstractContextManager[Any]:
        """Let batch normalisation use the whole batch; see `SynchronisedStatistics`."""
        return SynchronisedStatistics(self, counted=counted) if self.size > 1 else nullcontext()

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Replace the gradient of each weight by the sum over the processes.

        A weight without a gradient in one process counts as 0 there; without one in all it keeps
        none. The sums are made of buffers of `BUCKET` numbers, in the order of the weights.
        """
        if self.size == 1:
            return
        learning = [weight for weight in weights if weight.requires_grad]
        for bucket in _buckets(learning):
            self._sum_bucket(bucket)

    def _sum_bucket(self, weights: Sequence[nn.Parameter]) -> None:
        found = [weight.new_tensor(float(weight.grad is not None)) for weight in weights]
        parts = [
            torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights
        ]
        flat = torch.cat([*(part.reshape(-1) for part in parts), torch.stack(found)])
        self.add_up(flat)
        *sums, found_anywhere = flat.split([*(part.numel() for part in parts), len(weights)])
        for weight, part, total, found_in in zip(
            weights, parts, sums, found_anywhere.tolist(), strict=True
        ):
            if found_in:
                # The layout in memory stays: fused optimizers walk gradient and weight together.
                weight.grad = part.copy_(total.view(weight.shape))

    def share_state(self, module: nn.Module) -> None:
        """Give the network of each process the weights and buffers of the first one's."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                contiguous = tensor.detach().contiguous()
                with _connected():
                    dist.broadcast(contiguous, src=0)
                tensor.copy_(contiguous)

    def seed_draws(self, seed: int, step: int) -> None:
        """Seed what a network draws in a step (dropout): by step and process, where there are more.

        A process alone keeps its generator, whose state stands in the checkpoints.
        """
        if self.size > 1:
            torch.manual_seed(one_seed(seed, _DRAWS, step, self.rank))

    def _told(self, value: Any) -> Any:
        values = [value]
        with _connected():
            dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]


ALONE: Final = World()


def _buckets(weights: Sequence[nn.Parameter]) -> Generator[list[nn.Parameter]]:
    """Yield the weights in order, together up to `BUCKET` numbers of one type and device."""
    for _, alike in groupby(weights, key=lambda weight: (weight.dtype, weight.device)):
        bucket: list[nn.Parameter] = []
        held = 0
        for weight in alike:
            if bucket and held + weight.numel() > BUCKET:
                yield bucket
                bucket, held = [], 0
            bucket.append(weight)
            held += weight.numel()
        yield bucket


@contextmanager
def _connected() -> Generator[None]:
    """Say in one sentence that another process has gone away."""
    try:
        yield
    except RuntimeError as error:
        raise LostError(
            "Another process of this training has ended or cannot be reached: see what it said "
            "itself. The last checkpoint is intact; go on with: hubel train --resume RUN"
        ) from error


@contextmanager
def joined(launched: Launched | None = None) -> Generator[World]:
    """Join the other processes of this launch, and leave them at the end.

    gloo for tensors of the processor, nccl for those of a GPU. A process group that exists already
    is used, and kept. Where several processes raise an error, one keeps it, and the others raise
    ElsewhereError. Errors: LostError where the others cannot be reached.
    """
    launched = launched or Launched.read()
    if not launched.by_torch:
        yield ALONE
        return
    made = not dist.is_initialized()
    # A script may train several networks, one after the other; started anew, it does so again.
    call = next(_CALLS)
    with _connected():
        store = launchers_store(launched)
        if made:
            _join(launched, store, call)
    world = World(launched, store, f"{_RUN}/{call}")
    try:
        yield world
    except (ElsewhereError, LostError):
        raise
    except HubelError as error:
        if world.speaks_up():
            raise
        raise ElsewhereError(str(error), error.exit_status) from error
    finally:
        if made:
            dist.destroy_process_group()


def _join(launched: Launched, store: Store, call: int) -> None:
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(launched.local_rank % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    # The launcher's store lives on when it starts the processes anew: each start has its own keys.
    name = f"hubel/{launched.restarts}/{launched.size}/{call}"
    dist.init_process_group(
        backend,
        store=PrefixStore(name, store),
        rank=launched.rank,
        world_size=launched.size,
        timeout=PATIENCE,
    )


def launchers_store(launched: Launched, environment: Mapping[str, str] = os.environ) -> Store:
    """Return the store of torch's launcher, in which what one start writes the next one reads."""
    return dist.TCPStore(  # pyright: ignore[reportPrivateImportUsage]
        environment["MASTER_ADDR"],
        int(environment["MASTER_PORT"]),
        is_master=environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and not launched.rank,
        wait_for_workers=False,
        multi_tenant=True,
        timeout=PATIENCE,
    )
