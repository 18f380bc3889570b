"""Tests of containers with a real Podman, which they install; their images are made here."""
