"""Where desired state and secrets come from: files with positions, watched for change; secrets by reference."""
