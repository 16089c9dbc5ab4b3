"""Where the named points lie in an architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from volvelle.compute.directions.points import Point

if TYPE_CHECKING:
    import torch

# Paths of the blocks in the causal models of transformers; else the longest ModuleList.
BLOCKS = (
    "model.layers",
    "transformer.h",
    "gpt_neox.layers",
    "model.decoder.layers",
    "backbone.layers",
    "model.language_model.layers",
)
# Names of lists that are blocks, where several lists lie beside each other.
LISTS = ("layers", "h", "blocks", "block", "layer")
ATTENTION = ("self_attn", "attn", "attention", "self_attention")
# The module whose input is the concatenated heads.
PROJECTION = ("o_proj", "c_proj", "out_proj", "dense", "attention.out_proj")
# Bloom adds the residual inside its mlp, so only the inner projection is the mlp's own output.
# OPT has no mlp module. Mixtral's was called block_sparse_moe.
MLP_OUT = ("mlp.dense_4h_to_h@bloom", "mlp", "block_sparse_moe", "feed_forward", "fc2")
# Gemma-2/3, OLMo-2 and GLM-4 norm what the mlp wrote before adding it: the sandwich-norm trap.
MLP_POST = ("post_feedforward_layernorm", "post_mlp_layernorm", "post_norm2", "mlp_sconv")
# Bloom's attention adds the residual, so only its projection is the attention's own output.
ATTN_OUT = ("self_attention.dense@bloom", *ATTENTION)
# What the same models norm the attention's output with. The last name is that norm only beside a
# norm behind the mlp: elsewhere it is the one before the mlp.
ATTN_POST = ("post_self_attn_layernorm", "post_norm1", "attn_sconv", "post_attention_layernorm")
# What reads the stream between attention and mlp, where a block has such a place.
MID = (
    "pre_feedforward_layernorm",
    "pre_mlp_layernorm",
    "pre_ff_layernorm",
    "feedforward_layernorm",
    "ffn_norm",
    "mlp_norm",
    "ln_2",
    "norm_2",
    "layer_norm2",
    "channel_pre_norm",
    "norm_ffn",
    "final_layer_norm",
    "post_attention_layernorm",
    "mlp",
)
FINAL_NORM = (
    "norm",
    "ln_f",
    "final_layer_norm",
    "final_layernorm",
    "norm_f",
    "embedding_norm",  # LFM2's, which it norms nothing but the last state with
    "layer_norm",
    "ln_out",
    "final_norm",
)
# OPT-350m's blocks are wider than its words.
PROJECT = ("project_out",)
# What logits are multiplied with (True) or divided by, as configurations call it.
LOGIT_SCALES = (
    ("logit_scale", True),
    ("lm_head_multiplier", True),
    ("logits_scaling", False),
    ("logits_mup_width_multiplier", False),
)
SOFT_CAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")


class Place(NamedTuple):
    """How a kind of point lies in a block: one row of `PLACES`.

    Attributes
    ----------
    paths, post : str
        Fields of `Layout`: of the module, and of the norm behind it, which is what is read where
        a block has one; "" for none.
    rank : int
        When it is reached.
    io : "input" or "output"
    """

    paths: str
    post: str
    rank: int
    io: str


PLACES = {
    "z": Place("z", "", 1, "input"),
    "attn_out": Place("attn", "", 2, "output"),
    "attn_out_post": Place("attn", "attn_post", 2, "output"),
    "resid_mid": Place("mid", "", 4, "input"),
    "mlp_out": Place("mlp", "", 5, "output"),
    "mlp_out_post": Place("mlp", "mlp_post", 5, "output"),
}


class Site(NamedTuple):
    """A place in the module tree.

    Attributes
    ----------
    order : tuple of int
        When the forward pass gets there: (block, rank in the block).
    path : str
        Dotted module path below the model.
    io : "input" or "output"
    """

    order: tuple[int, int]
    path: str
    io: str


@dataclass(frozen=True)
class Layout:
    """The module paths of one model.

    Attributes
    ----------
    blocks, embed, norm, head : str
        Dotted paths of the block list, the token embedding, the final norm ("" when there is
        none) and the unembedding.
    n_layers : int
    d_model : int
    z, attn, attn_post, mid, mlp, mlp_post : tuple of str
        Paths below each block; "" where a block has no such place. ``mid`` is what reads the
        stream between attention and mlp.
    name : str
        Model name, for messages.
    project : str
        Path of what brings a normed state to the width of the unembedding; mostly "".
    logit_scale : float
        What the unembedding's result is multiplied with.
    soft_cap : float
        Logits are ``soft_cap * tanh(logits / soft_cap)``; 0 where they are not.
    """

    blocks: str
    embed: str
    norm: str
    head: str
    n_layers: int
    d_model: int
    z: tuple[str, ...]
    attn: tuple[str, ...]
    attn_post: tuple[str, ...]
    mid: tuple[str, ...]
    mlp: tuple[str, ...]
    mlp_post: tuple[str, ...]
    name: str
    project: str = ""
    logit_scale: float = 1.0
    soft_cap: float = 0.0

    def point(self, spelling: object) -> Point:
        """Parse a point and hold it against this model."""
        point = Point.parse(spelling)
        if point.kind != "embed" and not 0 <= point.layer < self.n_layers:
            raise ValueError(
                f"layer {point.layer} is outside {self.name}'s 0...{self.n_layers - 1}"
            )
        self.site(point)
        return point

    def has(self, point: Point) -> bool:
        """Whether the block of a point has such a place."""
        place = PLACES.get(point.kind)
        return place is None or bool(self._of(place.paths)[point.layer])

    def site(self, point: Point) -> Site:
        """Return where a point lies."""
        block = f"{self.blocks}.{point.layer}"
        if point.kind == "embed":
            return Site((-1, 0), self.embed, "output")
        if point.kind == "resid_pre":
            if point.layer == 0:
                return Site((0, 0), block, "input")
            return Site((point.layer - 1, 9), f"{self.blocks}.{point.layer - 1}", "output")
        if point.kind == "resid_post":
            return Site((point.layer, 9), block, "output")
        paths, post, rank, io = PLACES[point.kind]
        children = self._of(paths)
        child = children[point.layer]
        after = self._of(post)[point.layer] if post and child else ""
        if not child:
            having = [n for n, path in enumerate(children) if path]
            where = f"; blocks {having} have it" if having else ""
            raise ValueError(f"{self.name} has no {point}: no module of that block gives it{where}")
        order = (point.layer, rank + bool(after))
        return Site(order, f"{block}.{after or child}", io)

    def _of(self, paths: str) -> tuple[str, ...]:
        return getattr(self, paths)


def read_layout(module: torch.nn.Module, name: str) -> Layout:
    """Find the paths of the points in a causal language model.

    Parameters
    ----------
    module : transformers causal language model
        On the meta device is enough.
    name : str
        For messages.

    Raises
    ------
    ValueError
        Where no list of blocks is found.
    """
    blocks = _blocks(module, name)
    stack: Any = module.get_submodule(blocks)
    config = module.config.get_text_config(decoder=True)  # type: ignore[union-attr, operator]
    kind = str(getattr(module.config, "model_type", ""))
    trunk = module.get_submodule(blocks.rpartition(".")[0])
    embed = module.get_input_embeddings()  # type: ignore[operator]
    head = module.get_output_embeddings()  # type: ignore[operator]
    width = _width(module, embed)
    attns, mlps = (
        tuple(p.partition("@")[0] for p in table if p.partition("@")[2] in ("", kind))
        for table in (ATTN_OUT, MLP_OUT)
    )
    after = tuple(_norm_behind_attention(block) for block in stack)
    below = blocks.rpartition(".")[0]
    norm, project = _final_norm(trunk, width), _first(trunk, PROJECT)
    return Layout(
        blocks=blocks,
        embed=_path(module, embed),
        norm=_joined(below, norm),
        head=_path(module, head),
        n_layers=len(stack),
        d_model=width,
        z=tuple(_projection(block) for block in stack),
        attn=tuple(_first(block, attns) if _projection(block) else "" for block in stack),
        attn_post=after,
        mid=tuple(_middle(block, norm) for block, norm in zip(stack, after, strict=True)),
        mlp=tuple(_first(block, mlps) for block in stack),
        mlp_post=tuple(_first(block, MLP_POST) for block in stack),
        name=name,
        project=_joined(below, project),
        logit_scale=_logit_scale(config),
        soft_cap=next((float(c) for n in SOFT_CAPS if (c := getattr(config, n, None))), 0.0),
    )


def _blocks(module: torch.nn.Module, name: str) -> str:
    import torch

    for path in BLOCKS:
        try:
            found = module.get_submodule(path)
        except AttributeError:
            continue
        if isinstance(found, torch.nn.ModuleList) and _feeds_head(module, path):
            return path
    lists = [
        (_feeds_head(module, path), path.rpartition(".")[2] in LISTS, len(found), path)
        for path, found in module.named_modules()
        if isinstance(found, torch.nn.ModuleList) and path
    ]
    # what lies within another list is a part of its blocks: experts, heads
    lists = [one for one in lists if not any(one[3].startswith(f"{o[3]}.") for o in lists)]
    if not lists:
        raise ValueError(
            f"{name} ({type(module).__name__}) has no list of blocks: volvelle reads causal "
            f"language models of transformers, whose blocks lie at {', '.join(BLOCKS[:3])}, ..."
        )
    return max(lists)[3]


def _feeds_head(module: torch.nn.Module, path: str) -> bool:
    """Whether a list lies in the tower that reads the words, which is the one that feeds the head.

    A checkpoint may have towers for pictures and sounds beside it, with more blocks.
    """
    embed = _path(module, module.get_input_embeddings())  # type: ignore[operator]
    tower = path.rpartition(".")[0]
    return not embed or embed.startswith(f"{tower}." if tower else "")


def _projection(block: torch.nn.Module) -> str:
    attention = _first(block, ATTENTION)
    projection = _first(block.get_submodule(attention), PROJECTION) if attention else ""
    return _joined(attention, projection)


def _norm_behind_attention(block: torch.nn.Module) -> str:
    found = _first(block, ATTN_POST)
    return "" if found == ATTN_POST[-1] and not _first(block, MLP_POST) else found


def _middle(block: torch.nn.Module, norm_behind_attention: str) -> str:
    found = _first(block, tuple(path for path in MID if path != norm_behind_attention))
    # OLMo-2 norms nothing before the mlp, only behind it: others do, and it reads no stream
    return "" if found == MID[-1] and not _first(block, MLP_POST) else found


def _final_norm(trunk: torch.nn.Module, width: int) -> str:
    """Return the name of a trunk's last norm, by its name or by what it is."""
    named = _first(trunk, FINAL_NORM)
    if named:
        return named
    norms = [
        child
        for child, found in trunk.named_children()
        if "norm" in type(found).__name__.lower()
        and [tuple(weight.shape) for weight in found.parameters()][:1] == [(width,)]
        and "emb" not in child
    ]
    return norms[-1] if norms else ""


def _logit_scale(config: Any) -> float:
    for name, times in LOGIT_SCALES:
        value = getattr(config, name, None)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value:
            return float(value) if times else 1.0 / float(value)
    return 1.0


def _joined(path: str, child: str) -> str:
    return ".".join(part for part in (path, child) if part) if child else ""


def _first(module: torch.nn.Module, paths: tuple[str, ...]) -> str:
    for path in paths:
        try:
            module.get_submodule(path)
        except AttributeError:
            continue
        return path
    return ""


def _path(module: torch.nn.Module, wanted: torch.nn.Module | None) -> str:
    return next((path for path, found in module.named_modules() if found is wanted), "")


def _width(module: torch.nn.Module, embed: torch.nn.Module) -> int:
    config = module.config.get_text_config()  # type: ignore[union-attr, operator]
    return int(getattr(config, "hidden_size", 0) or embed.weight.shape[1])  # type: ignore[union-attr]
