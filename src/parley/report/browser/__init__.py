"""The dialogue browser: one self-contained page that shows every dialogue.

`survey` lists the message files and chooses the images that fit on the page, `arrays` encodes the dialogues compactly,
and `build` writes the page. The page's scripts are in `templates/`, one file for each view or task.
"""
