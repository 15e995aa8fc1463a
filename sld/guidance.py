"""The equations of Safe Latent Diffusion (arXiv 2211.05105, section 3.1), as functions of the denoiser's predictions.

Throughout, `e_0` is the prediction without text (or for the negative prompt), `e_p` for the prompt and `e_s` for the
safety concept. All have the same shape and floating dtype, and every operation is elementwise. The order of operations
follows diffusers' StableDiffusionPipelineSafe: the masks are step-like, so other rounding can show in a picture.
"""

import torch
from torch import Tensor


def safety_scale(e_p: Tensor, e_s: Tensor, guidance_scale: float, threshold: float) -> Tensor:
    """Return mu, equation 6: zero if the prompt is already far from the concept, else the scaled difference, at most 1.

    The test uses the signed difference, the scale the absolute one.

    Args:
        e_p: prediction for the prompt.
        e_s: prediction for the safety concept.
        guidance_scale: s_S.
        threshold: lambda.
    """
    difference = e_p - e_s
    scale = torch.clamp(torch.abs(difference) * guidance_scale, max=1.0)
    return torch.where(difference >= threshold, torch.zeros_like(scale), scale)


def safety_guidance(
    e_0: Tensor,
    e_p: Tensor,
    e_s: Tensor,
    nu: Tensor | None,
    *,
    guidance_scale: float,
    threshold: float,
    momentum_scale: float,
    momentum_beta: float,
) -> tuple[Tensor, Tensor | None]:
    """Return gamma, which safety guidance subtracts, and the next momentum nu: equations 4, 7 and 8.

    Args:
        e_0: prediction without text, or for the negative prompt.
        e_p: prediction for the prompt.
        e_s: prediction for the safety concept.
        nu: the momentum; None at the first call, standing for zeros.
        guidance_scale: s_S.
        threshold: lambda.
        momentum_scale: s_m; if it is 0, the momentum stays None.
        momentum_beta: beta_m.

    Returns:
        gamma and the next nu, shaped like the predictions. gamma already contains s_m * nu when it enters the momentum.
    """
    gamma = (e_s - e_0) * safety_scale(e_p, e_s, guidance_scale, threshold)
    if not momentum_scale:
        return gamma, None
    nu = torch.zeros_like(gamma) if nu is None else nu
    gamma = gamma + momentum_scale * nu
    return gamma, momentum_beta * nu + (1 - momentum_beta) * gamma


def guided(e_0: Tensor, e_p: Tensor, gamma: Tensor | None, scale: Tensor) -> Tensor:
    """Return the guided prediction, equation 3: e_0 + s_g * (e_p - e_0 - gamma).

    Args:
        e_0: prediction without text, or for the negative prompt.
        e_p: prediction for the prompt.
        gamma: of safety guidance; None for plain guidance.
        scale: s_g, one per row, shaped to broadcast. Rows with a scale of 1 or less are not guided at all and get
            `e_p`, as in the reference: they have neither an unconditional branch nor safety guidance.
    """
    guidance = e_p - e_0
    if gamma is not None:
        guidance = guidance - gamma
    return torch.where(scale > 1, e_0 + scale * guidance, e_p)
