"""The training of the demo model: autoencoder, text-to-image denoiser, and the small CLIP that judges."""
