"""The report: one self-contained page that says what was run and what came out.

`findings` turns numbers into sentences, `funnel`, `examples` and `thumbnails` gather what the page shows besides
figures, `inline` puts figures into the page, `page` builds it.
"""
