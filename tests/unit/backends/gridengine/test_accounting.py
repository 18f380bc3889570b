from __future__ import annotations

import pytest

from jupyter_unattended.backends.gridengine import accounting
from jupyter_unattended.errors import BackendError

QSTAT = """<?xml version='1.0'?>
<job_info><queue_info>
 <job_list state="running"><JB_job_number>7</JB_job_number><state>r</state>
  <JAT_start_time>2026-11-21T12:00:00</JAT_start_time><slots>1</slots></job_list>
 <job_list state="running"><JB_job_number>8</JB_job_number><state>r</state>
  <JAT_start_time>2026-11-21T12:00:00</JAT_start_time><tasks>3</tasks></job_list>
</queue_info><job_info>
 <job_list state="pending"><JB_job_number>8</JB_job_number><state>hqw</state>
  <JB_submission_time>2026-11-21T11:00:00</JB_submission_time><tasks>4-8:2,11</tasks></job_list>
</job_info></job_info>
"""


def test_jobs_and_the_tasks_of_arrays() -> None:
    rows = accounting.parse_jobs(QSTAT)
    assert [(row["id"], row["letters"]) for row in rows] == [
        ("7", "r"), ("8.3", "r"), ("8.4", "hqw"), ("8.6", "hqw"), ("8.8", "hqw"), ("8.11", "hqw"),
    ]  # fmt: skip
    assert rows[0]["since"] - rows[2]["since"] == 3600


def test_an_answer_that_is_no_xml_is_no_answer() -> None:
    with pytest.raises(BackendError, match="Grid Engine's answer cannot be read"):
        accounting.parse_jobs("error: commlib error: got select error (Connection refused)")


def test_why_jobs_wait_is_read_although_it_is_not_quite_xml() -> None:
    said = accounting.parse_details(
        "<detailed_job_info><djob_info><element><JB_job_number>9</JB_job_number>"
        "<QIM_message>cannot run in queue &quot;all.q&quot;</QIM_message></element></djob_info>"
        "<messages><MES_job_number_list><ulong_sublist><ULNG_value>10</ULNG_value>"
        "</ulong_sublist></MES_job_number_list><MES_message>(-l gpus=4) only offers gpus=2"
        "</MES_message><job ids></messages><SME_global_message_list><MES_message>queue instance "
        "&quot;all.q@n&quot; dropped because it is full</MES_message></detailed_job_info>"
    )
    assert said == {
        "9": ['cannot run in queue "all.q"'],
        "10": ["(-l gpus=4) only offers gpus=2"],
        "": ['queue instance "all.q@n" dropped because it is full'],
    }


def block(**fields: str) -> str:
    values = {"jobnumber": "7", "taskid": "undefined", "failed": "0", "exit_status": "0"} | fields
    lines = "\n".join(f"{name:<12} {value}" for name, value in values.items())
    return f"{'=' * 62}\n{lines}\n"


@pytest.mark.parametrize(
    ("fields", "ended_as", "why"),
    [
        ({}, "unclear", ""),
        ({"failed": "37  : qmaster enforced h_rt limit"}, "time limit", "killed at a limit"),
        ({"failed": "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "slots": "1",
          "category": "-q all.q -l h_rt=3600,h_vmem=600M", "maxvmem": "628.262MB"},
         "memory", "out of memory with a limit of 600M: it used 628.262MB"),
        ({"failed": "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "slots": "4",
          "category": "-l h_vmem=600M -pe omp 4", "maxvmem": "2.4GB"},
         "memory", "a limit of 600M for each slot"),
        ({"failed": "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "slots": "1",
          "category": "-l h_rt=60,h_vmem=600M", "maxvmem": "1.5MB"},
         "time limit", "killed at its time limit of 60 s"),
        ({"failed": "100 : assumedly after job", "exit_status": "137", "maxvmem": "9.8G"},
         "killed", "it had used 9.8G of memory"),
        ({"failed": "26  : opening input/output file"}, "refused", "could not run it (26"),
        ({"failed": "25  : rescheduling", "exit_status": "99"}, "unclear", ""),
        ({"exit_status": "3"}, "unclear", ""),
    ],
)  # fmt: skip
def test_how_jobs_ended(fields: dict[str, str], ended_as: str, why: str) -> None:
    (seen,) = accounting.parse_accounting(block(**fields)).values()
    assert seen.ended_as == ended_as
    assert why in seen.why
    assert bool(why) == bool(seen.why)


def test_of_several_runs_of_a_job_the_last_counts() -> None:
    text = block(exit_status="99") + block(failed="37  : qmaster enforced h_rt limit")
    assert accounting.parse_accounting(text)["7"].ended_as == "time limit"


def test_tasks_have_ids_of_their_own() -> None:
    assert list(accounting.parse_accounting(block(taskid="3"))) == ["7.3"]
