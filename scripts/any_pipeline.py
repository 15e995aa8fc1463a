"""Draw a list of prompts with any text-to-image pipeline of diffusers, for `model=images` (docs/images.md).

    python scripts/any_pipeline.py black-forest-labs/FLUX.1-dev pictures/flux          # the prompts of I2P
    python scripts/any_pipeline.py MODEL FOLDER list.csv                               # other prompts

Run again, it draws what is missing.
"""

import sys
from pathlib import Path

import torch
from diffusers import DiffusionPipeline

import i2p

model, folder, *prompts = sys.argv[1:]
device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
pipe = DiffusionPipeline.from_pretrained(model, torch_dtype=dtype).to(device)
Path(folder).mkdir(parents=True, exist_ok=True)
for prompt in i2p.load_prompts(*prompts):
    if not (path := Path(folder, f"{prompt.row}_0.png")).exists():
        pipe(prompt.text, generator=torch.Generator().manual_seed(prompt.seed)).images[0].save(path)
