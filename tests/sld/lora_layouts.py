"""LoRAs for a small checkpoint under the names of each tool, and by hand what each adds to the weights."""

import torch

RANK, ALPHA = 2, 3.0


def pairs(part, seed=0, conv=False):
    """(down, up) of the attention's layers in a UNet or text encoder, by module."""
    generator = torch.Generator().manual_seed(seed)
    chosen = {}
    for name, module in part.named_modules():
        linear = isinstance(module, torch.nn.Linear) and name.rpartition(".")[2] in {
            *("to_q", "to_k", "to_v", "0", "q_proj", "k_proj", "v_proj", "out_proj"),
        }
        if (linear and "attn" in name) or (conv and name.endswith(("proj_in", "proj_out"))):
            rows, columns = module.weight.shape[:2]
            tail = (1, 1) if module.weight.ndim == 4 else ()
            down = 0.1 * torch.randn(RANK, columns, *tail, generator=generator)
            chosen[name] = down, 0.1 * torch.randn(rows, RANK, *tail, generator=generator)
    assert chosen
    return chosen


def added(down, up, alpha=ALPHA):
    """The change of a weight at scale 1, in float64: alpha / rank * up @ down (Hu et al. 2021, section 4.1)."""
    product = up.double().flatten(1) @ down.double().flatten(1)
    return (alpha / len(down) * product).reshape(len(up), *down.shape[1:])


def kohya(unet, text=(), alpha=ALPHA):
    """Names of kohya's scripts and of SPM's `save_weights`: dots become underscores."""
    named = {f"lora_unet_{name}".replace(".", "_"): pair for name, pair in dict(unet).items()}
    named |= {f"lora_te_text_model_{name}".replace(".", "_"): pair for name, pair in dict(text).items()}
    weights = {}
    for name, (down, up) in named.items():
        weights |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        weights[f"{name}.alpha"] = torch.tensor(alpha)
    return weights


def peft(unet, text=()):
    """Names of peft under the prefixes of diffusers, without alpha, which then equals the rank."""
    named = {f"unet.{name}": pair for name, pair in dict(unet).items()}
    named |= {f"text_encoder.{name}": pair for name, pair in dict(text).items()}
    return {f"{name}.lora_{'AB'[n]}.weight": half for name, pair in named.items() for n, half in enumerate(pair)}


def processors(unet):
    """Names of diffusers' attention processors before peft: `to_out.0` is called `to_out_lora`."""
    weights = {}
    for name, pair in unet.items():
        attention, _, layer = name.removesuffix(".0").rpartition(".")
        for half, value in zip(("down", "up"), pair, strict=True):
            weights[f"unet.{attention}.processor.{layer}_lora.{half}.weight"] = value
    return weights
