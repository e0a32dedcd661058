"""How far the patches of a RADIO say what its CLS token says (paper A6)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import InputError
from radseg.models.radio import Radio
from radseg.ops.inference import inference
from radseg.ops.resize import fit_short_side, image_size
from radseg.types import Rgb


@inference()
def cls_patch_map(radio: Radio, image: Rgb) -> Float[Tensor, "h w"]:
    """Return per patch the cosine, −1 to 1, between the patch and the CLS token of the language adaptor.

    Both go through the adaptor's CLS head, after the last block as it was trained; one pass, no windows. Both
    sides of the image must be multiples of the patch.

    Raises:
        ImageError: a side that is not a multiple of the patch.
        InputError: the model has no language adaptor.
    """
    if radio.language is None:
        raise InputError(f"{radio.config.version} has no language adaptor, so nothing to be aligned with.")
    tokens = radio.encode(image[None])
    patches = F.normalize(radio.to_language(tokens.patches).float(), dim=-1)
    summary = F.normalize(radio.summary_of(radio.language, tokens).float(), dim=-1)
    return (patches * summary[:, None]).sum(-1)[0].unflatten(0, tuple(tokens.grid))


def middle_window(image: Rgb, side: int, *, short_side: int | None = None) -> Rgb:
    """Return the square of `side` pixels in the middle of the image scaled to `short_side`.

    None keeps the image's size; one that would be smaller than the window is scaled up to it.
    """
    own = min(image_size(image))
    scaled = fit_short_side(image, max(short_side or own, side))
    height, width = image_size(scaled)
    top, left = (height - side) // 2, (width - side) // 2
    return scaled[:, top : top + side, left : left + side]
