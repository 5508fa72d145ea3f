"""Tools that run in a worker process: one module each, with `run(input, files) -> output`."""
