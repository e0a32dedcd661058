"""ProxyCLIP (arXiv 2408.04883): CLIP's values, mixed by the similarity of another backbone's tokens."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.methods.shared.proxy_mixing import ProxyMixing


@dataclass(frozen=True)
class ProxyCLIP(ProxyMixing):
    """CLIP whose last attention is DINO's similarity, on the grid of DINO: B/8 in the paper."""

    @property
    def feature_stride(self) -> int:
        """Side in pixels of a cell of the feature map: the other backbone's patch."""
        return self.vfm.patch

    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the language features of every window on the other backbone's grid."""
        return self.backbone.to_language(self.mixed(crops))
