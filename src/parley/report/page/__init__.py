"""The report: one self-contained page with the settings and results of an experiment.

`build` writes the page from the content that `sections` gathers. `headline` and `findings` express results as
sentences, `examples` chooses dialogues and images, `inline` embeds figures and images, `funnel` reads counts of images,
and `origin` describes how the results were made.
"""
