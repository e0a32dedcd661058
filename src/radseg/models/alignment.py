"""How far the patches of a RADIO, CLIP or DINOv2 say what its CLS token says (paper A6)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import InputError
from radseg.models.image_tower import ImageTower
from radseg.models.radio import Radio
from radseg.ops.inference import inference
from radseg.ops.resize import fit_short_side, image_size
from radseg.types import Rgb


@inference()
def cls_patch_map(network: Radio | ImageTower, image: Rgb) -> Float[Tensor, "h w"]:
    """Return per patch the cosine, −1 to 1, between the patch and the CLS token.

    After the last block as it was trained; one pass, no windows. Of a RADIO both go through the CLS head of
    the language adaptor, whose CLS token it is; of CLIP and DINOv2 through the final norm. Both sides of the
    image must be multiples of the patch.

    Raises:
        ImageError: a side that is not a multiple of the patch.
        InputError: a RADIO that has no language adaptor.
    """
    tokens = network.encode(image[None])
    if isinstance(network, ImageTower):
        patches, summary = network.normalise(tokens.patches), network.normalise(tokens.summary[:, 0])
    elif network.language is not None:
        patches = network.to_language(tokens.patches)
        summary = network.summary_of(network.language, tokens)
    else:
        raise InputError(f"{network.config.version} has no language adaptor, so nothing to be aligned with.")
    unit = F.normalize(patches.float(), dim=-1), F.normalize(summary.float(), dim=-1)
    return (unit[0] * unit[1][:, None]).sum(-1)[0].unflatten(0, tuple(tokens.grid))


def middle_window(image: Rgb, side: int, *, short_side: int | None = None) -> Rgb:
    """Return the square of `side` pixels in the middle of the image scaled to `short_side`.

    None keeps the image's size; one that would be smaller than the window is scaled up to it.
    """
    own = min(image_size(image))
    scaled = fit_short_side(image, max(short_side or own, side))
    height, width = image_size(scaled)
    top, left = (height - side) // 2, (width - side) // 2
    return scaled[:, top : top + side, left : left + side]
