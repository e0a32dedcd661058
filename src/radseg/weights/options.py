"""How weights are to be fetched and converted. No network, no torch."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from radseg.weights.reporters import LOGGED, Reporter

if TYPE_CHECKING:
    from radseg.weights.published import Published


Known = dict[str, "Published"]
"""What a command knows of the published files of each row it has asked the hub about."""


@dataclass(frozen=True)
class DownloadOptions:
    """How weights are to be fetched and converted.

    Attributes:
        accept_license: the caller has accepted the licence where that is needed.
        drop: prefixes of tensors to leave out when a published RADIO file holds some this version cannot
            place; a whole adaptor is "adaptors.<teacher>.".
        reporter: is told what is fetched, and how far it is.
        keep_original: keep the published file, if it is fetched whole, beside what is made from it.
        rows: what is known of each row's published files; one command asks the hub for it once.
    """

    accept_license: bool = False
    drop: tuple[str, ...] = ()
    reporter: Reporter = LOGGED
    keep_original: bool = False
    rows: Known = field(default_factory=dict, compare=False, repr=False)
