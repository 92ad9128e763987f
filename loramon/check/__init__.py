"""`check`: a training's settings looked over before it starts."""
