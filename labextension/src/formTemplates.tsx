import type { TranslationBundle } from '@jupyterlab/translation';
import type { JSONObject } from '@lumino/coreutils';
import { JSONExt } from '@lumino/coreutils';
import type {
  BaseInputTemplateProps,
  FieldTemplateProps,
  ObjectFieldTemplateProps,
  UiSchema,
  WidgetProps
} from '@rjsf/utils';
import { getInputProps } from '@rjsf/utils';
import React from 'react';

import type { IImages } from './images';
import type { FormData, IFormSchema } from './types';

/** What the templates know beyond the field they draw. */
export interface IFormContext {
  readonly trans: TranslationBundle;
  /** The values that the notebook and the server have. */
  readonly defaults: FormData;
  /** Sections that are unfolded although the schema folds them. */
  readonly changedGroups: ReadonlySet<string>;
  /** Makes an image for the notebook; null where the form is for no notebook. */
  readonly images: IImages | null;
}

/** How rjsf is to draw a schema, from our own keywords in it. */
export function toUiSchema(schema: JSONObject): UiSchema {
  const ui: UiSchema = {};
  for (const [name, property] of Object.entries((schema.properties ?? {}) as JSONObject)) {
    const one = property as JSONObject;
    const widget = one['x-widget'];
    ui[name] = {
      ...(one.type === 'object' ? toUiSchema(one) : {}),
      ...(one['x-placeholder'] ? { 'ui:placeholder': one['x-placeholder'] } : {}),
      ...(one['x-disabled'] || one.readOnly ? { 'ui:disabled': true } : {}),
      ...(widget === 'lines' ? { 'ui:widget': 'textarea' } : {}),
      ...(widget === 'json' ? { 'ui:field': 'JsonField' } : {}),
      ...(widget === 'environment' ? { 'ui:field': 'EnvironmentField' } : {}),
      ...(widget === 'backend' ? { 'ui:widget': 'BackendWidget' } : {}),
      // Where an administrator allows only some images, these are a plain choice.
      ...(widget === 'image' && !one.enum && !one.readOnly ? { 'ui:widget': 'ImageWidget' } : {})
    };
    if (!widget && (one.type === 'array' || (one.type === 'object' && !one.properties))) {
      ui[name]['ui:field'] = 'JsonField';
    }
  }
  return ui;
}

/** A label, the input, what it means, and what is wrong with it. */
export function FieldTemplate(props: FieldTemplateProps<any, any, any>): JSX.Element {
  const { id, label, schema, children, rawErrors, required, hidden, formData, uiSchema } = props;
  const context = props.formContext as IFormContext;
  if (hidden) {
    return <div hidden>{children}</div>;
  }
  const own = schema as JSONObject;
  const isContainer = own.type === 'object' && uiSchema?.['ui:field'] === undefined;
  if (isContainer || own['x-widget'] === 'environment') {
    return <>{children}</>;
  }
  const disabled = own['x-disabled'] as string | undefined;
  const initial = defaultAt(id, context.defaults);
  const changed =
    id.startsWith('root_parameters_') &&
    initial !== undefined &&
    !JSONExt.deepEqual((formData ?? null) as any, initial);
  const isCheckbox = [own.type].flat().includes('boolean') && own.enum === undefined;
  const isChoice = ['BackendWidget', 'ImageWidget'].includes(uiSchema?.['ui:widget'] as string);
  // "GPUs. GPUs." helps nobody.
  const said = String(own.description ?? '');
  const description = said.replace(/\.$/, '') === label ? '' : said;
  const Label = isChoice ? 'span' : 'label';
  return (
    <div
      className={[
        'jp-Unattended-field',
        isCheckbox ? 'jp-mod-checkbox' : '',
        disabled ? 'jp-mod-disabled' : '',
        changed ? 'jp-mod-changed' : '',
        own['x-widget'] === 'lines' ? 'jp-mod-tall' : ''
      ].join(' ')}
      data-field={id}
    >
      <Label
        {...(isChoice ? { id: `${id}__label` } : { htmlFor: id })}
        className="jp-Unattended-fieldLabel"
      >
        {label}
        {required && <span title={context.trans.__('Required')}> *</span>}
      </Label>
      <div className="jp-Unattended-fieldInput">
        {children}
        {changed && (
          <div className="jp-Unattended-fieldChanged">
            {context.trans.__(
              'In the notebook: %1',
              typeof initial === 'string' ? initial : JSON.stringify(initial)
            )}
          </div>
        )}
        {description && !disabled && (
          <div id={`${id}__description`} className="jp-Unattended-fieldDescription">
            {description}
          </div>
        )}
        {disabled && (
          <div id={`${id}__help`} className="jp-Unattended-fieldDisabled">
            {disabled}
          </div>
        )}
        {rawErrors && rawErrors.length > 0 && (
          <div id={`${id}__error`} className="jp-Unattended-fieldError" role="alert">
            {[...new Set(rawErrors)].join('; ')}
          </div>
        )}
      </div>
    </div>
  );
}

function defaultAt(id: string, defaults: FormData): any {
  const match = /^root_parameters_(.+)$/.exec(id);
  return match === null ? undefined : (defaults.parameters as JSONObject | undefined)?.[match[1]];
}

