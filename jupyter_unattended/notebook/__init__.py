"""Reading an interactive notebook: parameters, requirements, preflight, script export."""
