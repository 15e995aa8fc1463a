"""Draw a list of prompts with any text-to-image pipeline of diffusers, for `model=images` (docs/images.md).

    python scripts/any_pipeline.py black-forest-labs/FLUX.1-dev pictures/flux          # the prompts of I2P
    python scripts/any_pipeline.py MODEL FOLDER list.csv                               # other prompts

Run again, it draws what is missing.
"""

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from command_line import end_with, folder
from diffusers import DiffusionPipeline

import i2p
from eval.base.printing import say
from eval.base.words import counted
from sld.errors import first_line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="a pipeline of diffusers, on the hub or in a folder")
    parser.add_argument("folder", metavar="FOLDER", type=folder, help="where the pictures go")
    parser.add_argument(
        "prompts", metavar="PROMPTS", nargs="?", help="a file, or a name such as demo (default: I2P on the hub)"
    )
    arguments = parser.parse_args()
    prompts = i2p.load_prompts(arguments.prompts)
    check_model(arguments.model)
    before = count(arguments.folder, prompts)
    draw(arguments.model, arguments.folder, prompts)
    say(f"{counted(count(arguments.folder, prompts) - before, 'picture')} drawn, {before} were there already")


def count(folder: Path, prompts: Sequence[i2p.Prompt]) -> int:
    """Return how many of the prompts have a picture."""
    return sum((folder / f"{prompt.row}_0.png").exists() for prompt in prompts)


def check_model(model: str) -> None:
    """Refuse what is no pipeline before its weights are downloaded and loaded; an InputError says why."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an argument of diffusers that the hub's client no longer has
            DiffusionPipeline.load_config(model)
    except (OSError, ValueError) as error:
        raise i2p.InputError(
            f"MODEL must be a pipeline of diffusers, on the hub or in a folder, found {model!r} "
            f"({first_line(error).rstrip('.')}): correct it"
        ) from error


def draw(model: str, folder: Path, prompts: Sequence[i2p.Prompt]) -> None:
    device, dtype = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
    pipe = DiffusionPipeline.from_pretrained(model, torch_dtype=dtype).to(device)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:  # so that no kill leaves half a picture
        for prompt in prompts:
            if not (path := folder / f"{prompt.row}_0.png").exists():
                picture = pipe(prompt.text, generator=torch.Generator().manual_seed(prompt.seed)).images[0]
                picture.save(temporary := Path(scratch, path.name))
                temporary.replace(path)


if __name__ == "__main__":
    end_with(main)
