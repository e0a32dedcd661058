"""Networks of a published description and published weights; what does not fit is said in one line."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from radseg.errors import CheckpointError, RadsegError
from radseg.files import shortened
from radseg.weights.shapes import require_tensors
from radseg.weights.tensors import require_finite

Made = TypeVar("Made")
Network = TypeVar("Network", bound=nn.Module)


def described(file: str, make: Callable[[], Made]) -> Made:
    """Return what `make` builds of the description in `file`; parameters are on "meta", nothing is allocated.

    Raises:
        CheckpointError: a network cannot be built of it.
    """
    try:
        with torch.device("meta"):
            return make()
    except RadsegError:
        raise
    except Exception as error:  # the library's classes raise whatever an odd value provokes
        reason = shortened(f"{type(error).__name__}: {error}")
        raise CheckpointError(f"{file} describes no network that can be built: {reason}.") from error


def filled(
    network: Network,
    tensors: Mapping[str, Tensor],
    dtypes: Callable[[str], torch.dtype],
    *,
    device: str | torch.device,
    file: str,
    what: str,
) -> Network:
    """Return the network with exactly these weights, in evaluation mode, without gradients.

    Args:
        dtypes: by the name of a tensor.
        what: the network's name, for messages.

    Raises:
        CheckpointError: a tensor is missing, left over, of another shape, or holds NaN or infinity.
    """
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    try:
        require_tensors(expected, tensors, "it")
    except CheckpointError as error:
        raise CheckpointError(f"{file} does not hold {what}: {error}") from error
    for name, tensor in tensors.items():
        require_finite(name, tensor, file)
    placed = {name: tensor.to(device, dtypes(name)) for name, tensor in tensors.items()}
    network.load_state_dict(placed, strict=True, assign=True)
    return network.eval().requires_grad_(False)
