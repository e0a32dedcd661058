import importlib
import subprocess
import sys

import pytest

import radseg

PUBLIC = [
    "Counts",
    "EncodedImage",
    "EvalResult",
    "MapQuery",
    "PRESETS",
    "Segmentation",
    "Segmenter",
    "SemanticMap",
    "Vocabulary",
    "VocabularyPack",
    "confusion_matrix",
    "load",
    "load_pack",
    "mean_iou",
    "read_image",
    "run_evaluation",
]


def test_the_public_names_are_exactly_these():
    assert sorted(radseg.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_loaded_from_where_it_lives(name):
    value = getattr(radseg, name)
    assert value is getattr(importlib.import_module(radseg._HOMES[name]), name)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'segement'"):
        radseg.segement  # noqa: B018


def test_importing_is_quick_and_light():
    code = "import time; t = time.perf_counter(); import radseg; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.3  # about 0.01 s; torch alone would cost 1 s
