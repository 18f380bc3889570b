"""The store: what is published exists, what is damaged is passed over, what is old goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_unattended.runtime.checkpoint_manifest import CheckpointError, Manifest
from jupyter_unattended.runtime.checkpoint_objects import CHUNK
from jupyter_unattended.runtime.checkpoint_store import CheckpointStore

BIG = 3 * CHUNK + 5


def payload(seed: int, size: int = BIG) -> bytes:
    return bytes([seed]) * (size - 8) + seed.to_bytes(8, "little")


def save(store: CheckpointStore, series: str, *payloads: bytes, keep: int = 2) -> Manifest:
    with store.begin(series) as publication:
        digests = [publication.put(data).name for data in payloads]
        return publication.publish({"digests": digests}, keep=keep)


def read(store: CheckpointStore, manifest: Manifest) -> list[bytes]:
    refs = {ref.name: ref for ref in manifest.refs}
    return [bytes(store.read(refs[digest])) for digest in manifest.meta["digests"]]


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, notes: list[str]) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints", notes.append)


def reopened(store: CheckpointStore) -> CheckpointStore:
    return CheckpointStore(store.root, store.note)


def objects(store: CheckpointStore) -> list[Path]:
    return sorted((store.root / "objects").iterdir())


@pytest.mark.parametrize("size", [0, 1, 300_000, BIG])
def test_reads_what_was_written(store: CheckpointStore, size: int) -> None:
    data = payload(7, size) if size >= 8 else b"x" * size
    save(store, "a", data, b"small")
    found = next(reopened(store).newest_first("a"))
    assert read(reopened(store), found) == [data, b"small"]


@pytest.mark.parametrize("pieces", [[10], [70_000] * 20, [CHUNK + 1, 5, BIG]])
def test_streams(store: CheckpointStore, pieces: list[int]) -> None:
    data = [payload(number + 1, size) for number, size in enumerate(pieces)]
    with store.begin("a") as publication:
        stream = publication.stream()
        for piece in data:
            assert stream.write(piece) == len(piece)
        ref = stream.finish()
        publication.publish({})
    again = reopened(store)
    with again.open(ref) as file:
        assert file.read() == b"".join(data)
    assert bytes(again.read(ref)) == b"".join(data)


def test_nothing_is_seen_of_what_was_not_published(store: CheckpointStore) -> None:
    with store.begin("a") as publication:
        publication.put(payload(1))
        publication.stream().write(payload(2))
    assert list(store.newest_first("a")) == []
    assert objects(store) == []


def test_an_unchanged_buffer_is_not_written_again(store: CheckpointStore) -> None:
    save(store, "a", payload(1))
    with store.begin("a") as publication:
        publication.put(payload(1))
        publication.put(payload(2))
        publication.publish({})
        assert len(payload(2)) <= publication.written_bytes < len(payload(2)) + 10_000
    assert len(objects(store)) == 2


def test_a_wrong_guess_that_a_buffer_is_unchanged_does_no_harm(store: CheckpointStore) -> None:
    first = payload(1)
    other = bytearray(first)
    other[1000] ^= 1  # between the samples
    save(store, "a", first)
    manifest = save(store, "a", bytes(other))
    assert read(reopened(store), manifest) == [bytes(other)]


def test_keeps_the_newest_and_the_pinned(store: CheckpointStore) -> None:
    for number in range(1, 6):
        with store.begin("a") as publication:
            publication.put(payload(number))
            publication.publish({"n": number}, keep=2, pinned=frozenset({1}))
    assert [manifest.meta["n"] for manifest in store.newest_first("a")] == [5, 4, 1]
    assert len(objects(store)) == 3


def test_removing_a_series_keeps_what_others_share(store: CheckpointStore) -> None:
    save(store, "a", payload(1), payload(2))
    kept = save(store, "b", payload(1))
    store.remove("a")
    assert store.series() == ["b"]
    assert read(reopened(store), kept) == [payload(1)]
    assert len(objects(store)) == 1


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "torn":
        path.write_bytes(data[: len(data) // 2])
    elif how == "flipped":
        data[len(data) // 2] ^= 0x20
        path.write_bytes(data)
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["torn", "flipped", "empty", "gone"])
def test_a_damaged_manifest_is_passed_over(
    store: CheckpointStore, notes: list[str], how: str
) -> None:
    old = save(store, "a", payload(1))
    new = save(store, "a", payload(2))
    damage(store.root / f"{new.name}.json", how)
    found = list(reopened(store).newest_first("a"))
    assert [manifest.name for manifest in found] == [old.name]
    assert [note for note in notes if new.name in note] or how == "gone"


@pytest.mark.parametrize("how", ["torn", "flipped", "empty", "gone"])
def test_a_damaged_object_is_found(store: CheckpointStore, notes: list[str], how: str) -> None:
    save(store, "a", payload(1))
    new = save(store, "a", payload(2))
    damage(store.root / "objects" / new.refs[0].name, how)
    again = reopened(store)
    readable = []
    for manifest in again.newest_first("a"):
        try:
            readable.append(read(again, manifest))
        except CheckpointError as error:
            notes.append(str(error))
    assert readable == [[payload(1)]]
    assert notes
    # What was found rotten is not taken for the real thing by the next save.
    repaired = save(again, "a", payload(2))
    assert read(reopened(store), repaired) == [payload(2)]


def test_leftovers_of_a_killed_save_are_swept(store: CheckpointStore) -> None:
    kept = save(store, "a", payload(1))
    for name in (".tmp-1-2-3", "0" * 64):
        (store.root / "objects" / name).write_bytes(b"leftover")
    (store.root / ".tmp-4-5-6").write_bytes(b"leftover")
    again = reopened(store)
    newest = save(again, "a", payload(2))
    names = {path.name for path in objects(store)}
    assert names == {kept.refs[0].name, newest.refs[0].name}
    assert not list(store.root.glob(".tmp-*"))


def test_only_the_owner_can_read_and_write(store: CheckpointStore) -> None:
    before = os.umask(0)
    try:
        manifest = save(store, "a", payload(1))
    finally:
        os.umask(before)
    paths = [store.root, store.root / "objects", store.root / f"{manifest.name}.json"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in [*paths, *objects(store)])


@pytest.mark.parametrize("part", ["root", "objects", "manifest", "object"])
def test_what_others_could_have_written_is_not_read(
    store: CheckpointStore, notes: list[str], part: str
) -> None:
    manifest = save(store, "a", payload(1))
    path = {
        "root": store.root,
        "objects": store.root / "objects",
        "manifest": store.root / f"{manifest.name}.json",
        "object": store.root / "objects" / manifest.refs[0].name,
    }[part]
    path.chmod(path.stat().st_mode | 0o020)
    again = reopened(store)
    with pytest.raises(CheckpointError, match="can be written by other users"):
        for found in again.newest_first("a"):
            read(again, found)
        raise CheckpointError(notes[-1])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("part", ["root", "manifest"])
def test_what_belongs_to_somebody_else_is_not_read(
    store: CheckpointStore, notes: list[str], part: str
) -> None:
    manifest = save(store, "a", payload(1))
    path = store.root if part == "root" else store.root / f"{manifest.name}.json"
    os.chown(path, 12345, -1)
    with pytest.raises(CheckpointError, match="belongs to user 12345, not to the job's user"):
        for found in reopened(store).newest_first("a"):
            raise AssertionError(found)
        raise CheckpointError(notes[-1])


def test_a_link_is_not_followed(store: CheckpointStore, tmp_path: Path, notes: list[str]) -> None:
    manifest = save(store, "a", payload(1))
    path = store.root / f"{manifest.name}.json"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert list(reopened(store).newest_first("a")) == []
    assert notes
