import type { TranslationBundle } from '@jupyterlab/translation';
import type { RJSFValidationError } from '@rjsf/utils';

/** What is wrong with a value, said to the person who typed it and not to a programmer. */
export function errorWords(
  errors: readonly RJSFValidationError[],
  trans: TranslationBundle
): RJSFValidationError[] {
  return errors
    .map(error => ({ ...error, message: words(error, trans) }))
    .filter(error => error.message !== '');
}

function words(error: RJSFValidationError, trans: TranslationBundle): string {
  const params = (error.params ?? {}) as { type?: string | string[]; limit?: number };
  switch (error.name) {
    case 'required':
      return trans.__('A value is needed.');
    case 'type': {
      const types = [params.type ?? []].flat();
      if (types.includes('array') || types.includes('object')) {
        return ''; // The field says it, with an example.
      }
      if (types.join() === 'null') {
        return ''; // One of several types; another one's words are there.
      }
      if (types.includes('number')) {
        return trans.__('Write a number.');
      }
      return types.includes('integer') ? trans.__('Write a whole number.') : (error.message ?? '');
    }
    case 'minimum':
      return trans.__('At least %1.', params.limit);
    case 'maximum':
      return trans.__('At most %1.', params.limit);
    case 'exclusiveMinimum':
      return trans.__('More than %1.', params.limit);
    case 'exclusiveMaximum':
      return trans.__('Less than %1.', params.limit);
    case 'pattern':
      return trans.__('This does not fit what is asked for here.');
    case 'enum':
      return trans.__('Choose one of those offered.');
    case 'anyOf':
    case 'oneOf':
      return '';
    default:
      return error.message ?? '';
  }
}
