"""Train the demo model: its autoencoder, its text-to-image denoiser, and the small CLIP that judges it."""
