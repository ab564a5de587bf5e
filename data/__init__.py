"""Small shipped artefacts; README.md says what, whence, and how to rebuild."""
