"""The FiftyOne source walked through with FiftyOne itself, where both are installed; no database needed.

    python -m benchmarks.fiftyone_source [MODEL]

The folder is put where `register_zoo_model_source` would put it; then the model is found in the zoo,
downloaded, loaded, asked for its inputs, and applied to one image. MODEL is the miniature unless named.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "integrations" / "fiftyone"


def walk(model_name: str) -> None:
    """Print what FiftyOne makes of every step."""
    import fiftyone  # noqa: PLC0415
    import fiftyone.zoo as foz  # noqa: PLC0415

    from radseg.miniature.world import free_camera, make_room, render  # noqa: PLC0415

    print(
        f"fiftyone {fiftyone.__version__}:",
        [name for name in foz.list_zoo_models() if "radseg" in name],
    )
    foz.download_zoo_model(model_name)
    path = Path(foz.find_zoo_model(model_name))
    print(f"downloaded: {path.read_text().strip()}")
    room = make_room(7010, split="held_out")
    image = render(room, free_camera(room, 0, height=352, width=480), seed=0).rgb
    model = foz.load_zoo_model(model_name, prompts="purple sofa, brick pillar, concrete wall, concrete floor")
    inputs = foz.get_zoo_model(model_name).resolve_input(None)
    print(f"inputs: {list(inputs.to_json()['type']['properties'])}")
    found = model.predict(image)
    print(f"classes: {model.mask_targets}")
    print(f"segmentation: {found['segmentation'].mask.shape}, {found['segmentation'].mask.dtype}")
    for one in found["detections"].detections:
        print(f"detection: {one.label} {one.confidence:.2f} {one.mask.shape} at {one.bounding_box}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(SOURCE, Path(folder) / "radseg_models")
        os.environ["FIFTYONE_MODEL_ZOO_DIR"] = folder  # before FiftyOne is imported
        walk(sys.argv[1] if len(sys.argv) > 1 else "radseg/miniature")
