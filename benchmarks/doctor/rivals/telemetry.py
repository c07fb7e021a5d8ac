"""What the rivals read: a plain recorder of losses, gradients, weights and activations a pass.

It is separate from hubel's own, so that nobody reads through the other's eyes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmarks.doctor.program import Epoch, Finished

BOUNDED = ("Sigmoid", "Tanh", "Hardsigmoid", "Softsign")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """A convolution or linear layer in one batch of one pass."""

    path: str
    gradient_norm: float
    """Euclidean norm of the kernel's gradient; NaN where there was none."""
    gradient_mean: float
    """Mean of |gradient| of the kernel."""
    gradient_zeros: float
    """Share of the elements of kernel and bias gradients that are exactly 0."""
    gradient_size: int
    weight_norm: float
    weight_variance: float
    weight_largest: float
    weight_mean: float
    update_ratio: float
    """Learning rate times the gradient's norm over the weights' norm."""
    finite: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationRow:
    """An activation layer in one batch of one pass."""

    path: str
    kind: str
    inactive: float
    """Share of the outputs that are at most 0."""
    beyond_5: float
    """Share of the inputs with |x| of at least 5."""
    mean: float
    variance: float
    finite: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRow:
    """One pass: the state at its last batch."""

    layers: tuple[LayerRow, ...]
    activations: tuple[ActivationRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Everything that the rivals' rules may read."""

    epochs: tuple[Epoch, ...]
    passes: tuple[PassRow, ...]
    lr: float
    input_low: float
    input_high: float
    input_floating: bool
    dropout: tuple[float, ...]
    activations: tuple[str, ...]
    """Kinds of activation layers, in the order of modules."""
    convolution_filters: tuple[int, ...]
    last_layer: str
    """Kind of the last leaf module."""
    loss: str
    found: tuple[str, ...] = ()
    """Findings of torch-audit."""


@dataclass(slots=True, eq=False)
class _Seen:
    low: float = float("inf")
    high: float = float("-inf")
    floating: bool = True
    passes: list[PassRow] = field(default_factory=list[PassRow])
    activations: dict[str, ActivationRow] = field(default_factory=dict[str, ActivationRow])


class Recorder:
    """Records a training; called as `hubel.watch` is."""

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, loader: Any, validation: Any = None,
        *, scheduler: Any = None, epochs: int | None = None,
    ) -> None:  # fmt: skip
        del validation, scheduler, epochs
        self._model = model
        self._optimizer = optimizer
        self._steps = len(loader)
        self._forwards = 0
        self._seen = _Seen()
        self._handles: list[Any] = []
        self._lr = max(group["lr"] for group in optimizer.param_groups)
        self._audit: Any = None

    def __enter__(self) -> Self:
        self._handles.append(self._model.register_forward_pre_hook(self._before))
        for path, module in self._model.named_modules():
            if not any(module.children()) and not any(True for _ in module.parameters()):
                self._handles.append(
                    module.register_forward_hook(
                        lambda layer, inputs, output, path=path: self._activation(
                            path, layer, inputs, output
                        )
                    )
                )
        from benchmarks.doctor.rivals.torch_audit import begin

        self._audit = begin(self._model, self._optimizer, max(self._steps, 1))
        return self

    def __exit__(self, *raised: object) -> None:
        for handle in self._handles:
            handle.remove()
        if self._audit is not None:
            self._audit.stop()

    def _last_of_pass(self) -> bool:
        return self._model.training and self._forwards % self._steps == 0

    def _before(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Count the training's batches; the gradients of a pass's last one are read after it."""
        del module
        if not torch.is_grad_enabled():
            return
        if self._forwards and self._forwards % self._steps == 0:
            self._end_pass()
        self._forwards += 1
        found = inputs[0]
        if isinstance(found, Tensor) and self._forwards <= self._steps:
            values = found.detach()
            self._seen.floating &= values.is_floating_point()
            self._seen.low = min(self._seen.low, float(values.min()))
            self._seen.high = max(self._seen.high, float(values.max()))
        if self._forwards % self._steps == 0:
            self._watch_gradients()

    def _watch_gradients(self) -> None:
        """Keep the gradients of this batch before anybody clears them."""
        self._kept: dict[str, Tensor] = {}
        for handle in getattr(self, "_gradient_handles", ()):
            handle.remove()
        self._gradient_handles = [
            weight.register_post_accumulate_grad_hook(
                lambda weight, name=name: self._kept.__setitem__(name, weight.grad.clone())
            )
            for name, weight in self._model.named_parameters()
            if weight.requires_grad and weight.is_leaf
        ]

    def _activation(self, path: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        if not torch.is_grad_enabled() or self._forwards % self._steps != 0:
            return
        if not isinstance(output, Tensor) or isinstance(layer, (nn.Flatten, nn.Dropout)):
            return
        values, before = output.detach().float(), inputs[0].detach().float()
        self._seen.activations[path] = ActivationRow(
            path=path,
            kind=type(layer).__name__,
            inactive=float((values <= 0).float().mean()),
            beyond_5=float((before.abs() >= 5).float().mean()),
            mean=float(values.mean()),
            variance=float(values.var()) if values.numel() > 1 else 0.0,
            finite=bool(values.isfinite().all()),
        )

    def _end_pass(self) -> None:
        for handle in getattr(self, "_gradient_handles", ()):
            handle.remove()
        rows = tuple(
            self._layer(path, module)
            for path, module in self._model.named_modules()
            if isinstance(module, (nn.Conv2d, nn.Linear))
        )
        activations = tuple(self._seen.activations.values())
        self._seen.passes.append(PassRow(layers=rows, activations=activations))

    def _layer(self, path: str, module: Any) -> LayerRow:
        kept = getattr(self, "_kept", {})
        weight = module.weight.detach().float()
        gradient = kept.get(f"{path}.weight")
        bias = kept.get(f"{path}.bias")
        parts = [part.float().flatten() for part in (gradient, bias) if part is not None]
        together = torch.cat(parts) if parts else torch.zeros(0)
        nan = float("nan")
        norm = float(gradient.float().norm()) if gradient is not None else nan
        length = float(weight.norm())
        return LayerRow(
            path=path,
            gradient_norm=norm,
            gradient_mean=float(gradient.float().abs().mean()) if gradient is not None else nan,
            gradient_zeros=float((together == 0).float().mean()) if len(together) else nan,
            gradient_size=len(together),
            weight_norm=length,
            weight_variance=float(weight.var()) if weight.numel() > 1 else 0.0,
            weight_largest=float(weight.abs().max()),
            weight_mean=float(weight.mean()),
            update_ratio=self._lr * norm / length if length else nan,
            finite=bool(weight.isfinite().all() and together.isfinite().all()),
        )

    def telemetry(self, finished: Finished) -> Telemetry:
        """Return what was recorded, with what the program printed."""
        if self._forwards and self._forwards % self._steps == 0:
            self._end_pass()
        leaves = [module for module in self._model.modules() if not any(module.children())]
        bare = [one for one in leaves if not isinstance(one, (nn.Dropout, nn.Identity))]
        activations = (
            nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Softmax, nn.LogSoftmax
        )  # fmt: skip
        return Telemetry(
            epochs=finished.epochs,
            passes=tuple(self._seen.passes),
            lr=self._lr,
            input_low=self._seen.low,
            input_high=self._seen.high,
            input_floating=self._seen.floating,
            dropout=tuple(one.p for one in leaves if isinstance(one, nn.Dropout)),
            activations=tuple(type(one).__name__ for one in leaves if isinstance(one, activations)),
            convolution_filters=tuple(
                one.out_channels for one in leaves if isinstance(one, nn.Conv2d)
            ),
            last_layer=type(bare[-1]).__name__ if bare else "",
            loss=type(finished.training.loss).__name__,
            found=self._audit.findings() if self._audit is not None else (),
        )
