"""Version of the drawings, part of the name of the folder of the images."""

DRAWING = "3d2959f2080a64e6"
"""Change it whenever any image changes, so that no experiment reads old images under the same name.

`tests/synthetic/test_drawing.py` fails when a picture changes. How the code is laid out does not count.
"""
