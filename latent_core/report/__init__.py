"""The report on a bundle: what its latents are good for, measured, and for whom it was measured.

- `content`: what a section is made of (tables, plots, sentences, figures), and what sections read
- `probes`: classifiers and regressors on latents, and their figures with intervals
- `classes`, `anchors`: the labels that are asked for, and what others published
- one file a section; `sections` lists them in their order: a new section is one line there
- `plots`, `page`: drawing and the self-contained page; `cards`: a card for every trained model
- `stage`: the stage `report` of a bundle; `summary`: the README's table from saved figures
"""
