"""What a view sends to the browser, counted at the comm: every message, buffers included.

The model runs once per length; the view is handed what it would have computed itself.
"""

from __future__ import annotations

import json
from typing import Any

import comm
from comm.base_comm import BaseComm
from harness import Table, two_threads
from texts import text_of

import volvelle as vv
from volvelle.views.activations.shown import from_activations

LENGTHS = (1000, 10_000)  # tokens
N_FEATURES = (1, 8)
TARGET_KB = {(10_000, 8): 400}
PEERS_KB = {(10_000, 1): 161, (10_000, 8): 1760}  # their HTML for the same
BUNDLE = ("_esm", "_css", "_bundle")


class Counter(BaseComm):
    """A comm that weighs what it would send."""

    sent = 0

    def publish_msg(
        self,
        msg_type: str,
        data: Any = None,
        metadata: Any = None,
        buffers: Any = None,
        **keys: Any,
    ) -> None:
        """Weigh one message, without the bundle, which is the same for any text."""
        data = dict(data or {})
        state = data.get("state")
        if isinstance(state, dict):
            data["state"] = {k: v for k, v in state.items() if k not in BUNDLE}
        Counter.sent += len(json.dumps(data).encode())
        Counter.sent += sum(memoryview(buffer).nbytes for buffer in buffers or ())


def main() -> None:
    comm.create_comm = Counter
    two_threads()
    model, sae = vv.load("smollm2"), vv.demo_sae("a")
    table = Table(
        "bytes to the browser, FeatureActivations without its bundle",
        ("tokens x features", "kB", "target", "peers' HTML"),
    )
    for n_tokens in LENGTHS:
        acts = vv.encode(model, text_of(model.tokenizer, n_tokens), sae)
        features = acts.top_features(max(N_FEATURES))["feature"].tolist()
        shown = from_activations(acts)
        for n in N_FEATURES:
            Counter.sent = 0
            view = vv.FeatureActivations(selected_features=features[:n])
            view._show(shown)
            kilobytes = Counter.sent / 1e3
            target = TARGET_KB.get((n_tokens, n))
            peers = PEERS_KB.get((n_tokens, n))
            table.row(
                f"{n_tokens} x {n}",
                f"{kilobytes:.0f}",
                f"<= {target}" if target else "",
                f"{peers}" if peers else "",
            )
            view.close()


if __name__ == "__main__":
    main()
