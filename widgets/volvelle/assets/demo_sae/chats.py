"""Chats and notes sampled from the demo model itself: registers that no free package holds.

The prompts are built from the lists below, which were written for this purpose. What is sampled is
the model's own text: it says how the model writes, not what is true.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import torch

from volvelle.assets.demo_sae.corpus import Document
from volvelle.assets.demo_sae.harvest import load_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The block that the model's chat template puts before every conversation.
SYSTEM = (
    "<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
)
N_CHATS, N_NOTES = 460, 260
BATCH = 120
MAX_NEW_TOKENS = 100
TEMPERATURE, TOP_K = 0.9, 50
# Of the conversations, this share goes on for a second turn.
SECOND_TURN = 0.3

TOPICS = """
moving to a new city; a broken dishwasher; learning to swim as an adult; the water cycle; my
grandmother's garden; a job interview; planning a birthday party; black holes; a lost cat; saving
money; a long train journey; baking bread; a quarrel with my brother; the French Revolution; fear
of flying; a marathon; photosynthesis; a noisy neighbour; learning the guitar; a school play; tax
forms; climbing a mountain; a new puppy; insomnia; the stock market; a wedding speech; vaccines; a
power cut; an old photograph; chess openings; a flooded cellar; volcanoes; homesickness; a
surprise visit; cleaning the kitchen; a football match; the history of paper; gravity; a rainy
holiday; an exam result; vegetable soup; a library; bicycle repair; a funeral; the moon landing; a
first day at work; jealousy; a secret; recycling; a hospital stay; whales; a promotion; stage
fright; a hidden door; coffee; a late bus; honesty; a robot that paints; earthquakes; a broken
promise; knitting; the immune system; an apology; a lottery ticket; bees; a thunderstorm; poetry;
a museum; time zones; an empty house; a camping trip; compound interest; a letter from a friend;
allergies; the night sky; a bad haircut; democracy; a missed call; ice skating; a recipe from
childhood; running out of time; pirates; a new colleague; gratitude; an argument about politics;
batteries; a sculpture; the desert; loneliness; a magic trick; a traffic jam; painting a room;
probability; a stolen bicycle; an island; growing tomatoes; a lie; a concert; forgiveness;
glaciers
"""
ASK = """
Explain {} to a ten-year-old.; Write a short story about {}.; What should I know about {}?; Give
me five tips about {}.; I feel anxious about {}. What can I do?; I am so happy about {}! Help me
tell my friends.; Write a poem about {}.; What are the pros and cons of {}?; Write an angry letter
about {}.; Ask me three questions about {}.; Why do people care about {}?; Summarise what matters
about {} in two sentences.; Write a dialogue between two friends about {}.; I am disappointed
because of {}.; Can you give me some advice about {}?; How would a scientist describe {}?; What is
the first thing to do about {}?; Tell me a joke about {}.; Write a Python function that has to do
with {}.; Describe {} with all five senses.; Is it normal to be sad about {}?; Write a news report
about {}.; Make a table of facts about {}.; Convince me to care about {}.
"""
JOT = """
Write a short diary entry about {}, without a title.; Write a shopping list and a reminder about
{}.; Write quick notes from a meeting about {}.; Write a to-do list about {}.; Write a short text
message to a friend about {}.; Write lecture notes about {}.; Write a short e-mail to a colleague
about {}.; Write rough notes to yourself about {}.; Write down a few ideas about {}.; Write a
travel journal note about {}.; Write a short note to leave on the kitchen table about {}.; Write
minutes with decisions and open points about {}.
"""
GO_ON = """
Can you say more about that?; Make it shorter.; Thank you, that helps a lot!; I don't agree. Why
do you think so?; Give me an example.; What would you do first?; Say it in a friendlier way.; And
if it goes wrong?
"""


def _list(text: str) -> list[str]:
    return [" ".join(item.split()) for item in text.split(";")]


def prompt(question: str) -> str:
    """Put a user's turn into the model's chat template, up to where the answer begins."""
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


def sample(path: Path, log: Callable[[str], None] = print) -> list[Document]:
    """Sample chats and notes, or read them back where that was done.

    Parameters
    ----------
    path : pathlib.Path
        JSON file the documents are kept in.
    log : callable
        Told the progress.

    Returns
    -------
    list of Document
        Registers ``chat`` (whole conversations with the template's marks) and ``notes`` (the
        answer alone). Held out by topic: no topic is on both sides.
    """
    if path.exists():
        return [Document(*entry) for entry in json.loads(path.read_text())]
    model, tokenizer = load_model(None)
    model.bfloat16()
    tokenizer.padding_side = "left"
    rng = random.Random(0)  # noqa: S311 - not for secrets
    topics, ask, jot, go_on = (_list(text) for text in (TOPICS, ASK, JOT, GO_ON))
    plan = [("chat", ask)] * N_CHATS + [("notes", jot)] * N_NOTES
    rng.shuffle(plan)
    kept = []
    for start in range(0, len(plan), BATCH):
        chosen = [(r, rng.choice(topics), rng.choice(kinds)) for r, kinds in plan[start:][:BATCH]]
        texts = [SYSTEM + prompt(kind.format(topic)) for _, topic, kind in chosen]
        answers = _continue(model, tokenizer, texts, seed=start)
        more = [i for i, c in enumerate(chosen) if c[0] == "chat" and rng.random() < SECOND_TURN]
        for i, (register, topic, _) in enumerate(chosen):
            text = answers[i] if register == "notes" else texts[i] + answers[i]
            if i in more:
                # The second question is left unanswered: its tokens are what is wanted.
                text += f"<|im_end|>\n<|im_start|>user\n{rng.choice(go_on)}<|im_end|>\n"
            kept.append(Document(register, f"topic/{topic}", text))
        log(f"sampled {len(kept)} of {len(plan)}")
    path.write_text(json.dumps([[d.register, d.name, d.text] for d in kept]))
    return kept


def _continue(model: Any, tokenizer: Any, texts: list[str], seed: int) -> list[str]:
    """Sample an answer to each text.

    A loop of its own: `generate` sorts and draws over the whole vocabulary, which took three
    times as long as the model did.
    """
    rng = torch.Generator().manual_seed(seed)
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    ids, mask, past, sampled = batch["input_ids"], batch["attention_mask"], None, []
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    over = torch.zeros(len(texts), dtype=torch.bool)
    with torch.inference_mode():
        for _ in range(MAX_NEW_TOKENS):
            out = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=past,
                use_cache=True,
                logits_to_keep=1,
            )
            past = out.past_key_values
            likely, index = out.logits[:, -1].float().topk(TOP_K)
            drawn = torch.multinomial((likely / TEMPERATURE).softmax(-1), 1, generator=rng)
            ids = index.gather(1, drawn)
            over |= ids[:, 0] == tokenizer.eos_token_id
            ids[over] = tokenizer.eos_token_id
            sampled.append(ids)
            if over.all():
                break
            mask = torch.cat([mask, torch.ones_like(ids)], 1)
            positions = positions[:, -1:] + 1
    return tokenizer.batch_decode(torch.cat(sampled, 1), skip_special_tokens=True)
