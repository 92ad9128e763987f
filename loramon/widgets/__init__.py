"""Parts that screens are made of. What a chart is computed with (`picture` and below) is pure and loads no Textual."""
