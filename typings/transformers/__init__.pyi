# What volvelle takes from transformers, so that pyright does not bind the hundreds of modules that
# its own __init__ names: a third of the whole check. A name that is missing here is added.
from typing import Any

AutoModelForCausalLM: Any
AutoTokenizer: Any
DynamicCache: Any
GenerationConfig: Any
