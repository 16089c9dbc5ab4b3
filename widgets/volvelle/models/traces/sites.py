"""The bodies of every trace: what runs inside the model, here or on a server.

Torch, plain Python and nnsight only, no classes, and of volvelle nothing but `trace_math`: a
remote server is sent this module, `trace_reduced` and that one. Each body is a function of its
own, so that a trace that ends early leaves no value of an earlier one behind, and takes plain
values, lists and tensors. Sites come as ``(path, io)`` or ``(path, io, payload)`` in the order
the forward pass reaches them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nnsight
import torch

from volvelle.formulas.encoder import (
    activate,
    decode,
    kth_largest,
    moved,
    normalise,
    pre_activations,
)
from volvelle.formulas.encoder import steer as turned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# A token this many times the median norm of its text is an outlier.
OUTLIER = 4.0

# Tokens whose codes, by all features, are held at once: 100 MB at 24,576 features.
ENCODED_AT_ONCE = 1024

# Directions whose effects on the whole vocabulary are held at once: 100 MB of 50,000 tokens.
UNEMBEDDED_AT_ONCE = 512


def given_at(lm: Any, path: str, io: str) -> Any:
    """Return what passes a place: a tensor, of some architectures a tuple that begins with it."""
    envoy = lm.get(path)
    return envoy.output if io == "output" else envoy.input


def state_at(lm: Any, path: str, io: str) -> torch.Tensor:
    """Return the state at a place, whether the module gives a tensor or a tuple.

    Writing into what is returned writes into the model.
    """
    state = given_at(lm, path, io)
    return state[0] if isinstance(state, tuple) else state


def rows_of(state: torch.Tensor, rows: int) -> torch.Tensor:
    """Bring a state to (rows, tokens, d): OPT's mlp works on (rows * tokens, d)."""
    return state if state.dim() == 3 else state.view(rows, -1, state.shape[-1])


