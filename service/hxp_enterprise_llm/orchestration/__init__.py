"""Up, plan, converge, artifacts, toolchain: what drives the environment."""
