"""Tiny random text towers in folders, as they are published."""

import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from radseg.models.text_towers import TowerFacts
from radseg.models.tokenise import CLIP, SIGLIP, SIGLIP2, TokenRules

WORDS = ("a", "photo", "of", "the", "dog", "sky", "closeup")
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
FAMILIES: dict[str, tuple[TokenRules, str, str, str]] = {
    "siglip2": (SIGLIP2, "Siglip2TextConfig", "Siglip2TextModel", "projection_size"),
    "siglip": (SIGLIP, "SiglipTextConfig", "SiglipTextModel", "projection_size"),
    "clip": (CLIP, "CLIPTextConfig", "CLIPTextModelWithProjection", "projection_dim"),
}


def write_tokenizer(folder: Path, rules: TokenRules) -> int:
    special = list(dict.fromkeys(t for t in (rules.pad, rules.end, rules.start, "<unk>") if t))
    vocabulary = {token: i for i, token in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(special)
    tokenizer.enable_padding(direction="left", pad_id=vocabulary[rules.pad], pad_token=rules.pad)
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(vocabulary)


def write_tower(folder: Path, family: str) -> tuple[TowerFacts, nn.Module]:
    """Write a tiny random tower as it is published: text_config inside, "text_model." before the names."""
    rules, config_class, model_class, width_name = FAMILIES[family]
    size = write_tokenizer(folder, rules)
    text = {**SIZES, "vocab_size": size, "max_position_embeddings": rules.length, width_name: 12}
    torch.manual_seed(7)
    network = getattr(transformers, model_class)(
        getattr(transformers, config_class)(
            **text, bos_token_id=None, eos_token_id=0 if family == "clip" else 1
        )
    ).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    names = {f"text_model.{name.removeprefix('text_model.')}": t for name, t in network.state_dict().items()}
    if family == "clip":
        names["text_projection.weight"] = names.pop("text_model.text_projection.weight")
    save_file(names, folder / "model.safetensors")
    outer = {"projection_dim": 12} if family == "clip" else {}
    whole = {"model_type": family, "text_config": {**text, "eos_token_id": 2}, "vision_config": {}, **outer}
    (folder / "config.json").write_text(json.dumps(whole))
    return TowerFacts(f"tiny-{family}", rules, depth=2, width_out=12, vocabulary=size), network
