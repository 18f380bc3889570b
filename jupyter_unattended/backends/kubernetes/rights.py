"""What this user may do in a namespace, asked before anything is promised."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .client import Api, ApiError

#: How long an answer is good for, in seconds.
_GOOD_FOR = 60.0

ROLE = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: jupyter-unattended, namespace: {namespace}}}
rules:
- {{apiGroups: [batch], resources: [jobs], verbs: [create, get, list, watch, patch, delete]}}
- {{apiGroups: [""], resources: [pods], verbs: [get, list, watch, delete]}}
- {{apiGroups: [""], resources: [pods/log, persistentvolumeclaims], verbs: [get]}}
- {{apiGroups: [""], resources: [events], verbs: [list]}}
- {{apiGroups: [""], resources: [secrets], verbs: [create, patch, delete]}}
- {{apiGroups: [kueue.x-k8s.io], resources: [localqueues, workloads], verbs: [get, list]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: jupyter-unattended, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: jupyter-unattended}}
subjects:
- {subject}
"""


@dataclass(frozen=True)
class Right:
    """Something one may do."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'/' if self.subresource else ''}{self.subresource}"


_JOBS = tuple(
    Right(verb, "jobs", "batch") for verb in ("create", "list", "watch", "patch", "delete")
)
#: Without these no job can be submitted and watched.
NEEDED = (*_JOBS, Right("list", "pods"), Right("watch", "pods"))
#: Needed for ``secret_env`` only.
SECRETS = (Right("create", "secrets"), Right("patch", "secrets"), Right("delete", "secrets"))
#: Needed to stop one run of a sweep.
PODS = (Right("delete", "pods"),)
#: Needed to pause a job under Kueue without deleting it.
WORKLOADS = (Right("patch", "workloads", "kueue.x-k8s.io"),)


class Rights:
    """The rights of one user of one cluster, asked once a minute.

    Parameters
    ----------
    api
        The cluster, as that user.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[str, Right], tuple[float, bool]] = {}

    def missing(self, namespace: str, rights: tuple[Right, ...] = NEEDED) -> list[Right]:
        """Return those of `rights` that this user does not have in `namespace`."""
        return [right for right in rights if not self._has(namespace, right)]

    def _has(self, namespace: str, right: Right) -> bool:
        asked, answer = self._known.get((namespace, right), (0.0, False))
        if time.monotonic() - asked > _GOOD_FOR or not asked:
            attributes = {
                "namespace": namespace,
                "verb": right.verb,
                "group": right.group,
                "resource": right.resource,
                "subresource": right.subresource,
            }
            review = self._api.create(
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                {
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SelfSubjectAccessReview",
                    "spec": {"resourceAttributes": attributes},
                },
            )
            answer = bool(review["status"]["allowed"])
            self._known[namespace, right] = (time.monotonic(), answer)
        return answer

    def explain(self, namespace: str, missing: list[Right]) -> str:
        """Say which rights are missing, with what an administrator can apply to give them."""
        who = self._who()
        return (
            f"{who} may not {', '.join(map(str, missing))} in namespace {namespace}; hand this to "
            f"your administrator (kubectl apply -f), or use `jupyter unattended render`:\n\n"
            + ROLE.format(namespace=namespace, subject=_subject(who))
        )

    def _who(self) -> str:
        """Return the name under which the API server knows this user."""
        try:
            review = self._api.create(
                "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
            )
        except ApiError:
            return "this user"
        return str(review["status"]["userInfo"].get("username", "this user"))


def _subject(who: str) -> str:
    words = who.split(":")
    if words[:2] == ["system", "serviceaccount"] and len(words) == 4:
        return f"{{kind: ServiceAccount, name: {words[3]}, namespace: {words[2]}}}"
    return f"{{kind: User, name: {who!r}, apiGroup: rbac.authorization.k8s.io}}"
