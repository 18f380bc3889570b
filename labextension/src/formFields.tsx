import { closeIcon } from '@jupyterlab/ui-components';
import type { FieldProps } from '@rjsf/utils';
import React, { useEffect, useId, useState } from 'react';

import type { IFormContext } from './formTemplates';
import { describedBy } from './formTemplates';

/** Lists and dictionaries, written as JSON. */
export function JsonField(props: FieldProps<any, any, any>): JSX.Element {
  const { formData, onChange, idSchema, schema } = props;
  const { trans } = props.formContext as IFormContext;
  const id = idSchema.$id;
  const written = formData === undefined ? '' : JSON.stringify(formData);
  const [text, setText] = useState(written);
  const [error, setError] = useState('');
  useEffect(() => {
    // A value that came from elsewhere; what is being typed stays as it is.
    if (formData !== text && parse(text) !== written) {
      setText(written);
      setError('');
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only when the value changes
  }, [written]);
  const isList = [schema.type].flat().includes('array');
  return (
    <>
      <input
        id={id}
        type="text"
        className="jp-mod-styled jp-Unattended-json"
        value={text}
        spellCheck={false}
        autoComplete="off"
        aria-invalid={error !== ''}
        aria-describedby={`${describedBy(id)} ${id}__json`}
        placeholder={(props.uiSchema?.['ui:placeholder'] as string) ?? (isList ? '[1, 2]' : '{}')}
        onChange={event => {
          setText(event.target.value);
          if (event.target.value.trim() === '') {
            setError('');
            onChange(undefined);
            return;
          }
          const parsed = parse(event.target.value);
          const value = parsed === null ? undefined : JSON.parse(parsed);
          if (parsed === null || (isList ? !Array.isArray(value) : !isObject(value))) {
            setError(
              isList
                ? trans.__('Write a list as JSON, for example [1, 2] or ["a", "b"].')
                : trans.__('Write a dictionary as JSON, for example {"a": 1}.')
            );
            // The server would refuse it too; until then the text itself is the value.
            onChange(event.target.value);
          } else {
            setError('');
            onChange(value);
          }
        }}
      />
      {error && (
        <div id={`${id}__json`} className="jp-Unattended-fieldError" role="alert">
          {error}
        </div>
      )}
    </>
  );
}

function parse(text: string): string | null {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return null;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface IVariable {
  name?: string;
  value?: string;
  secret?: boolean;
}

/** Environment variables, a row each; secret ones are covered. */
export function EnvironmentField(props: FieldProps<any, any, any>): JSX.Element {
  const { trans } = props.formContext as IFormContext;
  const rows = (props.formData ?? []) as IVariable[];
  const id = useId();
  const set = (index: number, change: IVariable) =>
    props.onChange(rows.map((row, i) => (i === index ? { ...row, ...change } : row)));
  return (
    <div className="jp-Unattended-env">
      {rows.map((row, i) => (
        <div key={i} className="jp-Unattended-envRow">
          <input
            className="jp-mod-styled"
            aria-label={trans.__('Name of variable %1', i + 1)}
            placeholder={trans.__('NAME')}
            value={row.name ?? ''}
            spellCheck={false}
            autoComplete="off"
            onChange={event => set(i, { name: event.target.value })}
          />
          <span aria-hidden>=</span>
          <input
            className="jp-mod-styled"
            type={row.secret ? 'password' : 'text'}
            aria-label={trans.__('Value of variable %1', i + 1)}
            placeholder={trans.__('value')}
            value={row.value ?? ''}
            spellCheck={false}
            autoComplete="new-password"
            onChange={event => set(i, { value: event.target.value })}
          />
          <label title={trans.__('The value is handed to the backend and is in no file.')}>
            <input
              type="checkbox"
              checked={row.secret === true}
              onChange={event => set(i, { secret: event.target.checked })}
            />
            {trans.__('Secret')}
          </label>
          <button
            type="button"
            className="jp-Unattended-iconButton"
            aria-label={trans.__('Remove variable %1', i + 1)}
            onClick={() => props.onChange(rows.filter((_, other) => other !== i))}
          >
            <closeIcon.react tag="span" />
          </button>
        </div>
      ))}
      <button
        type="button"
        id={id}
        className="jp-mod-styled jp-mod-reject"
        onClick={() => props.onChange([...rows, { name: '', value: '' }])}
      >
        {trans.__('Add a variable')}
      </button>
    </div>
  );
}
