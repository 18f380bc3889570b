import type { WidgetProps } from '@rjsf/utils';
import React, { useState } from 'react';

import type { IFormContext } from './formTemplates';
import { describedBy } from './formTemplates';
import { ImageMaker } from './imageMaker';

type Choice = 'same' | 'named' | 'make';

/** Which image: the same as before, one with a name, or one that is made for the notebook. */
export function ImageWidget(props: WidgetProps<any, any, any>): JSX.Element {
  const { trans, images } = props.formContext as IFormContext;
  const { id, placeholder, schema } = props;
  const value = (props.value ?? '') as string;
  const [chosen, setChosen] = useState<Choice>(value || !placeholder ? 'named' : 'same');
  // What somebody chose by hand goes before what an empty field means.
  const choice = value && chosen === 'same' ? 'named' : chosen;
  const cannot = (schema as any)['x-cannot-make'] as string | undefined;
  const choose = (next: Choice) => {
    setChosen(next);
    if (next === 'same') {
      props.onChange(undefined);
    }
  };
  return (
    <div className="jp-Unattended-image" role="radiogroup" aria-labelledby={`${id}__label`}>
      {placeholder && (
        <Row id={`${id}-same`} group={id} checked={choice === 'same'} pick={() => choose('same')}>
          {placeholder}
        </Row>
      )}
      <Row id={`${id}-named`} group={id} checked={choice === 'named'} pick={() => choose('named')}>
        {trans.__('The image')}
      </Row>
      <input
        id={id}
        className="jp-mod-styled"
        type="text"
        aria-label={trans.__('Name of the image')}
        aria-describedby={describedBy(id)}
        value={value}
        disabled={props.disabled || props.readonly}
        autoComplete="off"
        spellCheck={false}
        onChange={event => {
          setChosen('named');
          props.onChange(event.target.value === '' ? undefined : event.target.value);
        }}
      />
      {images !== null && (
        <>
          <Row
            id={`${id}-make`}
            group={id}
            checked={choice === 'make'}
            disabled={cannot !== undefined}
            pick={() => choose('make')}
          >
            {trans.__('Make one for this notebook')}
          </Row>
          {cannot !== undefined && <div className="jp-Unattended-fieldDisabled">{cannot}</div>}
          {choice === 'make' && (
            <ImageMaker
              images={images}
              trans={trans}
              use={name => {
                props.onChange(name);
              }}
            />
          )}
        </>
      )}
    </div>
  );
}

function Row(props: {
  id: string;
  group: string;
  checked: boolean;
  disabled?: boolean;
  pick: () => void;
  children: React.ReactNode;
}): JSX.Element {
  return (
    <div className={props.disabled ? 'jp-mod-disabled' : ''}>
      <input
        type="radio"
        id={props.id}
        name={`${props.group}-choice`}
        checked={props.checked}
        disabled={props.disabled}
        onChange={props.pick}
      />
      <label htmlFor={props.id}>{props.children}</label>
    </div>
  );
}
