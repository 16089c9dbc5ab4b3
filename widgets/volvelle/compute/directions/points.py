"""Points: named places in a network where a state can be read or written."""

from __future__ import annotations

import re
from dataclasses import dataclass

from volvelle.arguments.said import seen

RESIDUAL = ("resid_pre", "resid_mid", "resid_post")
LAYERED = (*RESIDUAL, "attn_out", "attn_out_post", "mlp_out", "mlp_out_post", "z")

# Foreign spellings of the same places (the TransformerLens and Hugging Face names). The two mlp
# hooks differ in sandwich-norm models (Gemma-2/3, OLMo-2): hook_mlp_out is after the norm that
# follows the mlp, hook_attn_out after the one that follows the attention. Taking one for the other
# gives a wrong tensor without an error.
_TRANSFORMER_LENS = {
    "hook_resid_pre": "resid_pre",
    "hook_resid_mid": "resid_mid",
    "hook_resid_post": "resid_post",
    "attn.hook_out": "attn_out",
    "hook_attn_out": "attn_out_post",
    "mlp.hook_out": "mlp_out",
    "hook_mlp_out": "mlp_out_post",
    "attn.hook_z": "z",
}
_TRUNK = (
    r"(?:model|model\.model|transformer|gpt_neox|model\.decoder|backbone|model\.language_model)"
)
_BLOCKS = rf"(?:{_TRUNK}\.)?(?:layers|h)"
_ATTENTION = r"(?:self_attn|attn|attention|self_attention)"
_PROJECTION = rf"{_ATTENTION}\.(?:o_proj|c_proj|out_proj|dense)"
_HUGGING_FACE = (
    (re.compile(rf"{_BLOCKS}\.(\d+)(?:\.output)?"), "resid_post"),
    (re.compile(rf"{_BLOCKS}\.(\d+)\.input"), "resid_pre"),
    (re.compile(rf"{_BLOCKS}\.(\d+)\.{_ATTENTION}(?:\.output)?"), "attn_out"),
    (re.compile(rf"{_BLOCKS}\.(\d+)\.mlp(?:\.output)?"), "mlp_out"),
    (re.compile(rf"{_BLOCKS}\.(\d+)\.post_feedforward_layernorm(?:\.output)?"), "mlp_out_post"),
    (re.compile(rf"{_BLOCKS}\.(\d+)\.{_PROJECTION}\.input"), "z"),
)


@dataclass(frozen=True, order=True)
class Point:
    """A named place in a network.

    Attributes
    ----------
    kind : str
        ``"embed"``, ``"resid_pre"``, ``"resid_mid"`` (between attention and mlp; not where a
        block computes both from one state), ``"resid_post"``, ``"attn_out"`` and ``"mlp_out"``
        (what the module computes), ``"attn_out_post"`` and ``"mlp_out_post"`` (what is added to
        the stream: the same, but for models that norm it first) or ``"z"`` (head outputs before
        the attention's output projection).
    layer : int
        The block, counted from 0; -1 for ``"embed"``. ``resid_post.14`` is the residual stream
        after block 14, which Hugging Face calls ``hidden_states[15]``.
    """

    kind: str
    layer: int

    def _check(self) -> None:
        """Raise ValueError where a file names a point that there is not."""
        Point.parse(str(self))

    def __str__(self) -> str:
        return self.kind if self.kind == "embed" else f"{self.kind}.{self.layer}"

    @classmethod
    def parse(cls, text: object) -> Point:
        """Read a point in any of the three spellings.

        Parameters
        ----------
        text : str or Point
            ``resid_post.14``, ``model.layers.14.output`` or ``blocks.14.hook_resid_post``.

        Raises
        ------
        TypeError
            For a bare integer: tools disagree by one about what layer 14 is.
        ValueError
            For a spelling that names no point.
        """
        if isinstance(text, Point):
            return text
        if not isinstance(text, str):
            n = text if isinstance(text, int) and 0 <= text < 1000 else 14
            raise TypeError(
                f"point {seen(text)} does not say which place is meant; for the residual stream "
                f"after block {n} (counting from 0) write 'resid_post.{n}', "
                f"'model.layers.{n}.output' or 'blocks.{n}.hook_resid_post'"
            )
        if text in ("embed", "hook_embed", "model.embed_tokens.output", "model.embed_tokens"):
            return cls("embed", -1)
        if match := re.fullmatch(r"(\w+)\.(\d+)", text):
            kind, layer = match.groups()
            if kind in LAYERED:
                return cls(kind, int(layer))
        if match := re.fullmatch(r"blocks\.(\d+)\.([\w.]+)", text):
            layer, hook = match.groups()
            if hook in _TRANSFORMER_LENS:
                return cls(_TRANSFORMER_LENS[hook], int(layer))
        for pattern, kind in _HUGGING_FACE:
            if match := pattern.fullmatch(text):
                return cls(kind, int(match.group(1)))
        known = ", ".join(f"{kind}.L" for kind in LAYERED[:-1])
        raise ValueError(
            f"unknown point {seen(text)}; points are embed, {known} and z.L with L counted "
            "from 0 (also 'model.layers.L.output', 'blocks.L.hook_resid_post')"
        )
