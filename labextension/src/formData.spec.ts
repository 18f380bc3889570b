import { changes, forBackend, toSubmit, withChanges, withoutSecrets } from './formData';
import type { IBackend, IFormSchema } from './types';

const schema: IFormSchema = {
  properties: {
    parameters: {
      type: 'object',
      properties: {
        epochs: { type: 'integer' },
        kind: { type: 'string', enum: ['a', 'b'] }
      }
    },
    name: { type: 'string' },
    memory: { type: 'string' },
    backend: {
      oneOf: [{ const: 'local' }, { const: 'slurm', 'x-disabled': 'sbatch is missing' }] as any
    },
    options: { type: 'object', properties: { partition: { type: 'string' } } }
  }
};
const defaults = { parameters: { epochs: 5, kind: 'a' }, name: 'run', backend: 'local' };

describe('what was changed', () => {
  it('is told from what was there', () => {
    expect(changes(defaults, defaults)).toEqual({});
    expect(changes({ ...defaults, parameters: { epochs: 6, kind: 'a' } }, defaults)).toEqual({
      parameters: { epochs: 6 }
    });
    expect(changes({ ...defaults, name: '' }, defaults)).toEqual({ name: '' });
    expect(changes({ ...defaults, memory: undefined as any, options: {} }, defaults)).toEqual({});
  });

  it('is made again on newer defaults', () => {
    const newer = { ...defaults, parameters: { epochs: 9, kind: 'b' }, memory: '2G' };
    expect(withChanges(newer, { parameters: { epochs: 6 }, memory: null }, schema)).toEqual({
      ...defaults,
      parameters: { epochs: 6, kind: 'b' }
    });
  });

  it('is dropped where the form does not have it any more', () => {
    const changed = { parameters: { gone: 1, kind: 'c' }, backend: 'slurm', nonsense: 1 };
    expect(withChanges(defaults, changed, schema)).toEqual(defaults);
  });
});

describe('what is sent', () => {
  it('has only the parameters and requirements that were changed', () => {
    const opened = { ...defaults, requirements: 'numpy\n' };
    expect(toSubmit(opened, opened)).toEqual({ name: 'run', backend: 'local', parameters: {} });
    const data = { ...opened, parameters: { epochs: 6, kind: 'a' }, requirements: '' };
    expect(toSubmit(data, opened)).toEqual({
      name: 'run',
      backend: 'local',
      parameters: { epochs: 6 },
      requirements: ''
    });
  });

  it('is remembered without secrets', () => {
    const env = [
      { name: 'A', value: '1' },
      { name: 'B', value: 'hidden', secret: true }
    ];
    expect(withoutSecrets({ env } as any)).toEqual({
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '', secret: true }
      ]
    });
  });
});

describe('forBackend', () => {
  const slurm: IBackend = {
    name: 'slurm',
    title: 'Slurm',
    usable: true,
    reason: '',
    disabled: { memory: 'no memory here' },
    options: { type: 'object', properties: { partition: { type: 'string' } } },
    fields: {}
  };

  it('shows its options and what it has no use for', () => {
    const found = forBackend(schema, slurm);
    expect(found.properties.memory['x-disabled']).toBe('no memory here');
    expect(Object.keys(found.properties)).toContain('options');
    const without = forBackend(found, { ...slurm, disabled: {}, options: {} });
    expect(without.properties.memory['x-disabled']).toBeUndefined();
    expect(Object.keys(without.properties)).not.toContain('options');
  });

  it('shows what it knows of a field, and drops that for another', () => {
    const container = { ...slurm, fields: { memory: { 'x-placeholder': 'all there is' } } };
    expect(forBackend(schema, container).properties.memory['x-placeholder']).toBe('all there is');
    expect(forBackend(schema, slurm).properties.memory['x-placeholder']).toBeUndefined();
  });
});
