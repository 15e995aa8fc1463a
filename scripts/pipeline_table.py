"""How the pipelines of the installed diffusers guide, read from their source: writes docs/pipelines.md.

python scripts/pipeline_table.py
"""

import argparse
import ast
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from command_line import end_with, write_page
from tabulate import tabulate

from sld.pipelines import PIPELINES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "pipelines.md"
HEAD = """\
# How diffusers' pipelines guide

Made by [scripts/pipeline_table.py](../scripts/pipeline_table.py) from the source of diffusers {version}, not by hand.
Safety guidance can be attached ([attach.md](attach.md)) to the classes in **bold**; for the others the table tells
what it would take.

- **denoiser**: *batch* is one call per step with the negative prompts and the prompts in one batch, *two calls* is one
  call for each, *three* is a third branch (which SD 3 has on request), *guider* is a guider of diffusers, *none* is no
  guidance by a negative prompt that the script recognises.
- **order** in the batch.
- **formula**, with the scale s, e_0 for the negative prompt and e_p for the prompt. In `e_p + s (e_p - e_0)`, s is one
  less than in `e_0 + s (e_p - e_0)`.
- **sign**: − where the pipeline negates a prediction before the scheduler's step.
- **distilled**: the setting by which a guidance-distilled network says that it is one. It gets the scale as a number;
  without a negative prompt beside it, safety guidance has nothing to act on.

"""
NEGATIVE_FIRST, PROMPT_FIRST = "negative, prompt", "prompt, negative"
FORMULAS = {"C": "e_0 + s (e_p - e_0)", "B": "e_p + s (e_p - e_0)"}
KINDS = (ast.BinOp, ast.Call, ast.Assign, ast.UnaryOp)
SETTINGS = ("guidance_embeds", "time_cond_proj_dim", "is_distilled")


@dataclass(frozen=True)
class Guidance:
    """How a class guides, as cells of the table."""

    denoiser: str
    order: str
    formula: str
    sign: str
    distilled: str


def classes(root: Path) -> Iterator[tuple[str, ast.ClassDef, str]]:
    """Yield (folder, class, source) of every pipeline with a sampling loop, deprecated ones aside."""
    for path in sorted(root.glob("*/pipeline_*.py")):
        if path.parent.name == "deprecated":
            continue
        source = path.read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            methods = {item.name for item in getattr(node, "body", []) if isinstance(item, ast.FunctionDef)}
            if isinstance(node, ast.ClassDef) and "__call__" in methods and "Pipeline" in node.name:
                yield path.parent.name, node, "\n".join(source.splitlines()[node.lineno - 1 : node.end_lineno])


def read_guidance(pipeline: ast.ClassDef, source: str) -> Guidance:
    """Return how a class guides, from all expressions A + scale * (B - C) and all chunks in it."""
    parts = (part for part in pipeline.body if getattr(part, "name", None) != "invert")  # of a picture, for editing
    nodes = [node for part in parts for node in ast.walk(part) if isinstance(node, KINDS)]
    differences, chunks = list(_differences(nodes)), list(_chunks(nodes))
    pairs = [names for names in chunks if len(names) == 2]
    threes = any(len(names) == 3 and set(names) & {b for _, b, _ in differences} for names in chunks)
    formulas = sorted({FORMULAS["C" if a == c else "B"] for a, b, c in differences if a in (b, c)})
    orders = sorted(
        {
            NEGATIVE_FIRST if c == names[0] else PROMPT_FIRST
            for _, b, c in differences
            for names in pairs
            if {b, c} == {*names}
        }
    )
    if threes or any(a not in (b, c) for a, b, c in differences):
        denoiser = "three"
    elif differences:
        denoiser = "batch" if orders else "two calls"
    else:
        denoiser = "guider" if "self.guider" in source else "none"
    return Guidance(
        denoiser,
        "; ".join(orders),
        "; ".join(formulas),
        "−" if _negates(nodes) else "",
        ", ".join(name for name in SETTINGS if name in source),
    )


def _differences(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, str, str]]:
    """Yield (A, B, C) of each A + scale * (B - C), lerp(A, B, scale) with C = A, and (scale + 1) * B - scale * C."""
    for node in nodes:
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "torch.lerp"
            and "scale" in ast.unparse(node.args[2])
        ):
            start, end, _ = map(ast.unparse, node.args)
            yield start, end, start
        if not (isinstance(node, ast.BinOp) and isinstance(node.right, ast.BinOp)):
            continue
        factors = (node.right.left, node.right.right)
        if not isinstance(node.right.op, ast.Mult) or not any("scale" in ast.unparse(factor) for factor in factors):
            continue
        if isinstance(node.op, ast.Add):
            for difference in factors:
                if isinstance(difference, ast.BinOp) and isinstance(difference.op, ast.Sub):
                    yield tuple(map(ast.unparse, (node.left, difference.left, difference.right)))
        elif isinstance(node.op, ast.Sub) and ast.unparse(node.left).startswith(
            f"({ast.unparse(factors[0])} + 1.0) * "
        ):
            yield ast.unparse(node.left.right), ast.unparse(node.left.right), ast.unparse(factors[1])


def _chunks(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, ...]]:
    """Yield the names that parts of a batch are given."""
    for node in nodes:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
            continue
        names, function = node.targets[0], ast.unparse(node.value.func)
        if isinstance(names, ast.Tuple) and function.endswith((".chunk", ".split")):
            yield tuple(map(ast.unparse, names.elts))


def _negates(nodes: Sequence[ast.AST]) -> bool:
    """Return whether a prediction is negated."""
    return any(
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and "pred" in ast.unparse(node.operand)
        for node in nodes
    )


def make_page() -> str:
    """Return the page for the installed diffusers."""
    package = Path(importlib.util.find_spec("diffusers").origin).parent
    rows: dict[tuple[str, Guidance], list[str]] = {}
    for folder, pipeline, source in classes(package / "pipelines"):
        name = f"**{pipeline.name}**" if pipeline.name in PIPELINES else pipeline.name
        rows.setdefault((folder, read_guidance(pipeline, source)), []).append(name)
    cells = [
        (", ".join(names), how.denoiser, how.order, how.formula and f"`{how.formula}`", how.sign, how.distilled)
        for (_, how), names in rows.items()
    ]
    table = tabulate(cells, ["pipelines", *Guidance.__dataclass_fields__], tablefmt="pipe").splitlines()
    # Without the padding, which makes lines of a thousand letters.
    squeezed = "\n".join(re.sub(r":?-{3,}:?", "---", re.sub(" +", " ", line)) for line in table)
    return HEAD.format(version=importlib.metadata.version("diffusers")) + squeezed + "\n"


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    write_page(make_page(), PAGE)
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    end_with(main)
