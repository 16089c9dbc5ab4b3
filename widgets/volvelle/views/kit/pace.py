"""How often a page is told of what goes on: more only fills the wire."""

from __future__ import annotations

# Seconds between pictures of something that grows: a dozen a second read as flowing.
PICTURE_S = 0.08
# Seconds between messages of one sentence, while only its numbers change.
SENTENCE_S = 0.2
