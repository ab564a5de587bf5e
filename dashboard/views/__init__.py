"""One file a view: it reads the shared state and draws; views never import each other."""
