"""ProxyRADIO (RADSeg Table 5): ProxyCLIP's attention, with a teacher that RADIO itself imitates as the proxy.

ProxyCLIP (arXiv 2408.04883) lets another model's similarities decide which values are mixed. RADIO's adaptors
give such features from its own forward pass: -D those of DINOv2, -S those of SAM. No code of these is public;
what is inferred is marked (methods spec 9.2).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError
from radseg.methods.shared.last_block import Tail, complete_block
from radseg.methods.shared.on_radio import RadioMethod
from radseg.nn.vit import Block
from radseg.ops.correlation import DEFAULT_BLOCK_BYTES, correlation_attention, mean_cosine

DINO, SAM = "dino_v2", "sam"
"""The adaptors of the paper's two variants, ProxyRADIO-D and ProxyRADIO-S."""


@dataclass(frozen=True)
class ProxyRADIO(RadioMethod):
    """The last block with a teacher's similarities in place of its own (ProxyCLIP Eq. 5-7).

    The block runs twice: as trained, for the teacher's features F of the patches, then with
    softmax(temperature·cos(F_i, F_j)) over pairs whose cosine is at least threshold·(mean cosine), the same
    for all heads, mixing the block's values. CLS and register tokens take no part, as ProxyCLIP leaves out
    CLS [inferred]; they keep what the trained block says.

    Differs from ProxyCLIP's code in keeping the diagonal always (with a mean cosine above 1/1.2 its rows turn
    into NaN) and in taking the mean per window, not over the batch.

    Attributes:
        teacher: name of an adaptor of `radio` with a feature head; "sam" is ProxyRADIO-S, "dino_v2" -D.
        temperature: multiplies the cosine; γ = 3 in ProxyCLIP.
        threshold: in means of the cosine; β = 1.2 in ProxyCLIP.
        tail: what follows the attention; "full" as in NARADIO's and SCRA's code [inferred].
        block_bytes: of similarities alive at once.
    """

    teacher: str = SAM
    temperature: float = 3.0
    threshold: float = 1.2
    tail: Tail = "full"
    block_bytes: int = DEFAULT_BLOCK_BYTES

    def __post_init__(self) -> None:
        super().__post_init__()
        adaptors = self.radio.config.adaptors
        able = [a.name for a in adaptors if a.features is not None]
        if self.teacher not in able:
            raise InputError(
                f"{self.radio.config.version} has no feature head {self.teacher!r} to serve as the proxy; "
                f"it has: {', '.join(able) or 'none'}. Load it with adaptors=({self.teacher!r},), or choose "
                "another teacher."
            )

    def window_features(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p d"]:
        """Return the patches after the last block with the proxy's attention."""
        return self.radio.encode(crops, self.last_block).patches

    def last_block(self, block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return the tokens after the block, patches mixed by the teacher's similarity."""
        prefix = self.radio.prefix_tokens
        standard = block(tokens)
        proxy = self.radio.to_teacher(self.teacher, self.radio.patches_of(standard))
        _, _, values = block.attention.project(block.norm1(tokens))
        per_head = values[:, :, prefix:]
        together = per_head.transpose(1, 2).flatten(2)  # "n p (m k)": one set of weights for all heads
        mixed = correlation_attention(
            proxy,
            together,
            temperature=self.temperature,
            threshold=self.threshold * mean_cosine(proxy),
            block_bytes=self.block_bytes,
        )
        attended = block.attention.merge(block.attention.split(mixed))
        patches = complete_block(block, tokens[:, prefix:], attended, self.tail)
        return torch.cat([standard[:, :prefix], patches], dim=1)
