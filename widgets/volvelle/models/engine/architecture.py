"""Where the named points lie in an architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

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
ATTENTION = ("self_attn", "attn", "attention", "self_attention")
# The module whose input is the concatenated heads.
PROJECTION = ("o_proj", "c_proj", "out_proj", "dense")
# Bloom adds the residual inside its mlp, so only the inner projection is the mlp's own output.
# OPT has no mlp module. Mixtral's was called block_sparse_moe.
MLP_OUT = ("mlp.dense_4h_to_h@bloom", "mlp", "block_sparse_moe", "feed_forward", "fc2")
# Gemma-2/3 and OLMo-2 norm what the mlp wrote before adding it: the sandwich-norm trap.
MLP_POST = ("post_feedforward_layernorm",)
FINAL_NORM = ("norm", "ln_f", "final_layer_norm", "final_layernorm", "norm_f")


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
    z, mlp, mlp_post : str
        Paths below a block; "" where the architecture has no such place.
    name : str
        Model name, for messages.
    """

    blocks: str
    embed: str
    norm: str
    head: str
    n_layers: int
    d_model: int
    z: str
    mlp: str
    mlp_post: str
    name: str

    def point(self, spelling: object) -> Point:
        """Parse a point and hold it against this model."""
        point = Point.parse(spelling)
        if point.kind != "embed" and not 0 <= point.layer < self.n_layers:
            raise ValueError(
                f"layer {point.layer} is outside {self.name}'s 0...{self.n_layers - 1}"
            )
        self.site(point)
        return point

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
        child, rank, io = {
            "z": (self.z, 1, "input"),
            "mlp_out": (self.mlp, 2, "output"),
            "mlp_out_post": (self.mlp_post or self.mlp, 3 if self.mlp_post else 2, "output"),
        }[point.kind]
        if not child:
            raise ValueError(f"{self.name} has no {point.kind}: no module of its blocks outputs it")
        return Site((point.layer, rank), f"{block}.{child}", io)


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
    stack = module.get_submodule(blocks)
    block = stack[0]  # type: ignore[index]
    kind = str(getattr(module.config, "model_type", ""))
    trunk = module.get_submodule(blocks.rpartition(".")[0])
    embed = module.get_input_embeddings()  # type: ignore[operator]
    head = module.get_output_embeddings()  # type: ignore[operator]
    attention = _first(block, ATTENTION)
    projection = _first(block.get_submodule(attention), PROJECTION) if attention else ""
    mlp = _first(
        block, tuple(p.partition("@")[0] for p in MLP_OUT if p.partition("@")[2] in ("", kind))
    )
    norm = _first(trunk, FINAL_NORM)
    return Layout(
        blocks=blocks,
        embed=_path(module, embed),
        norm=f"{blocks.rpartition('.')[0]}.{norm}" if norm else "",
        head=_path(module, head),
        n_layers=len(stack),  # type: ignore[arg-type]
        d_model=_width(module, embed),
        z=f"{attention}.{projection}" if projection else "",
        mlp=mlp,
        mlp_post=_first(block, MLP_POST),
        name=name,
    )


def _blocks(module: torch.nn.Module, name: str) -> str:
    import torch

    for path in BLOCKS:
        try:
            found = module.get_submodule(path)
        except AttributeError:
            continue
        if isinstance(found, torch.nn.ModuleList):
            return path
    lists = [
        (len(found), path)
        for path, found in module.named_modules()
        if isinstance(found, torch.nn.ModuleList) and path
    ]
    if not lists:
        raise ValueError(
            f"{name} ({type(module).__name__}) has no list of blocks: volvelle reads causal "
            f"language models of transformers, whose blocks lie at {', '.join(BLOCKS[:3])}, ..."
        )
    return max(lists)[1]


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
