from __future__ import annotations

from jupyter_unattended.backends.kubernetes.merge import merge


def test_objects_are_merged_and_null_removes() -> None:
    original = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merge(original, {"a": {"b": None, "e": 5}, "d": None}) == {"a": {"c": 2, "e": 5}}
    assert original == {"a": {"b": 1, "c": 2}, "d": 3}


def test_containers_are_told_apart_by_name_and_mounts_by_path() -> None:
    pod = {
        "containers": [
            {"name": "job", "image": "i", "volumeMounts": [{"mountPath": "/a", "name": "x"}]}
        ]
    }
    patch = {
        "containers": [
            {"name": "job", "volumeMounts": [{"mountPath": "/b", "name": "y"}]},
            {"name": "side"},
        ]
    }
    assert merge(pod, patch)["containers"] == [
        {
            "name": "job",
            "image": "i",
            "volumeMounts": [{"mountPath": "/a", "name": "x"}, {"mountPath": "/b", "name": "y"}],
        },
        {"name": "side"},
    ]


def test_other_lists_are_replaced() -> None:
    assert merge({"command": ["a", "b"]}, {"command": ["c"]}) == {"command": ["c"]}
    assert merge({"tolerations": [{"key": "a"}]}, {"tolerations": []}) == {"tolerations": []}


def test_entries_and_objects_can_be_deleted_and_replaced() -> None:
    env = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    assert merge(env, {"env": [{"name": "A", "$patch": "delete"}]}) == {
        "env": [{"name": "B", "value": "2"}]
    }
    assert merge({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}) == {"a": {"c": 2}}


def test_a_list_can_be_replaced_and_keys_retained() -> None:
    env = {"env": [{"name": "A", "value": "1"}]}
    patch = {"env": [{"$patch": "replace"}, {"name": "B", "value": "2"}]}
    assert merge(env, patch) == {"env": [{"name": "B", "value": "2"}]}
    volume = {"volumes": [{"name": "v", "emptyDir": {}}]}
    other = {"name": "v", "$retainKeys": ["name", "nfs"], "nfs": {"server": "s"}}
    assert merge(volume, {"volumes": [other]}) == {
        "volumes": [{"name": "v", "nfs": {"server": "s"}}]
    }


def test_nothing_of_a_patch_but_its_values_stays() -> None:
    assert merge({}, {"a": {"b": None, "c": {"$patch": "delete"}}}) == {"a": {"c": {}}}
    assert merge({"env": [{"name": "A"}]}, {"env": ["no object"]}) == {"env": ["no object"]}
