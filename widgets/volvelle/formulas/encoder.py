"""Formulas that also run inside a trace: torch only, nothing of volvelle.

What travels to a remote server is this module and the trace module of `models`; so it imports
neither numpy nor any other room, takes tensors and plain values, and keeps gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

# sae-lens adds this to the standard deviation before dividing by it.
LAYER_NORM_EPS = 1e-5


# -- sparse autoencoder ----------------------------------------------------------------------


def normalise(
    x: torch.Tensor, how: str
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Bring vectors to the scale an SAE was trained at.

    Parameters
    ----------
    x : torch.Tensor, shape (..., d_model)
    how : str
        ``"none"``, ``"layer_norm"`` ((x - mean) / (std + 1e-5), std with n - 1) or
        ``"constant_norm_rescale"`` (x * sqrt(d) / |x|).

    Returns
    -------
    x, scale, shift : torch.Tensor or None
        ``x * scale + shift`` undoes it; None where there is nothing to undo.

    Notes
    -----
    Source: sae-lens, ``SAE.run_time_activation_norm_fn_in`` and ``_out``.
    """
    if how == "layer_norm":
        shift = x.mean(-1, keepdim=True)
        scale = (x - shift).std(-1, keepdim=True)
        return (x - shift) / (scale + LAYER_NORM_EPS), scale, shift
    if how == "constant_norm_rescale":
        scale = x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5
        return x / scale, scale, None
    return x, None, None


