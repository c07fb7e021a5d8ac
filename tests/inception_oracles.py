"""What the tests of the Inception pages share: equal weights in two networks, counts, sides."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def share_weights(ours: nn.Module, theirs: nn.Module) -> None:
    """Give both the same weights, tensor after tensor in order, so that outputs are of order 1.

    Kernels keep the variance of their input, and running statistics are not those of a fresh
    network: an error of one map, or of one normalisation, shows in the output.
    """
    generator = torch.Generator().manual_seed(0)

    def draw(name: str, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.ndim > 1:
            deviation = (2 / tensor[0].numel()) ** 0.5
            return torch.randn(tensor.shape, generator=generator) * deviation
        if name.endswith(("running_var", "weight")):
            return 0.8 + 0.4 * torch.rand(tensor.shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            return tensor
        return 0.1 * torch.randn(tensor.shape, generator=generator)

    state = {name: draw(name, tensor) for name, tensor in theirs.state_dict().items()}
    names = list(ours.state_dict())
    shapes = [tensor.shape for tensor in ours.state_dict().values()]
    assert shapes == [tensor.shape for tensor in state.values()]
    theirs.load_state_dict(state)
    ours.load_state_dict(dict(zip(names, state.values(), strict=True)))


@torch.no_grad()
def largest_difference(ours: nn.Module, theirs: nn.Module, size: int) -> float:
    """Return the largest difference of the outputs in evaluation, after proving them telling."""
    share_weights(ours.eval(), theirs.eval())
    pictures = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    expected = theirs(pictures)
    assert expected.std() > 0.1
    assert (expected[0] - expected[1]).abs().max() > 0.01
    return (ours(pictures) - expected).abs().max().item()


def on_meta(build, **arguments) -> nn.Module:
    """Return a network without storage, in evaluation mode."""
    with torch.device("meta"):
        return build(**{"outputs": 1000, "channels": 3} | arguments).eval()


def parameters(network: nn.Module) -> int:
    """Return how many numbers are trained."""
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, size: int) -> int:
    """Return the multiply-accumulates of one picture."""
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops() // 2


def maps(network: nn.Module, size: int) -> dict[str, tuple[int, ...]]:
    """Return maps, height and width after every module of the network, by its path."""
    found: dict[str, tuple[int, ...]] = {}
    handles = [
        module.register_forward_hook(
            lambda _module, _inputs, out, path=path: found.__setitem__(path, tuple(out.shape[1:]))
        )
        for path, module in network.named_modules()
        if path
    ]
    network(torch.empty(1, 3, size, size, device="meta"))
    for handle in handles:
        handle.remove()
    return found


def loss(answer) -> torch.Tensor:
    """Return a loss of what a network gives in training mode, auxiliary logits included."""
    if isinstance(answer, torch.Tensor):
        return answer.square().mean()
    return answer.logits.square().mean() + answer.weight * sum(
        logits.square().mean() for logits in answer.auxiliary
    )


def trains_and_evaluates(network: nn.Module, size: int, channels: int = 3) -> None:
    """Take a step of gradients on a batch of two, then evaluate one picture."""
    pictures = torch.randn(2, channels, size, size)
    loss(network.train()(pictures)).backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    with torch.no_grad():
        assert isinstance(network.eval()(pictures[:1]), torch.Tensor)
