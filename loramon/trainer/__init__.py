"""The bundled LoRA trainer for Stable Diffusion 1, 2 and XL. It stands alone: it imports nothing of loramon. See docs/trainer.md."""
