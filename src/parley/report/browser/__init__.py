"""The dialogue browser: one self-contained page that shows every dialogue.

`survey` lists the message files and chooses the images that fit, `arrays` packs the dialogues, and `build` writes the
page. Its scripts are in `templates/`, one file for each view or task.
"""