def outliers(norms: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Mark tokens of extreme norm, each text by itself.

    Parameters
    ----------
    norms : torch.Tensor, shape (rows, tokens)
    real : torch.Tensor, bool, shape (rows, tokens)
        False on padding and on position 0, which is extreme in every text.
    """
    median = norms.masked_fill(~real, float("nan")).nanmedian(-1, keepdim=True).values
    return real & (norms > OUTLIER * median)


def reduce(
    state: torch.Tensor, lengths: torch.Tensor, how: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Reduce right-padded states where they are, and copy what is kept.

    Parameters
    ----------
    state : torch.Tensor, shape (rows, tokens, d)
    lengths : torch.Tensor, shape (rows,)
        Real tokens of each row.
    how : str
        ``"all"`` everything; ``"real"`` everything but padding; ``"last"`` the last real token;
        ``"mean"`` without position 0 and outliers; ``"norm"`` the median of the norms alone,
        over what a mean takes.

    Returns
    -------
    kept : torch.Tensor, shape (rows, tokens, d) or (rows, d) or (n_real, d) or (0,)
    norms : torch.Tensor, float32, shape (rows, tokens) or (rows, 1) for ``"norm"``
        Empty for ``"all"`` and ``"real"``, whose norms can be taken afterwards.
    """
    if how == "all":
        return state.clone(), state.new_empty(0)
    if how == "real":
        place = torch.arange(state.shape[1], device=state.device)
        return state[place < lengths.to(state.device)[:, None]], state.new_empty(0)
    norms = state.float().norm(dim=-1)
    lengths = lengths.to(state.device)
    if how == "last":
        return state[torch.arange(len(state), device=state.device), lengths - 1].clone(), norms
    place = torch.arange(state.shape[1], device=state.device)
    real = (place < lengths[:, None]) & (place > 0)
    # a text of one token has nothing but position 0
    kept = torch.where((lengths > 1)[:, None], real & ~outliers(norms, real), place == 0)
    if how == "norm":
        found = norms.masked_fill(~kept, float("nan")).nanquantile(0.5, dim=-1, keepdim=True)
        return state.new_empty(0), found
    kept = kept.float()
    mean = torch.einsum("rtd,rt->rd", state.float(), kept) / kept.sum(-1, keepdim=True)
    return mean, norms


def read(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str]],
    lengths: torch.Tensor,
    how: str,
    *,
    backend: Any = None,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Read states in one forward pass that ends at the deepest of them."""
    with torch.no_grad(), lm.trace(**inputs, backend=backend) as run:
        states = nnsight.save(
            [
                reduce(rows_of(state_at(lm, path, io), len(lengths)), lengths, how)
                for path, io in sites
            ]
        )
        run.stop()
    return states


def encode(
    lm: Any,
    batches: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
    site: tuple[str, str],
    sae: dict[str, Any],
    *,
    backend: Any = None,
) -> list[tuple[torch.Tensor, ...]]:
    """Run several batches of texts and encode what the model holds, all in one request.

    Parameters
    ----------
    batches : list of (ids, lengths, skip)
        ``ids`` (rows, tokens) right-padded; of each row, how many tokens are real, and how many
        of the first ones are somebody's context and not encoded.
    site : tuple of str
        Path and io.
    sae : dict
        ``weights`` with ``W_dec``, ``options`` of `trace_math.encode`.

    Returns
    -------
    list of tuple of torch.Tensor
        Per batch what `codes_of` returns.
    """
    with torch.no_grad(), lm.session(backend=backend):
        found = nnsight.save([])
        sent = moved(sae, lm.device)
        for ids, lengths, skip in batches:
            with lm.trace(input_ids=ids, use_cache=False) as run:
                state = rows_of(state_at(lm, *site), len(ids)).clone()
                run.stop()
            found.append(codes_of(state, lengths, skip, sent))
    return found


def codes_of(
    state: torch.Tensor, lengths: torch.Tensor, skip: torch.Tensor, sae: dict[str, Any]
) -> tuple[torch.Tensor, ...]:
    """Encode right-padded states where they are.

    Returns
    -------
    values : torch.Tensor, float32, shape (n,)
        Of the codes that are not 0, token after token.
    columns : torch.Tensor, int32, shape (n,)
    counts : torch.Tensor, int32, shape (n_tokens,)
        How many each encoded token has.
    cuts : torch.Tensor, float32, shape (n_tokens,) or (0,)
        What a pre-activation had to reach; empty for kinds without k.
    norms : torch.Tensor, float32, shape (rows, tokens)
    sums : torch.Tensor, float64, shape (2 + d,)
        Over tokens that are encoded and no outliers: |x|^2, |x - decode(z)|^2, and x. Zeros
        where the decoder was not sent.
    """
    place = torch.arange(state.shape[1], device=state.device)
    real = place < lengths.to(state.device)[:, None]
    wanted = real & (place >= skip.to(state.device)[:, None])
    norms = state.float().norm(dim=-1)
    usable = (wanted & ~outliers(norms, real & (place > 0)))[wanted]
    weights, options = sae["weights"], sae["options"]
    kind, k = options["architecture"], options["k"]
    values, columns, counts, cuts = [], [], [], [state.new_empty(0).float()]
    sums = torch.zeros(2 + state.shape[-1], dtype=torch.float64, device=state.device)
    rows = state[wanted].float()
    for start in range(0, len(rows), ENCODED_AT_ONCE):
        x, good = rows[start : start + ENCODED_AT_ONCE], usable[start : start + ENCODED_AT_ONCE]
        scaled, scale, shift = normalise(x, options["normalize"])
        pre = pre_activations(scaled, weights, subtract_b_dec=options["subtract_b_dec"])
        cut = kth_largest(pre, k, kind) if kind in ("topk", "abstopk") else None
        codes = activate(pre, weights, kind, cut)
        if cut is not None:
            cuts.append(cut[:, 0])
        on = codes != 0
        values.append(codes[on])
        columns.append(on.nonzero()[:, 1].int())
        counts.append(on.sum(-1).int())
        if "W_dec" not in weights:
            continue
        error = x - decode(codes, weights, scale=scale, shift=shift)
        sums[0] += x[good].double().square().sum()
        sums[1] += error[good].double().square().sum()
        sums[2:] += x[good].double().sum(0)
    found = [torch.cat(part) for part in (values, columns, counts, cuts)]
    return tuple(part.cpu() for part in (*found, norms, sums))


def steer(lm: Any, sites: list[tuple[str, str, dict[str, Any]]], here: dict[str, Any]) -> None:
    """Turn the states of one forward pass, in the order of the sites.

    `here` describes the pass, as `trace_math.steer` takes it: ``step`` 0 for the prompt, then
    one per generated token; ``ids`` (rows, tokens), left-padded; ``ended`` (rows,);
    ``notes``, a list that gets what was applied, or None; ``before``, a list that gets the
    states of the first site as they come where they come as a tensor, or None.
    """
    here["fired"] = {}
    for n, (path, io, payload) in enumerate(sites):
        given = given_at(lm, path, io)
        whole = not isinstance(given, tuple)
        rows = rows_of(given if whole else given[0], len(here["ids"]))
        if n == 0 and whole and here.get("before") is not None:
            here["before"].append(rows.clone())
        steered = turned(rows, payload, here)
        if steered is not rows:
            rows[:] = steered


def only_prompt(inputs: dict[str, Any], device: Any) -> dict[str, Any]:
    """Describe the one pass of a run that generates nothing, as `steer` takes it."""
    seen = inputs["input_ids"].to(device)
    ended = torch.zeros(len(seen), dtype=torch.bool, device=device)
    return {"step": 0, "ids": seen, "ended": ended, "notes": None}


def draw(
    logp: torch.Tensor, temperature: float, noise: list[torch.Generator], of_row: torch.Tensor
) -> torch.Tensor:
    """Choose the next token of each row, each by its own generator.

    Sampling is by exponential races, ``argmax p / E``: with the same noise, rows whose
    probabilities differ little choose the same token, which couples a steered row to its
    baseline.

    Parameters
    ----------
    logp : torch.Tensor, float32, shape (rows, vocabulary)
    temperature : float
        0 takes the likeliest.
    noise : list of torch.Generator, on the CPU
    of_row : torch.Tensor, int64, shape (rows,)
        Which generator each row draws from; rows that share one share its draws.

    Returns
    -------
    torch.Tensor, int64, shape (rows,)
    """
    if temperature <= 0:
        return logp.argmax(-1)
    width = logp.shape[-1]
    race = torch.stack([torch.empty(width).exponential_(generator=g) for g in noise])
    return (logp / temperature - race.log().to(logp.device)[of_row]).argmax(-1)


def tell(  # noqa: PLR0917 - the arguments of a step's callback
    mark: str,
    step: int,
    ids: list[int],
    logprobs: list[float],
    watched: list[list[float]],
    touched: list[list[bool]],
) -> None:
    """Print one step as a line of numbers: a server's log is what comes back while it runs.

    Which tokens were touched goes as one hexadecimal number a row, the first token its highest
    bit, in as many digits as the tokens need.
    """
    flat = [f"{p:.7g}" for p in logprobs]
    for row in watched:
        flat += [f"{p:.7g}" for p in row]
    for marks in touched:
        bits = "".join("1" if on else "0" for on in marks)
        flat.append(f"{int(bits, 2):0{(len(bits) + 3) // 4}x}")
    print(" ".join([mark, str(step), *map(str, ids), *flat]) + "\n", end="")  # noqa: T201


def write(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str, dict[str, Any]]],
    settings: dict[str, Any],
    on_step: Callable[..., None] | None = None,
    *,
    backend: Any = None,
) -> tuple[list[Any], ...]:
    """Generate rows together, steered, each drawing its own tokens.

    The token is drawn here and forced on the generation loop by its logits, so that the same
    body samples on any server. It knows itself when the last row has ended and leaves the loop
    then: a loop that asks for a step the run does not make would skip what follows.

    Parameters
    ----------
    inputs : dict
        ``input_ids`` and ``attention_mask``, left-padded.
    settings : dict
        ``n`` steps, ``temperature``, ``seeds`` and which of them each row draws from
        (``of_row``, a tensor), ``eos`` and ``watch`` (tensors of ids: what ends a row, whose
        probabilities are kept), ``noting`` (whether to note what steering did), ``keeping``
        (whether to keep the states that reach the first site, and the keys and values),
        ``generate`` (arguments of the loop).
    on_step : callable(step, ids, logprobs, watched, touched), optional
        Called with every step's tokens, -1 for rows that ended, and, where steering is noted,
        which of the tokens read it touched; may raise to end it all.

    Returns
    -------
    ids : list of torch.Tensor, int64, each (rows,)
        -1 after a row's end.
    logprobs : list of torch.Tensor, float32, each (rows,)
    watched : list of torch.Tensor, float32, each (rows, watch)
        Natural-log probabilities before the step's token is drawn.
    notes : list over steps of list over sites
    before : list of torch.Tensor, each (rows, tokens, d)
        What reached the first site, padding too; empty unless kept.
    cache : list of one Cache
        Keys and values of what was read; empty unless kept, or where there are none.
    """
    with torch.no_grad(), lm.generate(**inputs, **settings["generate"], backend=backend) as run:
        ids = nnsight.save([])
        logprobs = nnsight.save([])
        watched = nnsight.save([])
        notes = nnsight.save([])
        before = nnsight.save([])
        cache = nnsight.save([])
        device = lm.device
        places = moved(sites, device)
        noise = [torch.Generator().manual_seed(seed) for seed in settings["seeds"]]
        of_row = settings["of_row"].to(device)
        seen = inputs["input_ids"].to(device)
        eos, watch = settings["eos"].to(device), settings["watch"].to(device)
        ended = torch.zeros(len(seen), dtype=torch.bool, device=device)
        for step in run.iter[: settings["n"]]:
            noted = [] if settings["noting"] else None
            here = {"step": step, "ids": seen, "ended": ended, "notes": noted}
            here["before"] = before if settings["keeping"] else None
            steer(lm, places, here)
            out = lm.output
            logits = out.logits[:, -1]
            if step == 0 and settings["keeping"] and getattr(out, "past_key_values", None):
                cache.append(out.past_key_values)
            logp = logits.float().log_softmax(-1)
            chosen = draw(logp, settings["temperature"], noise, of_row)
            logprob = logp.gather(-1, chosen[:, None])[:, 0]
            logits.fill_(float("-inf"))
            logits.scatter_(-1, chosen[:, None], 0.0)
            ids.append(torch.where(ended, -1, chosen))
            logprobs.append(logprob)
            watched.append(logp[:, watch])
            notes.append(moved(noted, "cpu"))
            ended = ended | torch.isin(chosen, eos)
            seen = chosen[:, None]
            if on_step is not None:
                marks = touched_in(noted)
                told = (ids[-1], logprob, watched[-1])
                on_step(step, *(part.tolist() for part in told), marks)
            if bool(ended.all()):
                break
    return ids, logprobs, watched, notes, before, cache


def touched_in(noted: list[Any] | None) -> list[list[bool]]:
    """Return which tokens any steer of one pass touched, per row; empty where none was noted."""
    masks = [mask for site, _ in noted or [] for mask in site]
    return torch.stack(masks).any(0).tolist() if masks else []


def score(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str, dict[str, Any]]],
    written: torch.Tensor,
    known: tuple[Sequence[str], torch.Tensor | None] = ((), None),
    *,
    backend: Any = None,
) -> torch.Tensor:
    """Return natural-log probabilities of the tokens that follow the last ones read.

    Parameters
    ----------
    inputs : dict
        What is read: each row but the last token it is scored for.
    written : torch.Tensor, int64, shape (rows, kept)
        The token that follows each of the last `kept` ones; any token where there is none.
    known : (sequence of str, torch.Tensor)
        Paths of the first blocks, which need not run, and what the last of them gives, shape
        (rows, tokens, d); blocks that give a tensor, not a tuple.

    Returns
    -------
    torch.Tensor, float32, shape (rows, kept)
    """
    with torch.no_grad(), lm.trace(**inputs, backend=backend):
        for path in known[0]:
            lm.get(path).skip(known[1])
        steer(lm, moved(sites, lm.device), only_prompt(inputs, lm.device))
        logits = lm.output.logits[:, -written.shape[1] :].float()
        asked = written[..., None].to(logits.device)
        logprobs = nnsight.save(logits.gather(-1, asked)[..., 0] - logits.logsumexp(-1))
    return logprobs  # noqa: RET504 - nnsight hands saved values back by name


def write_scored(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str, dict[str, Any]]],
    settings: dict[str, Any],
    on_step: Callable[..., None] | None = None,
    *,
    backend: Any = None,
) -> tuple[Any, ...]:
    """Write as `write` does, then score what was written without steers, in one request.

    Parameters
    ----------
    inputs, sites, on_step
        As for `write`.
    settings : dict
        As for `write`; besides, ``pass_rows`` (how many rows are scored together) and ``takes``
        (whether a forward pass has the arguments ``position_ids`` and ``logits_to_keep``).

    Returns
    -------
    tuple
        What `write` returns, and as a seventh unsteered natural-log probabilities, float32,
        (rows, steps); of steps after a row's end they mean nothing.
    """
    with torch.no_grad(), lm.session(backend=backend):
        found = nnsight.save([])
        found.extend(write(lm, inputs, sites, settings, on_step))
        ids = torch.stack(list(found[0]), 1)
        kept = ids.shape[1]
        told = inputs["attention_mask"].to(ids.device)
        mask = torch.cat([told, (ids >= 0).to(told.dtype)], 1)[:, :-1]
        written = ids.clamp(min=0)
        tokens = torch.cat([inputs["input_ids"].to(ids.device), written], 1)[:, :-1]
        parts = []
        for start in range(0, len(ids), settings["pass_rows"]):
            rows = slice(start, start + settings["pass_rows"])
            more = {"input_ids": tokens[rows], "attention_mask": mask[rows], "use_cache": False}
            if settings["takes"]["position_ids"]:
                more["position_ids"] = (mask[rows].cumsum(-1) - 1).clamp(min=0)
            if settings["takes"]["logits_to_keep"]:
                more["logits_to_keep"] = kept
            parts.append(score(lm, more, [], written[rows]))
        found.append(torch.cat(parts))
    return tuple(found)


def predict(
    lm: Any,
    inputs: dict[str, Any],
    sites: list[tuple[str, str, dict[str, Any]]],
    tokens: torch.Tensor | None,
    *,
    backend: Any = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return natural-log probabilities of the next token and their entropy.

    Returns
    -------
    logprobs : torch.Tensor, float32, shape (rows, tokens asked for)
    entropy : torch.Tensor, float32, shape (rows,)
        Over the whole vocabulary, in nats; empty where all of it is returned.
    """
    with torch.no_grad(), lm.trace(**inputs, backend=backend):
        steer(lm, moved(sites, lm.device), only_prompt(inputs, lm.device))
        scores = lm.output.logits[:, -1].float().log_softmax(-1)
        entropy = scores.new_empty(0)
        if tokens is not None:
            entropy = torch.special.entr(scores.exp()).sum(-1)
            scores = scores[:, tokens.to(lm.device)]
        found = nnsight.save((scores.clone(), entropy))
    return found  # noqa: RET504 - as above


