import type { RJSFValidationError } from '@rjsf/utils';

import { errorWords } from './formErrors';

const trans = {
  __: (text: string, ...values: unknown[]) =>
    text.replace(/%(\d)/g, (_, place) => String(values[Number(place) - 1]))
} as any;

function said(error: Partial<RJSFValidationError>): string[] {
  return errorWords([{ stack: '', ...error }], trans).map(one => one.message ?? '');
}

describe('errorWords', () => {
  it('says what to write', () => {
    expect(said({ name: 'type', params: { type: 'integer' } })).toEqual(['Write a whole number.']);
    expect(said({ name: 'type', params: { type: ['number', 'null'] } })).toEqual([
      'Write a number.'
    ]);
    expect(said({ name: 'maximum', params: { limit: 16 } })).toEqual(['At most 16.']);
    expect(said({ name: 'required', params: {} })).toEqual(['A value is needed.']);
    expect(said({ name: 'pattern', params: {} })).toEqual([
      'This does not fit what is asked for here.'
    ]);
  });

  it('leaves lists and dictionaries to their field', () => {
    expect(said({ name: 'type', params: { type: 'array' } })).toEqual([]);
  });

  it('keeps what it does not know', () => {
    expect(said({ name: 'format', message: 'must be a date' })).toEqual(['must be a date']);
  });
});
