"""RayFronts: the last block on given tokens."""

from parity.method_networks import GivenNetwork, block_of
from parity.methods_golden_set import MethodCase, Stages
from radseg.methods.rayfronts import RayFronts
from radseg.types import Size


def attention_stages(case: MethodCase) -> Stages:
    """Bonus for neighbours, attention, tokens after the block."""
    params, block = case.params, block_of(case)
    backbone = GivenNetwork(params["patch"], params["prefix_tokens"])
    method = RayFronts(backbone, sigma=params["sigma"], grid_order="transposed")
    for i, tokens in enumerate(case.numbered("tokens")):
        last = method.last_block(Size(*(side // params["patch"] for side in params["resolutions"][i])))
        yield f"bonus_{i}", last.bias
        yield f"attention_{i}", block.attention.merge(last.mix(block, tokens))
        yield f"block_{i}", last(block, tokens)
