"""Parts that screens are made of. Only `chart` and `cell_update` load Textual; the rest is pure and knows numpy only."""
