"""Where desired state and secrets come from: watched files or a branch in Git; secrets by reference."""
