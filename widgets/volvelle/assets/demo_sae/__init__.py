"""Two demo dictionaries of SmolLM2-135M-Instruct, and the recipe that makes them again.

``a/`` and ``b/`` are what ``vv.demo_sae`` loads; ``card.md`` says what they are and are not.
The recipe runs as ``python -m volvelle.assets.demo_sae.make``: ``fetch`` (packages),
``corpus`` (documents by register), ``chats`` (text sampled from the model), ``harvest``
(residuals), ``train``, ``measure``, ``label``, ``card``.
"""
