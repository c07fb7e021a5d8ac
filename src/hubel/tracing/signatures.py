"""What an operator's schema says, read once per operator: names, defaults, aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import torch
from torch._ops import OpOverload

KINDS: Final = {  # operators that compute the same thing on other devices or by other kernels
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "_adaptive_avg_pool3d": "adaptive_avg_pool3d",
    "_batch_norm_no_update": "native_batch_norm",
    "_batch_norm_with_update": "native_batch_norm",
    "_batch_norm_with_update_functional": "native_batch_norm",
    "_convolution": "convolution",
    "_log_softmax": "log_softmax",
    "_native_batch_norm_legit": "native_batch_norm",
    "_native_batch_norm_legit_no_training": "native_batch_norm",
    "_prelu_kernel": "prelu",
    "_reshape_alias": "view",
    "_safe_softmax": "softmax",
    "_scaled_dot_product_attention_math": "scaled_dot_product_attention",
    "_scaled_dot_product_cudnn_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_efficient_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_flash_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_flash_attention_for_cpu": "scaled_dot_product_attention",
    "_scaled_dot_product_fused_attention_overrideable": "scaled_dot_product_attention",
    "_slow_conv2d_forward": "convolution",
    "_softmax": "softmax",
    "_to_copy": "to_copy",
    "_unsafe_view": "view",
    "conv_depthwise3d": "convolution",
    "convolution_overrideable": "convolution",
    "cudnn_batch_norm": "native_batch_norm",
    "miopen_batch_norm": "native_batch_norm",
    "mkldnn_convolution": "convolution",
    "slow_conv3d_forward": "convolution",
    "unsafe_split": "split",
    "unsafe_split_with_sizes": "split_with_sizes",
}
UNDECLARED_VIEWS: Final = frozenset(
    {"_reshape_alias", "_unsafe_view", "unsafe_split", "unsafe_split_with_sizes"}
)
"""Operators whose outputs share the memory of their first argument, though the schema is silent."""
SHAPE_ONLY: Final = frozenset(
    {
        "empty_like",
        "empty_strided",
        "full_like",
        "new_empty",
        "new_empty_strided",
        "new_full",
        "new_ones",
        "new_zeros",
        "ones_like",
        "rand_like",
        "randint_like",
        "randn_like",
        "zeros_like",
    }
)
"""Operators that read no numbers of their tensors, only shape and type: they make constants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What the schema of one operator says."""

    kind: str
    operator: str
    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    writes: tuple[str, ...]
    """Arguments that it writes to."""
    aliases: tuple[str | None, ...]
    """For each output the argument whose memory it shares, or None; a list of outputs is one."""
    shape_only: bool
    composite: bool
    """Whether torch itself defines it by other operators, which are recorded in its place."""

    def bind(self, positional: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return every argument by name, in the order of the schema, defaults filled in."""
        bound = dict(self.defaults)
        bound.update(zip(self.names, positional, strict=False))
        bound.update(named)
        return bound


@cache
def signature_of(operator: OpOverload) -> Signature:
    """Return what the schema of an operator says."""
    # torch offers no public way to a schema, nor to whether an operator is composite.
    schema = operator._schema  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    bare = schema.name.rpartition("::")[2]
    holders: dict[str, str] = {}
    for argument in schema.arguments:
        for mark in argument.alias_info.before_set if argument.alias_info else ():
            holders[mark] = argument.name
    aliases = tuple(_holder(returned, holders) for returned in schema.returns)
    if bare in UNDECLARED_VIEWS or (not any(aliases) and _is_split(schema)):
        aliases = (schema.arguments[0].name,)
    return Signature(
        kind=kind_of(bare),
        operator=f"{schema.name.replace('::', '.')}.{schema.overload_name or 'default'}",
        names=tuple(argument.name for argument in schema.arguments),
        defaults={
            argument.name: argument.default_value if argument.has_default_value() else None
            for argument in schema.arguments
        },
        writes=tuple(
            argument.name
            for argument in schema.arguments
            if argument.alias_info and argument.alias_info.is_write
        ),
        aliases=aliases,
        shape_only=bare in SHAPE_ONLY,
        composite=_is_composite(operator),
    )


def _is_composite(operator: OpOverload) -> bool:
    """Return whether torch defines an operator by others."""
    has = torch._C._dispatch_has_kernel_for_dispatch_key  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return has(operator.name(), "CompositeImplicitAutograd")


def kind_of(bare: str) -> str:
    """Return an operator's kind from its name without namespace and overload.

    >>> kind_of("add_"), kind_of("_softmax"), kind_of("upsample_nearest2d")
    ('add', 'softmax', 'upsample_nearest2d')
    """
    plain = bare.removesuffix("_") if not bare.endswith("__") else bare
    return KINDS.get(plain, plain)


def _holder(returned: Any, holders: Mapping[str, str]) -> str | None:
    """Return the argument whose memory an output shares."""
    for mark in returned.alias_info.before_set if returned.alias_info else ():
        if mark in holders:
            return holders[mark]
    return None


def _is_split(schema: Any) -> bool:
    """Return whether it cuts its first argument into views (marked `a -> *` in the schema)."""
    first = schema.arguments[0].alias_info if schema.arguments else None
    return bool(first and not first.is_write and "*" in first.after_set)
