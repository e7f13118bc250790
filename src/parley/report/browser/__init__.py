"""The conversation browser: one self-contained page that shows every dialogue.

`survey` finds what there is, `sampling` keeps it below the limit, `packing` makes arrays small, `talks`, `bits` and
`attention` say which, `page` builds the page. What the page does with them is in `templates/`, a file an idea.
"""
