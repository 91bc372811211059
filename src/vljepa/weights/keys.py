"""The key tables of published checkpoints, one a kind: their names to those of our parts.

Our names are relative to the part: to the X-Encoder, to the Y-Encoder without its last head, and for language models to
a Predictor's or Y-Decoder's `layers` with the token table as `embed_tokens`.
"""

from vljepa.weights.tables import KeyTable

_LLAMA = {
    "embed_tokens.weight": "embed_tokens.weight",
    "layers.{n}.{rest}": "layers.{n}.{rest}",
    "norm.weight": "norm.weight",
}

# Llama, SmolLM2, Qwen3; the output layer is the token table or has no use here.
LLAMA = KeyTable(rows=_LLAMA, prefixes=("model.", ""), left_out=(r"lm_head\.weight", r".*rotary_emb\.inv_freq"))

_BERT_LAYER = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "joined",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "widened",
    "output.dense": "narrowed",
    "output.LayerNorm": "norm",
}

# all-MiniLM, BGE, E5 ...; poolers and output layers are left-overs of pretraining.
BERT = KeyTable(
    rows={
        "embeddings.word_embeddings.weight": "body.embeddings.words.weight",
        "embeddings.position_embeddings.weight": "body.embeddings.places.weight",
        "embeddings.token_type_embeddings.weight": "body.embeddings.kinds.weight",
        "embeddings.LayerNorm.{kind}": "body.embeddings.norm.{kind}",
    }
    | {
        f"encoder.layer.{{n}}.{theirs}.{{kind}}": f"body.layers.{{n}}.{ours}.{{kind}}"
        for theirs, ours in _BERT_LAYER.items()
    },
    prefixes=("", "bert."),
    left_out=(r"(bert\.)?pooler\..*", r".*position_ids", r"cls\..*"),
)

# EmbeddingGemma: its trunk, and the two heads that sentence-transformers keeps in folders of their own.
GEMMA3 = KeyTable(
    rows={
        "embed_tokens.weight": "body.network.embed_tokens.weight",
        "layers.{n}.{rest}": "body.network.layers.{n}.{rest}",
        "norm.weight": "body.network.norm.weight",
    },
    prefixes=("", "model."),
)
DENSE = KeyTable(rows={"2_Dense.linear.weight": "dense.0.weight", "3_Dense.linear.weight": "dense.1.weight"})

MPNET = KeyTable(
    rows={
        "embeddings.{rest}": "body.network.embeddings.{rest}",
        "encoder.{rest}": "body.network.encoder.{rest}",
    },
    prefixes=("", "mpnet."),
    left_out=(r"(mpnet\.)?pooler\..*", r".*position_ids", r"lm_head\..*"),
)

QWEN3 = KeyTable(
    rows={
        theirs: "body." + ("embeddings.weight" if "embed" in theirs else f"stack.{ours}")
        for theirs, ours in _LLAMA.items()
    },
    prefixes=("", "model."),
    left_out=(r"lm_head\.weight",),
)

# V-JEPA 2 as transformers keeps it, also with a classifier; the predictor of its pretraining is not ours.
VJEPA2 = KeyTable(
    rows={"encoder.{rest}": "network.encoder.{rest}"},
    prefixes=("", "vjepa2."),
    left_out=(r"(vjepa2\.)?predictor\..*", r"pooler\..*", r"classifier\..*"),
)

_VJEPA2_LAYER = {
    "norm1": "norm1",
    "attn.proj": "attention.proj",
    "norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}

# V-JEPA 2 as its authors keep it (`video_names.encoder_table`): queries, keys and values in one matrix.
VJEPA2_ORIGINAL = KeyTable(
    rows={
        "patch_embed.proj.{kind}": "network.encoder.embeddings.patch_embeddings.proj.{kind}",
        "blocks.{n}.attn.qkv.{kind}": tuple(
            f"network.encoder.layer.{{n}}.attention.{part}.{{kind}}" for part in ("query", "key", "value")
        ),
        "norm.{kind}": "network.encoder.layernorm.{kind}",
        **{
            f"blocks.{{n}}.{theirs}.{{kind}}": f"network.encoder.layer.{{n}}.{ours}.{{kind}}"
            for theirs, ours in _VJEPA2_LAYER.items()
        },
    },
)
# Perception Encoders (`perception_names.py`): our module has their names; what follows the last norm has no use here.
PERCEPTION = KeyTable(
    rows={
        name: f"network.{name}"
        for name in (
            "conv1.weight",
            "class_embedding",
            "positional_embedding",
            "ln_pre.{kind}",
            "ln_post.{kind}",
            "transformer.resblocks.{n}.{rest}",
        )
    },
    left_out=(r"attn_pool\..*", r"proj"),
)
# V-JEPA 2.1, which transformers does not know: our module has its names.
VJEPA2_1 = KeyTable(rows={"{rest}": "network.{rest}"})


def _parts(*names: str) -> dict[str, str]:
    return {f"{name}.{{rest}}": f"network.{name}.{{rest}}" for name in names}


# Towers of models that also hold a text side.
_BESIDE = (r"text_model\..*", r"logit_(scale|bias)", r"(text|visual)_projection\.weight", r".*position_ids")
CLIP = KeyTable(
    rows=_parts("embeddings", "pre_layrnorm", "encoder"),
    prefixes=("vision_model.", ""),
    left_out=(*_BESIDE, r"(vision_model\.)?post_layernorm\..*"),
)
SIGLIP = KeyTable(
    rows=_parts("embeddings", "encoder", "post_layernorm"),
    prefixes=("vision_model.", ""),
    left_out=(*_BESIDE, r"(vision_model\.)?head\..*"),
)
_DINOV2_ATTENTION = {
    "attention.query": "q_proj",
    "attention.key": "k_proj",
    "attention.value": "v_proj",
    "output.dense": "o_proj",
}
DINOV2 = KeyTable(
    rows={
        f"encoder.layer.{{n}}.attention.{theirs}.{{kind}}": f"network.encoder.layer.{{n}}.attention.{ours}.{{kind}}"
        for theirs, ours in _DINOV2_ATTENTION.items()
    }
    | _parts("embeddings", "encoder", "layernorm"),
    prefixes=("", "dinov2.", "dinov2_with_registers."),
    left_out=(r".*embeddings\.mask_token", r"classifier\..*"),
)
