"""Draw a list of prompts with any text-to-image pipeline of diffusers, for `model=images` (docs/images.md).

    python scripts/any_pipeline.py black-forest-labs/FLUX.1-dev pictures/flux          # the prompts of I2P
    python scripts/any_pipeline.py MODEL FOLDER list.csv                               # other prompts

Run again, it draws what is missing.
"""

import sys
import warnings
from pathlib import Path

import torch
from command_line import end_with
from diffusers import DiffusionPipeline

import i2p
from sld.errors import first_line


def main() -> None:
    if {"-h", "--help"} & {*sys.argv[1:]}:
        print(__doc__.strip())
        return
    if len(sys.argv) not in (3, 4):
        raise i2p.InputError(f"words must be MODEL FOLDER [PROMPTS], found {len(sys.argv) - 1}: give two, or three")
    model, _, *prompts = sys.argv[1:]
    i2p.load_prompts(*prompts)  # refused before a model is loaded
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an argument of diffusers that the hub's client no longer has
            DiffusionPipeline.load_config(model)
    except (OSError, ValueError) as error:
        raise i2p.InputError(
            f"MODEL must be a pipeline of diffusers, on the hub or in a folder, found {model!r} "
            f"({first_line(error).rstrip('.')}): correct it"
        ) from error
    draw(*sys.argv[1:])


def draw(model: str, folder: str, *prompts: str) -> None:
    device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
    pipe = DiffusionPipeline.from_pretrained(model, torch_dtype=dtype).to(device)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for prompt in i2p.load_prompts(*prompts):
        if not (path := Path(folder, f"{prompt.row}_0.png")).exists():
            pipe(prompt.text, generator=torch.Generator().manual_seed(prompt.seed)).images[0].save(path)


if __name__ == "__main__":
    end_with(main)
