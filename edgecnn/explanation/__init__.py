"""Explain image networks: what they see, and how stable they are when the image moves.

One idea a file: filters, feature maps, receptive fields, Grad-CAM, colors, occlusion, shift;
`explain` gathers them, `sections` puts them into words, `page` and `poster` lay them out.
"""
