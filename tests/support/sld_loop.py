"""Safe Latent Diffusion as the paper writes it, in a loop by hand."""

import torch


def sld_loop(predict, scheduler, latents, scale, preset, gain=lambda timestep: 1.0):
    """The latents after all steps of a scheduler whose timesteps are set.

    Source: arXiv 2211.05105, equations 3 to 8, on the epsilons that the predictions imply.

    Args:
        predict: (scaled latents, timestep, "negative", "prompt" or "concept") to a prediction.
        scheduler: of diffusers.
        latents: at the first timestep.
        scale: s_g.
        preset: its five numbers are read; None for plain guidance.
        gain: timestep to k = d epsilon / d prediction.
    """
    momentum = torch.zeros_like(latents)
    for call, timestep in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(latents, timestep) if hasattr(scheduler, "scale_model_input") else latents
        e_0, e_p, e_s = (predict(scaled, timestep, text) for text in ("negative", "prompt", "concept"))
        guidance = e_p - e_0
        if preset is not None:
            k = gain(timestep)
            difference = k * e_p - k * e_s
            mu = (difference.abs() * preset.guidance_scale).clamp(max=1)
            mu[difference >= preset.threshold] = 0
            gamma = (k * e_s - k * e_0) * mu + preset.momentum_scale * momentum
            momentum = preset.momentum_beta * momentum + (1 - preset.momentum_beta) * gamma
            if call >= preset.warmup_steps and k != 0:
                guidance = guidance - gamma / k
        latents = scheduler.step(e_0 + scale * guidance, timestep, latents, return_dict=False)[0]
    return latents
