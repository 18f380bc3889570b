"""Jobs on Kubernetes, plain or under Kueue, KAI or Run:ai."""

from .backend import KubernetesBackend

__all__ = ["KubernetesBackend"]
