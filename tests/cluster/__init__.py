"""A real Kubernetes on this machine for the tests: on loopback only, and gone without a trace.

``python -m tests.cluster up`` starts one to look around in; the tests start their own (see
``tests/on_cluster/conftest.py``). With ``KUBECONFIG`` set the tests use that cluster.
"""
