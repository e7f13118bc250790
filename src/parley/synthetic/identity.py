"""Which drawing the bundled creatures are: part of the name of the folder that holds the pictures."""

DRAWING = "3d2959f2080a64e6"
"""Change it together with any picture, so that no experiment reads old pictures under the same name.

`tests/synthetic/test_drawing.py` fails when a picture changes. How the code is laid out does not count.
"""