def pre_activations(
    x: torch.Tensor,
    weights: Mapping[str, torch.Tensor],
    *,
    subtract_b_dec: bool,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return ``(x - b_dec) W_enc + b_enc``, without ``b_enc`` where there is none (gated).

    Parameters
    ----------
    x : torch.Tensor, shape (..., d_model)
        Already normalised.
    weights : mapping of str to torch.Tensor
        ``W_enc`` (d_model, n), ``b_dec`` (d_model,), ``b_enc`` (n,).
    subtract_b_dec : bool
        Whether the SAE was trained on ``x - b_dec``.
    out : torch.Tensor, shape (n_rows, n), optional
        Memory to write into, used again and again for a long text.

    Returns
    -------
    torch.Tensor, shape (..., n)
    """
    if subtract_b_dec:
        x = x - weights["b_dec"]
    rows = x.reshape(-1, x.shape[-1])
    if "b_enc" in weights:
        pre = torch.addmm(weights["b_enc"], rows, weights["W_enc"], out=out)
    else:
        pre = torch.mm(rows, weights["W_enc"], out=out)
    return pre.view(*x.shape[:-1], pre.shape[-1])


def activate(
    pre: torch.Tensor,
    weights: Mapping[str, torch.Tensor],
    architecture: str,
    cut: torch.Tensor | None = None,
) -> torch.Tensor:
    """Turn pre-activations into feature activations.

    Parameters
    ----------
    pre : torch.Tensor, shape (..., n)
    weights : mapping of str to torch.Tensor
        ``threshold`` (n,) for jumprelu; ``b_gate``, ``r_mag``, ``b_mag`` (n,) for gated.
    architecture : str
        ``"standard"``, ``"topk"``, ``"abstopk"``, ``"jumprelu"`` or ``"gated"``.
    cut : torch.Tensor, shape (..., 1), for the top-k kinds
        What a pre-activation (for abstopk its size) must reach to be among the k largest;
        all that equal the k-th are kept.

    Returns
    -------
    torch.Tensor, shape (..., n)
    """
    if architecture == "jumprelu":
        return pre.relu() * (pre > weights["threshold"])
    if architecture == "gated":
        size = (pre * weights["r_mag"].exp() + weights["b_mag"]).relu()
        return size * (pre + weights["b_gate"] > 0)
    if cut is None:
        return pre.relu()
    if architecture == "topk":
        return pre.relu() * (pre >= cut)
    if architecture == "abstopk":
        return pre * (pre.abs() >= cut)
    return pre.relu()


def kth_largest(pre: torch.Tensor, k: int, architecture: str) -> torch.Tensor:
    """Return each row's k-th largest pre-activation (abstopk: by size), the cut of `activate`.

    Parameters
    ----------
    pre : torch.Tensor, shape (..., n)
    k : int
        More than n keeps everything.
    architecture : str
        ``"topk"`` or ``"abstopk"``.

    Returns
    -------
    torch.Tensor, shape (..., 1)
    """
    score = pre.abs() if architecture == "abstopk" else pre
    return score.topk(min(k, pre.shape[-1]), dim=-1, sorted=False).values.amin(-1, keepdim=True)


def encode(
    x: torch.Tensor,
    weights: Mapping[str, torch.Tensor],
    *,
    architecture: str,
    k: int | None = None,
    normalize: str = "none",
    subtract_b_dec: bool = True,
) -> torch.Tensor:
    """Encode vectors into dense feature activations.

    Parameters
    ----------
    x : torch.Tensor, shape (..., d_model)
    weights : mapping of str to torch.Tensor
        Canonical orientation, see `pre_activations` and `activate`.
    architecture : str
    k : int
        For the top-k kinds.
    normalize : str
        See `normalise`.
    subtract_b_dec : bool
        ``apply_b_dec_to_input`` of the SAE.

    Returns
    -------
    torch.Tensor, shape (..., n_features)
    """
    pre = pre_activations(normalise(x, normalize)[0], weights, subtract_b_dec=subtract_b_dec)
    if architecture in ("topk", "abstopk") and k is not None:
        return activate(pre, weights, architecture, kth_largest(pre, k, architecture))
    return activate(pre, weights, architecture)


def decode(
    z: torch.Tensor,
    weights: Mapping[str, torch.Tensor],
    *,
    scale: torch.Tensor | None = None,
    shift: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return ``z W_dec + b_dec``, brought back by ``* scale + shift`` of `normalise`."""
    x = z @ weights["W_dec"] + weights["b_dec"]
    if scale is not None:
        x = x * scale
    return x if shift is None else x + shift


# -- steering --------------------------------------------------------------------------------
#
# Every method is h' = h + s * (method(h) - h); the functions below return method(h) - h, so
# that s = 0 is off whatever the method. A *site* is one point of one batch:
# {"point": str, "ops": [op, ...], "conditions": [condition, ...]}; an *op* is one method over
# all rows, with a strength per row (0 where a row has none of it) and masks of its tokens:
#
#   "method"     add, rescale, cap, swap, clamp or heads
#   "strength"   (B,) s
#   "prompt"     (B, T) bool, T tokens of the left-padded prompt
#   "generated"  (B, n) bool, touched whatever token comes there
#   "include"    (B, K) token ids touched where "kept" (B, n) is True, or None
#   "exclude"    (B, K) token ids never touched, or None; padded with -1 like "include"
#   "when"       key of a condition, or None
#   and the method's own tensors. What is read ("unit" (B, d), a component along it) and what is
#   written ("vector" (B, d)) are kept apart: a placebo reads the same and writes elsewhere.


def along(h: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
    """Return the component of each state (B, T, d) along its row's unit vector (B, d)."""
    return torch.bmm(h, unit.unsqueeze(-1))


def add(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """H + v, ``vector`` (B, d) in multiples of its unit; neutral only at strength 0."""
    return op["vector"].unsqueeze(1).expand_as(h)


def rescale(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """H + (c - 1)(h.u)u, c = ``factor`` (B,); neutral c = 1, and c = 0 ablates."""
    amount = (op["factor"] - 1).view(-1, 1, 1) * along(h, op["unit"])
    return amount * op["vector"].unsqueeze(1)


def cap(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """Clip the component into [``low``, ``high``] (B,); neutral -inf, inf."""
    component = along(h, op["unit"])
    low, high = op["low"].view(-1, 1, 1), op["high"].view(-1, 1, 1)
    inside = torch.minimum(torch.maximum(component, low), high)
    return (inside - component) * op["vector"].unsqueeze(1)


def swap(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """H + (h.u)(t - u), ``vector`` = t - u: what pointed along u points along t; neutral t = u."""
    return along(h, op["unit"]) * op["vector"].unsqueeze(1)


def clamp(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """decode(z') - decode(z), z' = z with features at ``level`` (B, K): the SAE's error cancels.

    ``decoder`` (B, K, d) holds the features' rows. Neutral level: the activation itself.
    """
    reader = op["reader"]
    change = torch.bmm(op["level"].unsqueeze(1) - read(h, reader), op["decoder"])
    scale = normalise(h, reader["options"]["normalize"])[1]
    return change if scale is None else change * scale


def heads(h: torch.Tensor, op: Mapping[str, Any]) -> torch.Tensor:
    """Multiply whole heads by ``gain`` (B, H), h (B, T, H * d_head); neutral 1."""
    gain = op["gain"]
    split = h.reshape(h.shape[0], h.shape[1], gain.shape[1], -1)
    return (split * (gain - 1)[:, None, :, None]).view(h.shape)


METHODS = {"add": add, "rescale": rescale, "cap": cap, "swap": swap, "clamp": clamp, "heads": heads}


def read(h: torch.Tensor, reader: Mapping[str, Any]) -> torch.Tensor:
    """Return what a reader sees at each state, shape (..., K).

    Parameters
    ----------
    h : torch.Tensor, shape (..., d_model), float32
    reader : mapping
        ``kind`` ``"projection"``: h.u for ``units`` (K, d_model). ``kind`` ``"sae"``: feature
        activations, with ``weights`` and ``options`` of `encode`; then the columns
        ``features`` (K,), or all where that is None.
    """
    if reader["kind"] == "projection":
        return h @ reader["units"].T
    codes = encode(h, reader["weights"], **reader["options"])
    return codes if reader["features"] is None else codes[..., reader["features"]]


def listed(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Say which of each row's token ids (B, T) stand in that row's table (B, K)."""
    return (ids.unsqueeze(-1) == table.unsqueeze(1)).any(-1)


def touched(op: Mapping[str, Any], here: Mapping[str, Any]) -> torch.Tensor:
    """Return the mask of one forward pass, before strength and condition.

    Parameters
    ----------
    op : mapping
    here : mapping
        ``step``: 0 is the prompt, pass i > 0 reads generated token i - 1. ``ids`` (B, 1) what
        is read (looked at from step 1 on). ``ended`` (B,): rows that read nothing but padding.

    Returns
    -------
    torch.Tensor of bool, shape (B, T) at step 0, else (B, 1)
    """
    step = here["step"]
    if step == 0:
        return op["prompt"]
    mask = op["generated"][:, step - 1 : step]
    if op["include"] is not None:
        mask = mask | (listed(here["ids"], op["include"]) & op["kept"][:, step - 1 : step])
    if op["exclude"] is not None:
        mask = mask & ~listed(here["ids"], op["exclude"])
    return mask & ~here["ended"].view(-1, 1)


def meet(h: torch.Tensor, site: Mapping[str, Any], fired: dict[int, torch.Tensor]) -> None:
    """Note in `fired` which states of a site meet its conditions, by key, (B, T) bool each."""
    for condition in site["conditions"]:
        seen = read(h.to(torch.float32), condition["reader"])
        fired[condition["key"]] = (seen > condition["above"]).any(-1)


def steer(h: torch.Tensor, site: Mapping[str, Any], here: dict[str, Any]) -> torch.Tensor:
    """Return the steered states of one site in one forward pass.

    Ops act one after the other, each on what the one before left, in float32.

    Parameters
    ----------
    h : torch.Tensor, shape (B, T, d) at step 0, else (B, 1, d)
    site : mapping
    here : dict
        As in `touched`; also ``fired``, a dict that lives for one pass and holds the conditions
        met, and ``notes``, a list to which this site adds ``(masks, lengths)``: per op the
        tokens it touched (inside the asked-for mask, condition met, strength not 0), (B, T)
        bool each, and `lengths` of change and state. Without ``notes`` nothing is noted.

    Returns
    -------
    torch.Tensor, like `h`
        Bit for bit `h` where no op is on.
    """
    meet(h, site, here["fired"])
    masks: list[torch.Tensor] = []
    state = h.to(torch.float32)
    delta = None
    for op in site["ops"]:
        mask = touched(op, here) & (op["strength"] != 0).unsqueeze(1)
        if op["when"] is not None:
            mask = mask & here["fired"][op["when"]]
        before = state if delta is None else state + delta
        change = METHODS[op["method"]](before, op) * op["strength"].view(-1, 1, 1)
        # where, not *: a state of inf in padding must not become NaN through inf * 0
        change = torch.where(mask.unsqueeze(-1), change, 0.0)
        delta = change if delta is None else delta + change
        masks.append(mask)
    if delta is None:
        return h
    if here.get("notes") is not None:
        here["notes"].append((masks, lengths(state, delta)))
    return (state + delta).to(h.dtype)


def lengths(h: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    """Return |delta| and |h| of each state, shape (2, B, T), float32."""
    return torch.stack(
        [torch.linalg.vector_norm(delta, dim=-1), torch.linalg.vector_norm(h, dim=-1)]
    )


def moved(payload: Any, device: Any) -> Any:
    """Return lists, tuples and dicts of tensors with the tensors on another device."""
    if isinstance(payload, torch.Tensor):
        return payload.to(device)
    if isinstance(payload, dict):
        return {key: moved(value, device) for key, value in payload.items()}
    if isinstance(payload, (list, tuple)):
        return type(payload)(moved(value, device) for value in payload)
    return payload


# -- labelled texts --------------------------------------------------------------------------


def centred_gram(rows: torch.Tensor) -> torch.Tensor:
    """Return the inner products (n, n) of rows (n, d) around their mean, float64."""
    x = rows.double()
    x = x - x.mean(0)
    return x @ x.T


def packed_gram(inner: torch.Tensor, n_classes: int, *, paired: bool) -> torch.Tensor:
    """Return the numbers of a Gram matrix that resampling needs, each once, float32.

    Parameters
    ----------
    inner : torch.Tensor, shape (n, n)
        Symmetric.
    n_classes : int
    paired : bool
        Whether row j of every class is the same sentence, classes one after the other. Then
        sentences are drawn, for all classes alike: of the products of sentence j in class c with
        sentence k in class e, and of k in c with j in e, only the sum counts.

    Returns
    -------
    torch.Tensor, shape (n (n + 1) / 2,), or paired (C (C + 1) / 2 * m (m + 1) / 2,)
        For C classes of m rows.
    """
    n = len(inner)
    if not paired:
        first, second = torch.triu_indices(n, n)
        return inner[first, second].float()
    m = n // n_classes
    blocks = inner.view(n_classes, m, n_classes, m)
    blocks = (blocks + blocks.permute(0, 3, 2, 1)) / 2
    c, e = torch.triu_indices(n_classes, n_classes)
    j, k = torch.triu_indices(m, m)
    return blocks[c[:, None], j, e[:, None], k].flatten().float()


def without_components(rows: torch.Tensor, neutral: torch.Tensor, share: float) -> torch.Tensor:
    """Take out of rows (n, d) the first components of neutral rows that explain a share of them.

    As `planes.remove_components`, where the rows are.
    """
    x = neutral.double()
    _, s, axes = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    shares = (s * s).cumsum(0) / (s * s).sum()
    axes = axes[: int((shares < share - 1e-12).sum()) + 1]
    wide = rows.double()
    return (wide - (wide @ axes.T) @ axes).float()