def gain_of(norm: Any, like: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """Return a norm's gain (d,) and whether it subtracts the mean.

    Measured on the module: architectures disagree whether a stored 0 means a gain of 0 or 1.

    Parameters
    ----------
    norm : module, or None for a gain of 1
    like : torch.Tensor, shape (..., d)
        Its width, device and dtype are taken.
    """
    if norm is None:
        return like.new_ones(like.shape[-1]).float(), False
    # root mean square 1 and, but for an odd width, mean 0: both kinds of norm leave it alone
    probe = like.new_ones(like.shape[-1])
    probe[1::2] = -1
    gain = ((norm(probe[None]) - norm(-probe[None])) / (2 * probe)).float()[0]
    shifted = norm(torch.ones_like(probe)[None]) - norm(torch.zeros_like(probe)[None])
    return gain, bool(shifted.abs().max() < 0.5 * gain.abs().max())


def effects_of(
    vectors: torch.Tensor, weight: torch.Tensor, gain: torch.Tensor, k: int, *, centred: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what directions promote and suppress: ids and effects, each (n, k) twice."""
    if centred:
        vectors = vectors - vectors.mean(-1, keepdim=True)
    effects = ((vectors * gain).to(weight.dtype) @ weight.T).float()
    effects = effects - effects.mean(-1, keepdim=True)
    highest, promoted = effects.topk(k)
    lowest, suppressed = effects.topk(k, largest=False)
    return promoted, highest, suppressed, lowest


def unembed(  # noqa: PLR0917 - a runner passes what follows the model by place
    lm: Any,
    inputs: dict[str, Any],
    paths: tuple[str, str, str],
    vectors: torch.Tensor,
    k: int,
    what: str = "both",
    *,
    backend: Any = None,
) -> list[torch.Tensor]:
    """Return the tokens that directions promote and suppress, where the weights are.

    Parameters
    ----------
    inputs : dict
        Any one token: a trace begins with a forward pass, which ends at once here.
    paths : tuple of str
        Of the embedding, the final norm ("" for none) and the unembedding.
    vectors : torch.Tensor, float32, shape (n, d)
    what : str
        ``"both"`` returns what `effects_of` does, ``"promoted"`` the ids (n, k) of what is
        promoted alone, int32.
    """
    with torch.no_grad(), lm.trace(**inputs, backend=backend) as run:
        embed, norm, head = paths
        state_at(lm, embed, "output")
        weight = lm.get(head).weight
        gain, centred = gain_of(lm.get(norm) if norm else None, weight)
        here = vectors.to(weight.device).split(UNEMBEDDED_AT_ONCE)
        parts = [effects_of(rows, weight, gain, k, centred=centred) for rows in here]
        if what == "promoted":
            parts = [(ids.int(),) for ids, *_ in parts]
        found = nnsight.save([torch.cat(part).cpu() for part in zip(*parts, strict=True)])
        run.stop()
    return found
