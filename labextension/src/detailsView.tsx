import type { ReadonlyJSONObject, ReadonlyPartialJSONValue } from '@lumino/coreutils';
import React, { useEffect, useState } from 'react';

import { CodeBlock } from './codeBlock';
import { ErrorNote } from './components';
import { formatDuration, formatSize } from './format';
import type { IUnattended } from './tokens';
import type { IJob } from './types';

/** What was asked for: parameters, environment, resources, start.sh. */
export function DetailsView(props: {
  shared: IUnattended;
  job: IJob;
  record: ReadonlyJSONObject;
  visible: boolean;
}): JSX.Element {
  const { shared, job, record, visible } = props;
  const { api, trans } = shared;
  const [script, setScript] = useState<string | null>(null);
  const [requirements, setRequirements] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    let current = true;
    if (visible) {
      const read = (path: string, set: (text: string) => void) =>
        api.contents(job.id, path, true).then(
          model => current && set(String(model.content)),
          problem => current && setError(problem.message)
        );
      void read('start.sh', setScript);
      void read('requirements.txt', setRequirements);
    }
    return () => {
      current = false;
    };
  }, [api, job.id, visible]);

  const spec = object(record.spec);
  const submitted = object(record.submitted);
  const kernel = object(record.kernel);
  const rows: [string, string | null][] = [
    [trans.__('Id'), job.id],
    [trans.__('Notebook'), job.notebook],
    [trans.__('Job directory'), job.directory],
    [trans.__('Submitted by'), [submitted.by, submitted.host].filter(Boolean).join(' @ ')],
    [trans.__('Submitted'), new Date(job.created * 1000).toLocaleString()],
    [trans.__('Clone of'), job.restarted_from],
    [trans.__('Backend'), job.backend],
    [trans.__('Priority'), String(job.priority)],
    [trans.__('CPU cores'), text(spec.cpus)],
    [trans.__('Memory'), typeof spec.memory === 'number' ? formatSize(spec.memory) : null],
    [trans.__('GPUs'), spec.gpus ? text(spec.gpus) : null],
    [
      trans.__('Time limit'),
      typeof spec.time_limit === 'number' ? formatDuration(spec.time_limit) : null
    ],
    [
      trans.__('Grace period'),
      typeof spec.grace_period === 'number' ? `${spec.grace_period} s` : null
    ],
    [trans.__('Restarts'), text(spec.max_restarts)],
    [trans.__('Image'), text(spec.image)],
    [trans.__('Kernel'), text(kernel.name)],
    [trans.__('Python'), text(kernel.python_version ?? kernel.python)]
  ];
  return (
    <div className="jp-Unattended-details">
      <Values title={trans.__('Parameters')} values={object(spec.parameters)} />
      {Array.isArray(spec.arguments) && spec.arguments.length > 0 && (
        <>
          <h3>{trans.__('Arguments')}</h3>
          <CodeBlock text={spec.arguments.map(one => quote(String(one))).join(' ')} trans={trans} />
        </>
      )}
      <Values title={trans.__('Environment variables')} values={object(spec.env)} />
      <h3>{trans.__('Job')}</h3>
      <dl className="jp-Unattended-values">
        {rows
          .filter(([, value]) => value)
          .map(([name, value]) => (
            <React.Fragment key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </React.Fragment>
          ))}
      </dl>
      {error !== null && <ErrorNote message={error} trans={trans} />}
      {script !== null && (
        <>
          <h3>start.sh</h3>
          <CodeBlock text={script} trans={trans} />
        </>
      )}
      {requirements !== null && requirements.trim() !== '' && (
        <>
          <h3>requirements.txt</h3>
          <CodeBlock text={requirements} trans={trans} />
        </>
      )}
    </div>
  );
}

function Values(props: { title: string; values: ReadonlyJSONObject }): JSX.Element | null {
  const entries = Object.entries(props.values);
  if (entries.length === 0) {
    return null;
  }
  return (
    <>
      <h3>{props.title}</h3>
      <dl className="jp-Unattended-values">
        {entries.map(([name, value]) => (
          <React.Fragment key={name}>
            <dt>{name}</dt>
            <dd>{typeof value === 'string' ? value : JSON.stringify(value)}</dd>
          </React.Fragment>
        ))}
      </dl>
    </>
  );
}

function object(value: ReadonlyPartialJSONValue | undefined): ReadonlyJSONObject {
  return value && typeof value === 'object' && !Array.isArray(value)
    ? (value as ReadonlyJSONObject)
    : {};
}

function text(value: ReadonlyPartialJSONValue | undefined): string | null {
  return value === null || value === undefined || value === '' ? null : String(value);
}

function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replace(/'/g, `'"'"'`)}'`;
}
