"""The screen: a Panel app over an opened bundle; it draws and computes no science.

- `app`: the served application, one session a visitor. `layout`: what stands where.
- `state`: the one shared state of a session; views read it and write it, never each other.
- `picture`, `gestures`: a picture that follows the ranges of a plot, and the hand on it; the map
  and every plane of the drawer share them.
- `raster`: points -> picture at interactive speed. `theme`: colours and sizes, once.
- `limits`: every number that a browser sends passes here first.
- `views/`: one file a view.
"""
