"""The report: one self-contained page with the settings and results of an experiment.

`build` writes the page from what `sections` gathers. `headline` and `findings` turn numbers into sentences, `examples`
chooses dialogues and images, `inline` embeds figures and images, `funnel` counts images, and `origin` describes how the
results were made.
"""
