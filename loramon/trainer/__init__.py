"""The bundled LoRA trainer: Stable Diffusion 1, 2 and XL. `python -m loramon.trainer CONFIG.toml`, or `loramon train`.

It stands alone: it imports nothing of loramon. It reads a TOML file (`settings`), a base model (`model`) and a folder of
images (`data`), trains (`loop`), and leaves weights that the field's tools load (`weights`), a log, events, a manifest (`signals`).
"""