/** The form's sections; inside them, objects are drawn without a frame of their own. */
export function ObjectFieldTemplate(props: ObjectFieldTemplateProps<any, any, any>): JSX.Element {
  const { idSchema, properties } = props;
  const schema = props.schema as unknown as IFormSchema;
  const context = props.formContext as IFormContext;
  const groups = schema['x-groups'] as { id: string; title: string; open: boolean }[] | undefined;
  if (idSchema.$id !== 'root' || groups === undefined) {
    return <>{properties.map(property => property.content)}</>;
  }
  return (
    <>
      {groups.map(group => {
        const members = properties.filter(
          property => schema.properties[property.name]?.['x-group'] === group.id
        );
        if (members.length === 0) {
          return null;
        }
        return (
          <details
            key={group.id}
            className={`jp-Unattended-group jp-mod-${group.id}`}
            open={group.open || context.changedGroups.has(group.id)}
          >
            <summary>{group.title}</summary>
            <div className="jp-Unattended-groupBody">{members.map(member => member.content)}</div>
          </details>
        );
      })}
    </>
  );
}

/** A text or number input. */
export function BaseInputTemplate(props: BaseInputTemplateProps<any, any, any>): JSX.Element {
  const { id, value, schema, type, options, disabled, readonly, required, placeholder } = props;
  const isNumber = ['number', 'integer'].some(kind => [schema.type].flat().includes(kind as any));
  const input = getInputProps(schema, type, options);
  return (
    <input
      id={id}
      name={id}
      className="jp-mod-styled"
      {...input}
      // A number field would swallow what it cannot read; ours says what is wrong with it.
      type={isNumber ? 'text' : input.type}
      inputMode={isNumber ? 'decimal' : undefined}
      value={value ?? ''}
      placeholder={placeholder}
      required={required}
      disabled={disabled || readonly}
      aria-describedby={describedBy(id)}
      aria-invalid={(props.rawErrors?.length ?? 0) > 0}
      autoComplete="off"
      spellCheck={false}
      onChange={event =>
        props.onChange(event.target.value === '' ? options.emptyValue : event.target.value)
      }
      onBlur={event => props.onBlur(id, event.target.value)}
      onFocus={event => props.onFocus(id, event.target.value)}
    />
  );
}

export function TextareaWidget(props: WidgetProps<any, any, any>): JSX.Element {
  const rows = Math.min(14, Math.max(4, String(props.value ?? '').split('\n').length + 1));
  return (
    <textarea
      id={props.id}
      className="jp-mod-styled"
      value={props.value ?? ''}
      rows={rows}
      disabled={props.disabled || props.readonly}
      aria-describedby={describedBy(props.id)}
      spellCheck={false}
      onChange={event => props.onChange(event.target.value)}
    />
  );
}

export function SelectWidget(props: WidgetProps<any, any, any>): JSX.Element {
  const choices = props.options.enumOptions ?? [];
  const index = choices.findIndex(choice =>
    JSONExt.deepEqual(choice.value ?? null, props.value ?? null)
  );
  return (
    <select
      id={props.id}
      className="jp-mod-styled"
      value={index}
      disabled={props.disabled || props.readonly}
      aria-describedby={describedBy(props.id)}
      onChange={event => props.onChange(choices[Number(event.target.value)]?.value)}
    >
      {index < 0 && <option value={-1} />}
      {choices.map((choice, i) => (
        <option key={i} value={i}>
          {choice.value === null ? 'None' : choice.label}
        </option>
      ))}
    </select>
  );
}

export function CheckboxWidget(props: WidgetProps<any, any, any>): JSX.Element {
  return (
    <input
      id={props.id}
      type="checkbox"
      checked={props.value === true}
      disabled={props.disabled || props.readonly}
      aria-describedby={describedBy(props.id)}
      onChange={event => props.onChange(event.target.checked)}
    />
  );
}

/** Where to run: those that do not work here are there too, with the reason. */
export function BackendWidget(props: WidgetProps<any, any, any>): JSX.Element {
  const choices = (props.schema.oneOf ?? []) as unknown as JSONObject[];
  return (
    <div
      className="jp-Unattended-backends"
      role="radiogroup"
      aria-labelledby={`${props.id}__label`}
    >
      {choices.map(choice => {
        const why = choice['x-disabled'] as string | undefined;
        const value = choice.const as string;
        const id = `${props.id}-${value}`;
        return (
          <div key={value} className={why === undefined ? '' : 'jp-mod-disabled'}>
            <input
              type="radio"
              id={id}
              name={props.id}
              checked={props.value === value}
              disabled={why !== undefined}
              aria-describedby={why === undefined ? undefined : `${id}-why`}
              onChange={() => props.onChange(value)}
            />
            <label htmlFor={id}>
              <strong>{value}</strong> {choice.title !== value && String(choice.title)}
            </label>
            {why !== undefined && (
              <span id={`${id}-why`} className="jp-Unattended-fieldDisabled">
                {why}
              </span>
            )}
          </div>
        );
      })}
    </div>
  );
}

/** Ids of what describes an input, as the field template gives them. */
export function describedBy(id: string): string {
  return `${id}__error ${id}__description ${id}__help`;
}
