"""What preflight looks for: each check is a function from a `Subject` to findings."""
