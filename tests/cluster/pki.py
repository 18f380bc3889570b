"""A certificate authority for one cluster, and what it signs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """A key and its certificate, as files."""

    key: Path
    certificate: Path


class Authority:
    """Makes certificates that are good for a few days.

    Parameters
    ----------
    directory
        Where keys and certificates are written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.root = Pair(directory / "ca.key", directory / "ca.crt")
        _openssl(
            *("req", "-x509", "-days", "3", "-subj", "/CN=test-cluster"),
            *("-addext", "keyUsage=critical,keyCertSign,digitalSignature"),
            *self._new_key(self.root),
        )

    def sign(self, name: str, subject: str, names: str = "") -> Pair:
        """Make a certificate for `subject` (``/O=group/CN=user``).

        `names` are the names of a server (``IP:127.0.0.1,DNS:localhost``); without them the
        certificate is a client's.
        """
        pair = Pair(self.directory / f"{name}.key", self.directory / f"{name}.crt")
        extensions = [
            "basicConstraints=critical,CA:false",
            f"extendedKeyUsage={'serverAuth' if names else 'clientAuth'}",
            *([f"subjectAltName={names}"] if names else []),
        ]
        _openssl(
            *("req", "-x509", "-days", "3", "-subj", subject),
            *("-CA", self.root.certificate, "-CAkey", self.root.key),
            *(part for extension in extensions for part in ("-addext", extension)),
            *self._new_key(pair),
        )
        return pair

    def key_pair(self, name: str) -> Pair:
        """Make a private key and its public one, with which service account tokens are signed."""
        pair = Pair(self.directory / f"{name}.key", self.directory / f"{name}.pub")
        _openssl("genpkey", "-algorithm", "RSA", "-out", pair.key)
        _openssl("pkey", "-in", pair.key, "-pubout", "-out", pair.certificate)
        return pair

    @staticmethod
    def _new_key(pair: Pair) -> tuple[str | Path, ...]:
        return (
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", pair.key, "-out", pair.certificate),
        )


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)
