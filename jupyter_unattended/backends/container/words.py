"""What engines say, in a person's words.

Engines tell by their text alone what went wrong, and the same in different texts; the tests hold
them against the real ones. What is not known here is quoted.
"""

from __future__ import annotations

import re

_LENGTH = 300
#: What a command says when nobody listens at the engine's socket.
_AWAY = (
    r"cannot connect to the docker daemon|cannot connect to podman|dial unix .*no such file"
    r"|dial unix .*connection refused|error during connect|fetching server api version"
    r"|connection aborted|unable to connect to podman"
)

#: (what the engine says, what we say). Groups of the first are fields of the second.
_KNOWN = (
    (
        r"permission denied.*(?:docker|podman)\.sock|dial unix (\S+).*permission denied"
        r"|connection aborted.*permission denied",
        "you may not use the engine's socket; ask to become a member of its group, or use rootless "
        "Podman",
    ),
    (
        _AWAY,
        "the engine does not answer; start it, or set DOCKER_HOST to where it listens",
    ),
    (
        r"no space left on device|disk quota exceeded",
        "there is no space left for images and containers; make room (docker system prune, podman "
        "system prune)",
    ),
    (
        r"unauthorized|authentication required|denied: requested access|access to the resource is"
        r" denied|403 \(?forbidden",
        "the registry refuses to give out the image {image}; log in to it (podman login, docker "
        "login), or check the name",
    ),
    (
        r"manifest unknown|name unknown|repository does not exist|no such manifest|not found: "
        r"manifest|404 \(?not found",
        "the registry has no image {image}; check the name and the part after the colon",
    ),
    (
        r"connection refused|no such host|i/o timeout|network is unreachable|tls handshake timeout"
        r"|temporary failure in name resolution|server misbehaving",
        "the image {image} is not here, and its registry cannot be reached",
    ),
    (
        r"did not resolve to an alias and no unqualified-search registries",
        "there is no image {image} here; say which registry has it (for example "
        "registry.example.org/{image})",
    ),
    (
        r"no such image|image not known|unable to find image",
        "there is no image {image} here, and it may not be pulled",
    ),
    (
        r"unresolvable cdi devices|failed to inject (?:cdi )?devices?|cdi device injection"
        r"|nvidia.com/gpu=\S*: no such file",
        "the engine knows no GPU; describe them with: nvidia-ctk cdi generate "
        "--output=/etc/cdi/nvidia.yaml",
    ),
    (
        r"could not select device driver|nvidia-container-cli",
        "the engine cannot hand out GPUs; install the NVIDIA Container Toolkit, then: nvidia-ctk "
        "runtime configure",
    ),
    (
        r"(?:exec: \"?|executable file `?)bash\"?`?(?::| not found)",
        "the image {image} has no bash, which start.sh needs",
    ),
    (
        r"(?:statfs|stat|error mounting \"?|bind source path does not exist:?) ?\"?(/[^\":]*)\"?.*"
        r"(?:no such file|does not exist)|bind source path does not exist: (\S+)",
        "{1} cannot be mounted: it is not on the machine where the engine runs",
    ),
    (
        r"network (?:not found|.* not found)|unable to find network with name or id (\S+?):",
        "there is no such network; the engine lists them with: network ls",
    ),
    (
        r"opening limits|cpu(?:set|)? controller|controller .* (?:is )?not (?:available|delegated)",
        "the engine cannot limit what a container uses here ({quote})",
    ),
)  # fmt: skip


def is_away(said: str) -> bool:
    """Whether a command says that nobody listens at the engine's socket."""
    is_refused = re.search(r"permission denied", said, re.IGNORECASE)
    return re.search(_AWAY, said, re.IGNORECASE) is not None and not is_refused


def plain(said: str, image: str = "") -> str:
    """Return one sentence without a full stop for what an engine said."""
    quote = quoted(said)
    for pattern, words in _KNOWN:
        found = re.search(pattern, said, re.IGNORECASE | re.DOTALL)
        if found:
            groups = [group for group in found.groups() if group]
            return words.format(groups[-1] if groups else "", *groups, image=image, quote=quote)
    return quote or "the engine gave no reason"


def quoted(said: str) -> str:
    """Return the last line that says something, without the engine's dates and decorations."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(?i)(error|docker:|podman:)", line)]
    line = (errors or lines or [""])[-1]
    line = re.sub(r"^(?i:error( response from daemon)?|docker|podman):\s*", "", line)
    line = re.sub(r"^time=\S+ level=\w+ msg=", "", line).strip('"')
    return line if len(line) <= _LENGTH else f"{line[:_LENGTH]}…"
