"""What one YAML file may say of a tool: the shape of each part, what parts say of each other, and reading files."""
