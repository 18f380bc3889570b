"""From a notebook on bare metal to a container image: Containerfile, build, and a try."""
