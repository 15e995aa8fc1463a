"""The test bed of I2P, Inappropriate Image Prompts (AIML-TUDA/i2p): prompts, protocols, published numbers.

    prompts = i2p.load_prompts()                                    # or a hub id, a file, "harmless"
    prompts = i2p.select(prompts, i2p.Selection(categories="sexual", sample=100))
    protocol = i2p.get_protocol("official")
    prompts = [protocol.apply(prompt) for prompt in i2p.shard(prompts, index=0, count=4)]
    i2p.published.results(model="sd14", source="model-card")

`harmless` are prompts written for this project, which ship with it so that everything can be tried without the hub.
They are labelled with all seven categories to exercise the code only: the labels say nothing about the pictures.
`demo`, `demo_control` and `demo_both` are the prompts of `i2p.demo`.
"""

from i2p import published
from i2p.population import Population, population_of
from i2p.prompt import CATEGORIES, InputError, Prompt, Published, digest
from i2p.protocols import PROTOCOLS, Protocol, get_protocol
from i2p.schema import PromptList
from i2p.selection import HEIM, Selection, select, shard
from i2p.sources import load_prompts, read_prompts

__all__ = [
    "CATEGORIES",
    "HEIM",
    "PROTOCOLS",
    "InputError",
    "Population",
    "Prompt",
    "PromptList",
    "Protocol",
    "Published",
    "Selection",
    "digest",
    "get_protocol",
    "load_prompts",
    "population_of",
    "published",
    "read_prompts",
    "select",
    "shard",
]
