"""How strongly the noise that a network implies follows its prediction, for networks that predict something else.

Safe Latent Diffusion (arXiv 2211.05105) is written for networks that predict the noise, epsilon. Others predict a
mixture from which epsilon follows, once the latents are known:

    variance preserving, x_t = alpha x_0 + sigma epsilon, alpha^2 + sigma^2 = 1:
        v = alpha epsilon - sigma x_0           epsilon = alpha v + sigma x_t               k = alpha
        x_0 ("sample")                          epsilon = (x_t - alpha x_0) / sigma         k = -alpha / sigma
    flow matching, x_t = (1 - sigma) x_0 + sigma epsilon:
        u = epsilon - x_0                       epsilon = (1 - sigma) u + x_t               k = 1 - sigma
    EDM (arXiv 2206.00364), x_t = x_0 + sigma epsilon, x_0 = c_skip x_t + c_out F, c_out = sigma r:
        F                                       epsilon = (x_t - c_skip x_t) / sigma - r F  k = -r
        with r = sigma_data / sqrt(sigma^2 + sigma_data^2); EDM's v is -F                   k = r

So epsilon = k * prediction + c, where c depends on x_t and the timestep alone. All branches of a call share x_t, and
safety guidance sees differences of predictions only, in which c cancels: guide(k e_0, k e_p, k e_s) is the paper's
gamma for the epsilons themselves. Guidance is linear, so gamma / k subtracted from the predictions is gamma subtracted
from the epsilons. Where k = 0 the prediction says nothing about epsilon, and gamma is 0. The momentum stays in epsilon.
"""

import math
from typing import Any

from sld.errors import InputError

FLOW = "flow_prediction"
EDM = "edm"


def noise_gain(scheduler: Any, timestep: float) -> float:
    """Return k = d epsilon / d prediction at fixed latents.

    Args:
        scheduler: of diffusers, which knows what the network predicts and how it was trained.
        timestep: may lie between two of training, where sigma / alpha is interpolated, as by diffusers' Euler.

    Raises:
        InputError: the relation between this prediction and epsilon is not known here.
    """
    prediction = prediction_type(scheduler)
    if _is_edm(scheduler) and prediction in (EDM, "v_prediction"):
        ratio = 1 / math.hypot(1, _sigma_of(timestep) / scheduler.config["sigma_data"])
        return -ratio if prediction == EDM else ratio
    if prediction == FLOW:
        return 1 - timestep / scheduler.config["num_train_timesteps"]
    if prediction == "epsilon":
        return 1.0
    if prediction not in ("v_prediction", "sample") or not hasattr(scheduler, "alphas_cumprod"):
        raise InputError(
            f"the scheduler must be for a network that predicts epsilon, v, the sample or a flow, found "
            f"{type(scheduler).__name__} for {prediction}: choose another checkpoint"
        )
    if prediction == "v_prediction" and scheduler.config.get("timestep_type") == "continuous":
        return 1 / math.hypot(1, _sigma_of(timestep))
    alpha, sigma = _signal_and_noise(scheduler.alphas_cumprod, timestep)
    return alpha if prediction == "v_prediction" else -alpha / sigma


def prediction_type(scheduler: Any) -> str:
    """Return what a scheduler expects of its network: "epsilon", "v_prediction", "sample", `FLOW`, `EDM` or another."""
    if type(scheduler).__name__.startswith("FlowMatch"):
        return FLOW
    prediction = scheduler.config.get("prediction_type", "epsilon")
    # What diffusers calls epsilon there is EDM's F, which is no noise.
    return EDM if _is_edm(scheduler) and prediction == "epsilon" else prediction


def is_flow(scheduler: Any) -> bool:
    """Return whether a scheduler is for networks trained by flow matching, which predict noise minus picture."""
    return prediction_type(scheduler) == FLOW


def _is_edm(scheduler: Any) -> bool:
    return type(scheduler).__name__.startswith("EDM")


def _sigma_of(timestep: float) -> float:
    """Return sigma / alpha of a timestep that tells a network log(sigma / alpha) / 4."""
    return math.exp(4 * timestep)


def _signal_and_noise(alphas_cumprod: Any, timestep: float) -> tuple[float, float]:
    """Return alpha and sigma at a timestep."""
    below = min(math.floor(timestep), len(alphas_cumprod) - 1)
    ends = [float(alphas_cumprod[number].double()) for number in (below, min(below + 1, len(alphas_cumprod) - 1))]
    part = timestep - below
    if part == 0 or ends[0] == ends[1] or 0 in ends:
        return math.sqrt(ends[0]), math.sqrt(1 - ends[0])
    low, high = (math.sqrt((1 - end) / end) for end in ends)
    ratio = low + part * (high - low)
    return 1 / math.sqrt(1 + ratio**2), ratio / math.sqrt(1 + ratio**2)
