"""A survey beside real rows: how far apart they lie, plot by plot, and where the survey is wrong.

- `samples`: surveys, bundles and plain tables read into one shape; `quantities`: what is compared
- `distances`: two-sample distances, each beside what two halves of the real rows show
- `marginals`: every quantity, by class and by magnitude; `drawing`: the plots
- `telling_apart`: a classifier asked which of two like spectra was simulated
- `exchange`: models trained on one survey and applied to the other
- `comparing`: the page and the figures in one call
"""
