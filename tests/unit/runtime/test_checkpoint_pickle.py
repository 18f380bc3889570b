"""Arrays and frames keep what plain pickle loses, also in the second generation."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_unattended.runtime import checkpoint_pickle
from jupyter_unattended.runtime.checkpoint_pickle import (
    BufferPickler,
    BufferUnpickler,
    Captured,
    estimate_size,
)


def round_trip(obj: Any) -> Any:
    buffers: list[bytes] = []
    file = io.BytesIO()

    def put(view: memoryview) -> int:
        assert view.contiguous
        buffers.append(bytes(view))
        return len(buffers) - 1

    def read_into(number: int, target: memoryview) -> None:
        target[:] = buffers[number]

    pickler = BufferPickler(file, put)
    pickler.dump(obj)
    file.seek(0)
    return BufferUnpickler(
        file, pickler.foreign, lambda number: len(buffers[number]), read_into
    ).load()


@pytest.fixture(params=[1, 3], ids=["once", "three generations"])
def passed(request: pytest.FixtureRequest) -> Any:
    def passing(obj: Any) -> Any:
        for _ in range(request.param):
            obj = round_trip(obj)
        return obj

    return passing


@pytest.fixture(autouse=True, params=[0, 1 << 20], ids=["out of band", "in band"])
def threshold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_pickle, "OUT_OF_BAND", request.param)


def _readonly() -> np.ndarray[Any, Any]:
    array = np.arange(4)
    array.flags.writeable = False
    return array


ARRAYS = {
    "plain": np.arange(7.0),
    "two axes": np.arange(6).reshape(2, 3).copy(),
    "Fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "permuted": np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1).copy(order="K"),
    "empty": np.empty((0, 3)),
    "scalar": np.array(3.5),
    "read-only": _readonly(),
    "dates": np.arange(5).astype("M8[s]"),
    "text": np.array(["a", "bb"]),
    "bytes": np.array([b"a", b"bb"]),
    "record": np.zeros(3, dtype=[("x", "f4"), ("y", "i8")]),
    "objects": np.array([1, "two", None], dtype=object),
    "big-endian": np.arange(3, dtype=">i4"),
    "bool": np.array([True, False]),
    "complex": np.array([1j, 2]),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_an_owner_comes_back_as_an_owner(passed: Any, array: Any) -> None:
    back = passed(array)
    assert (back.shape, back.dtype, back.strides) == (array.shape, array.dtype, array.strides)
    assert back.flags.writeable == array.flags.writeable
    assert back.flags.owndata == array.flags.owndata or array.size == 0
    np.testing.assert_array_equal(back, array)


def views(owner: Any) -> dict[str, Any]:
    return {
        "step": owner[::2],
        "reversed": owner[::-1],
        "inner": owner[1:-1],
        "last": owner[-1:],
        "transposed": owner.T,
        "view of a view": owner[1:][::2],
    }


@pytest.mark.parametrize("kind", ["plain", "two axes", "Fortran", "permuted", "objects", "dates"])
def test_views_stay_views_of_their_owner(passed: Any, kind: str) -> None:
    owner = ARRAYS[kind]
    back = passed({"owner": owner, "views": views(owner)})
    for name, view in views(owner).items():
        again = back["views"][name]
        assert again.base is back["owner"], name
        np.testing.assert_array_equal(again, view)
    back["owner"].flat[-1] = back["owner"].flat[0]
    assert back["views"]["last"].flat[-1] == back["owner"].flat[0]


def test_a_view_whose_owner_has_no_other_name(passed: Any) -> None:
    left, right = np.split(np.arange(10), 2)
    back = passed((left, right))
    assert back[0].base is back[1].base
    back[0].base[:] = 7
    assert back[1].tolist() == [7] * 5


def test_a_field_of_a_record_array(passed: Any) -> None:
    owner = ARRAYS["record"].copy()
    back = passed((owner, owner["y"]))
    back[1][:] = 5
    assert back[0]["y"].tolist() == [5, 5, 5]


def test_views_of_bytes(passed: Any) -> None:
    data = bytearray(b"abcdefgh")
    back = passed((data, np.frombuffer(data, np.uint8, offset=2)))
    back[0][2] = 0
    assert back[1][0] == 0


def test_a_mapped_file_becomes_an_array(passed: Any, tmp_path: Any) -> None:
    mapped = np.memmap(tmp_path / "file", dtype="i4", shape=(5,), mode="w+")
    mapped[:] = range(5)
    back = passed(mapped)
    assert type(back) is np.ndarray
    assert back.tolist() == [0, 1, 2, 3, 4]


def test_generators_share_their_bit_generator(passed: Any) -> None:
    generator = np.random.default_rng(3)
    back = passed({"g": generator, "bits": generator.bit_generator})
    assert back["g"].bit_generator is back["bits"]
    assert back["g"].random() == generator.random()


def _sharing() -> dict[str, Any]:
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [1, 2], "s": ["a", "b"]})
    return {
        "frame": frame,
        "slice": frame[:],
        "series": frame["x"],
        "index": pd.Index(frame["y"]),
    }


@pytest.mark.filterwarnings("ignore:(?s).*A value is trying to be set on a copy")
def test_frames_that_share_memory_are_written_to_as_before(passed: Any) -> None:
    back = passed(_sharing())
    for name, value in _sharing().items():
        assert back[name].equals(value)
    assert np.shares_memory(back["series"].to_numpy(), back["frame"]["x"].to_numpy())
    written = []
    # From version 3 on pandas copies first; before, all see what is written.
    for state in (_sharing(), back):
        state["series"].iloc[0] = 99
        state["slice"].iloc[0, 0] = 77
        state["frame"].loc[0, "y"] = 55
        written.append({name: value.to_numpy().tolist() for name, value in state.items()})
    assert written[0] == written[1]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"c": pd.Categorical(["a", "b", "a"]), "t": pd.date_range("2020", periods=3)}),
        pd.DataFrame({"v": [1, 2, 3, 4]}, index=pd.MultiIndex.from_product([[1, 2], ["a", "b"]])),
        pd.DataFrame({"n": pd.array([1, None, 3], dtype="Int64")}),
        pd.DataFrame(),
    ],
    ids=["categories and dates", "several levels", "missing", "empty"],
)
def test_frames(passed: Any, frame: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(passed(frame), frame)


def test_other_libraries_buffers(passed: Any) -> None:
    class Foreign:
        def __init__(self, data: Any) -> None:
            self.data = data

        def __reduce_ex__(self, protocol: Any) -> Any:
            return bytearray, (pickle.PickleBuffer(self.data),)

    assert passed([Foreign(b"x" * 100), Foreign(b"y" * 100)]) == [b"x" * 100, b"y" * 100]


def test_captured_does_not_change_with_the_original() -> None:
    array = np.arange(400_000.0)
    captured = Captured({"a": array})
    expected = array.copy()
    array[:] = 0
    refilled = BufferUnpickler(
        io.BytesIO(captured.data),
        captured.foreign,
        lambda number: len(captured.buffers[number]),
        lambda number, target: target.__setitem__(slice(None), captured.buffers[number]),
    ).load()
    np.testing.assert_array_equal(refilled["a"], expected)
    assert captured.size >= expected.nbytes


def test_estimates_without_looking_into_arrays() -> None:
    class Holder:
        pass

    holder = Holder()
    holder.weights = np.zeros(1000)  # type: ignore[attr-defined]
    frame = pd.DataFrame({"x": np.zeros(500)})
    size = estimate_size({"h": holder, "again": [holder], "f": frame, "b": b"x" * 100})
    assert 8000 + 4000 + 100 <= size < 8000 + 4000 + 1000


def test_estimates_of_namespaces() -> None:
    class Awkward:
        @property
        def nbytes(self) -> int:
            raise OSError("not here")

    import ctypes

    array = np.zeros((10, 1000))
    names = {"np": np, "pd": pd, "a": array, "x": Awkward(), "c": ctypes.cdll, "f": estimate_size}
    assert estimate_size(names) == array.nbytes
