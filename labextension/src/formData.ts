import type { JSONObject } from '@lumino/coreutils';
import { JSONExt } from '@lumino/coreutils';

import type { FormData, IBackend, IFormSchema } from './types';

/** Objects in a form whose members are remembered one by one. */
const NESTED = ['parameters', 'options'];

/** What a person changed: the values in `data` that are not those in `defaults`. */
export function changes(data: FormData, defaults: FormData): FormData {
  const found: FormData = {};
  for (const name of new Set([...Object.keys(data), ...Object.keys(defaults)])) {
    const [now, before] = [data[name], defaults[name]];
    if (NESTED.includes(name)) {
      const inner = changes((now ?? {}) as JSONObject, (before ?? {}) as JSONObject);
      if (Object.keys(inner).length) {
        found[name] = inner;
      }
    } else if (!same(now, before)) {
      // An emptied field is remembered as empty.
      found[name] = now ?? null;
    }
  }
  return found;
}

/** The form's values with earlier changes made again, as far as the form still has such fields. */
export function withChanges(defaults: FormData, changed: FormData, schema: IFormSchema): FormData {
  const data = JSONExt.deepCopy(defaults);
  apply(data, changed, schema.properties);
  return data;
}

function apply(data: FormData, changed: FormData, properties: IFormSchema['properties']): void {
  for (const [name, value] of Object.entries(changed)) {
    const schema = properties[name];
    if (schema === undefined) {
      continue;
    }
    if (NESTED.includes(name) && schema.properties) {
      data[name] = { ...((data[name] ?? {}) as JSONObject) };
      apply(data[name] as JSONObject, value as JSONObject, schema.properties as any);
    } else if (value === null) {
      delete data[name];
    } else if (fits(value, schema)) {
      data[name] = value;
    }
  }
}

/** Whether a remembered value is still one of those offered. */
function fits(value: unknown, schema: JSONObject): boolean {
  const choices = (schema.enum ??
    (schema.oneOf as any)
      ?.filter((one: any) => !one['x-disabled'])
      .map((one: any) => one.const)) as unknown[] | undefined;
  return choices === undefined || choices.includes(value);
}

/** What is sent: of parameters and requirements only what was changed, see `form_values.to_fields`. */
export function toSubmit(data: FormData, defaults: FormData): FormData {
  const { parameters, requirements, ...rest } = data;
  const changed = changes(data, defaults);
  return {
    ...rest,
    ...(parameters === undefined ? {} : { parameters: changed.parameters ?? {} }),
    // Emptied: install nothing.
    ...('requirements' in changed ? { requirements: requirements ?? '' } : {})
  };
}

/** What may be kept in the browser: secret values are not. */
export function withoutSecrets(data: FormData): FormData {
  if (!Array.isArray(data.env)) {
    return data;
  }
  const env = (data.env as JSONObject[]).map(row =>
    row.secret ? { name: row.name ?? '', value: '', secret: true } : row
  );
  return { ...data, env };
}

/** The schema as it is for one of the backends: its options, what it knows of the fields, and what it
 * has no use for. */
export function forBackend(schema: IFormSchema, backend: IBackend | undefined): IFormSchema {
  const properties: IFormSchema['properties'] = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    if (name === 'options') {
      continue;
    }
    const { 'x-disabled': _, ...rest } = property;
    const why = backend?.disabled[name];
    const own = { ...rest, ...backend?.fields[name] };
    properties[name] = why ? { ...own, 'x-disabled': why } : own;
    if (name === 'backend' && Object.keys((backend?.options.properties as any) ?? {}).length) {
      properties.options = { ...backend?.options, title: '', 'x-group': 'where' } as JSONObject;
    }
  }
  return { ...schema, properties };
}

function same(a: unknown, b: unknown): boolean {
  const empty = (value: unknown) =>
    value === undefined || value === null || value === '' || isEmpty(value);
  return (empty(a) && empty(b)) || JSONExt.deepEqual((a ?? null) as any, (b ?? null) as any);
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
