"""What the README shows of a remote model runs on a server."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def test_the_remote_block_runs_with_the_demo_model_for_the_large_one(host):
    (block,) = re.findall(r"```py\n(.*?)```", README, re.DOTALL)
    shown = '"meta-llama/Llama-3.1-8B", remote=True'
    assert shown in block
    names = {}
    code = "import volvelle as vv\n" + block.replace(shown, f'"smollm2", remote={host!r}')
    exec(
        compile(code.replace("remote_models()", f"remote_models({host!r})"), "README.md", "exec"),
        names,
    )
    assert names["job"].status == "done"
    assert names["job"].requests[0].sent == 0
