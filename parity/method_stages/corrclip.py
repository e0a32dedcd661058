"""CorrCLIP: one window, several region maps, given features of the other network."""

import re

from parity.method_networks import GivenNetwork, clip_of
from parity.methods_golden_set import MethodCase, Stages
from radseg.methods.corrclip import CorrCLIP


def window_stages(case: MethodCase) -> Stages:
    """The three streams and the features, for every region map."""
    clip, params, crops = clip_of(case), case.params, case.inputs["image"][None]
    rows, columns = params["feature_grid"]
    method = CorrCLIP(
        clip, crop=None, vfm=GivenNetwork(params["window"][0] // rows), regions=None,
        temperature=params["temperature"], merge_within=params["merge_eps"],
        spatial=params["spatial_weight"], semantic=params["semantic_weight"],
        layers=tuple(params["spatial_layers_from_1"]),
    )  # fmt: skip
    seen = case.inputs["features"].mT.unflatten(-1, (rows, columns))[None]
    for name, regions in case.inputs.items():
        match = re.fullmatch(r"regions_(\w+)", name)
        if not match:
            continue
        cells = method.cells_of(regions.int())[None]
        streams = method.streams(crops, cells, seen)
        for stream, values in zip(("main", "spatial", "semantic"), streams, strict=True):
            yield f"{stream}_before_norm_{match[1]}", values[0]
        yield f"features_{match[1]}", method.window(crops, cells, seen)[0]
