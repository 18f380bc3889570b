import { FormComponent, ReactWidget } from '@jupyterlab/ui-components';
import type { IStateDB } from '@jupyterlab/statedb';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type { Message } from '@lumino/messaging';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { customizeValidator } from '@rjsf/validator-ajv8';
import React, { useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { ApiError } from './api';
import { CodeBlock } from './codeBlock';
import { ErrorNote, Loading } from './components';
import { Findings } from './findings';
import { changes, forBackend, toSubmit, withChanges, withoutSecrets } from './formData';
import { errorWords } from './formErrors';
import { EnvironmentField, JsonField } from './formFields';
import type { IFormContext } from './formTemplates';
import {
  BackendWidget,
  BaseInputTemplate,
  CheckboxWidget,
  FieldTemplate,
  ObjectFieldTemplate,
  SelectWidget,
  TextareaWidget,
  toUiSchema
} from './formTemplates';
import { unattendedIcon } from './icons';
import { ImageWidget } from './imageField';
import type { IImages } from './images';
import type { IUnattended } from './tokens';
import type { FormData, FormTarget, IFinding, IForm, IPreview, ISubmitted } from './types';

const validator = customizeValidator<ReadonlyJSONObject>();
const templates = { FieldTemplate, ObjectFieldTemplate, BaseInputTemplate };
const fields = { JsonField, EnvironmentField };
const widgets = { BackendWidget, CheckboxWidget, ImageWidget, SelectWidget, TextareaWidget };

/** What the form asks of the rest of JupyterLab. */
export interface IFormHost {
  /** Write the notebook to disk if it has changed; the job gets what is on disk. */
  save(): Promise<void>;
  /** Bring a cell of the notebook into view. */
  showCell(finding: IFinding): void;
  /** Take note of what was submitted. */
  submitted(job: ISubmitted): void;
}

/** The form that submits one notebook, or a clone of a job, in a tab of its own. */
export class FormWidget extends ReactWidget {
  constructor(
    readonly target: FormTarget,
    name: string,
    private readonly _shared: IUnattended,
    private readonly _host: IFormHost,
    private readonly _state: IStateDB | null
  ) {
    super();
    const { trans } = _shared;
    this.addClass('jp-Unattended-formWidget');
    this.title.icon = unattendedIcon;
    this.title.closable = true;
    this.title.label =
      'job' in target ? trans.__('Clone %1', name) : trans.__('Run %1 unattended', name);
  }

  /** Begin with the first value; before the form is there, nothing happens. */
  focusFirst(): void {
    this.node.querySelector<HTMLElement>('form input, form select, form textarea')?.focus();
  }

  /** The notebook on disk is another one now. */
  refresh(): void {
    this._stale.emit();
  }

  get stale(): ISignal<this, void> {
    return this._stale;
  }

  protected render(): JSX.Element {
    return (
      <FormBody
        widget={this}
        target={this.target}
        shared={this._shared}
        host={this._host}
        state={this._state}
      />
    );
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    // MainAreaWidget has given it a name that says nothing.
    this.node.setAttribute('aria-label', this.title.label);
  }

  protected onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.focusFirst();
  }

  private _stale = new Signal<this, void>(this);
}

/** What has just been asked for is where a person at the keyboard goes on. */
function takeFocus(element: HTMLElement | null): void {
  element?.focus();
}

function FormBody(props: {
  widget: FormWidget;
  target: FormTarget;
  shared: IUnattended;
  host: IFormHost;
  state: IStateDB | null;
}): JSX.Element {
  const { widget, target, shared, host, state } = props;
  const { api, trans } = shared;
  const [form, setForm] = useState<IForm | null>(null);
  const [data, setData] = useState<FormData>({});
  const [findings, setFindings] = useState<readonly IFinding[]>([]);
  const [force, setForce] = useState(false);
  const [preview, setPreview] = useState<IPreview | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState<'' | 'submitting' | 'preview'>('');
  const latest = useRef({ form, data });
  latest.current = { form, data };
  const key = 'notebook' in target ? `jupyter-unattended:form:${target.notebook}` : null;

  const read = useCallback(async () => {
    try {
      const found = await api.form(target);
      const before = latest.current;
      // What was changed here since, else what was changed the last time for this notebook.
      const changed =
        before.form !== null
          ? changes(before.data, before.form.data)
          : (((key && (await state?.fetch(key))) || {}) as FormData);
      setForm(found);
      setData(withChanges(found.data, changed, found.schema));
      setFindings(found.findings);
      setError(null);
    } catch (problem) {
      setError((problem as Error).message);
    }
  }, [api, target, key, state]);

  useEffect(() => void read(), [read]);
  useEffect(() => {
    widget.stale.connect(read);
    return () => {
      widget.stale.disconnect(read);
    };
  }, [widget, read]);

  const isThere = form !== null;
  useEffect(() => {
    if (isThere) {
      widget.focusFirst();
    }
  }, [isThere, widget]);

  const backend = form?.backends.find(one => one.name === data.backend);
  const schema = useMemo(
    () => (form === null ? null : forBackend(form.schema, backend)),
    [form, backend]
  );
  const uiSchema = useMemo(() => (schema === null ? {} : toUiSchema(schema)), [schema]);
  const images = useMemo<IImages | null>(() => {
    if (!('notebook' in target)) {
      return null;
    }
    const { notebook } = target;
    return {
      make: async base => {
        await host.save();
        const { form: now, data: values } = latest.current;
        return api.makeImage(notebook, toSubmit(values, now?.data ?? {}), base);
      },
      look: () => api.image(notebook),
      cancel: () => api.cancelImage(notebook)
    };
  }, [api, host, target]);
  const context = useMemo<IFormContext>(() => {
    const changed = form === null ? {} : changes(latest.current.data, form.data);
    const groups = Object.keys(changed).map(
      name => form?.schema.properties[name]?.['x-group'] as string
    );
    return { trans, defaults: form?.data ?? {}, changedGroups: new Set(groups), images };
  }, [form, trans, images]);
  const errors = findings.filter(finding => finding.severity === 'error');
  const isValid = schema !== null && validator.isValid(schema as any, data, schema as any);

  const attempt = async (what: 'submitting' | 'preview', work: () => Promise<void>) => {
    setBusy(what);
    setError(null);
    try {
      await work();
    } catch (problem) {
      setError((problem as Error).message);
      if (problem instanceof ApiError && problem.findings.length) {
        setFindings(problem.findings);
      }
    }
    setBusy('');
  };
  const submit = () =>
    attempt('submitting', async () => {
      await host.save();
      const job = await api.submit(target, toSubmit(data, form?.data ?? {}), force);
      if (key !== null && form !== null) {
        await state?.save(key, withoutSecrets(changes(data, form.data)));
      }
      host.submitted(job);
      widget.dispose();
    });
  const look = () =>
    attempt('preview', async () => {
      await host.save();
      const found = await api.preview(target, toSubmit(data, form?.data ?? {}));
      setFindings(found.findings);
      setPreview(found);
    });

  if (form === null || schema === null) {
    return error !== null ? (
      <ErrorNote message={error} retry={() => void read()} trans={trans} />
    ) : (
      <Loading what={trans.__('Reading the notebook…')} />
    );
  }
  const changed = Object.keys(changes(data, form.data)).length > 0;
  const blocked = errors.length > 0 && !force;
  return (
    <div
      className="jp-Unattended-form"
      onKeyDown={event => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !blocked && isValid) {
          event.preventDefault();
          event.stopPropagation();
          void submit();
        }
      }}
    >
      <div className="jp-Unattended-formScroll">
        <Findings findings={findings} show={finding => host.showCell(finding)} trans={trans} />
        {preview !== null ? (
          <section
            className="jp-Unattended-preview"
            aria-label={trans.__('Preview')}
            tabIndex={-1}
            ref={takeFocus}
          >
            {preview.files.map(file => (
              <React.Fragment key={file.filename}>
                <h3>{file.filename}</h3>
                <CodeBlock text={file.text} trans={trans} />
              </React.Fragment>
            ))}
          </section>
        ) : (
          <>
            <FormComponent
              schema={schema as any}
              uiSchema={uiSchema as any}
              formData={data as any}
              formContext={context}
              validator={validator}
              templates={templates as any}
              fields={fields as any}
              widgets={widgets as any}
              translator={undefined}
              tagName="form"
              liveValidate
              noHtml5Validate
              showErrorList={false}
              transformErrors={(problems: any) => errorWords(problems, trans)}
              onChange={(event: any) => {
                const next = event.formData as FormData;
                setData(next.backend === data.backend ? next : { ...next, options: {} });
              }}
              onSubmit={() => undefined}
            />
            {form.requirements.unmapped.length > 0 && (
              <p className="jp-Unattended-note">
                {trans.__(
                  'These imports belong to no installed distribution and are not in the requirements: %1',
                  form.requirements.unmapped.join(', ')
                )}
              </p>
            )}
          </>
        )}
      </div>
      <footer className="jp-Unattended-formFooter">
        {error !== null && <ErrorNote message={error} trans={trans} />}
        {errors.length > 0 && (
          <label className="jp-Unattended-check">
            <input
              type="checkbox"
              checked={force}
              onChange={event => setForce(event.target.checked)}
            />
            {trans._n(
              'Submit although there is an error',
              'Submit although there are %1 errors',
              errors.length
            )}
          </label>
        )}
        <div className="jp-Unattended-formButtons">
          <button
            className="jp-mod-styled jp-mod-accept"
            disabled={busy !== '' || blocked || !isValid}
            title={
              blocked
                ? trans.__('Preflight found errors')
                : isValid
                  ? trans.__('Ctrl+Enter')
                  : trans.__('A value above is missing or wrong')
            }
            onClick={submit}
          >
            {busy === 'submitting' ? trans.__('Submitting…') : trans.__('Run unattended')}
          </button>
          {preview === null ? (
            <button
              className="jp-mod-styled jp-mod-reject"
              disabled={busy !== '' || !isValid}
              onClick={look}
            >
              {busy === 'preview' ? trans.__('Preparing…') : trans.__('Preview')}
            </button>
          ) : (
            <button className="jp-mod-styled jp-mod-reject" onClick={() => setPreview(null)}>
              {trans.__('Back to the form')}
            </button>
          )}
          <button className="jp-mod-styled jp-mod-reject" onClick={() => widget.dispose()}>
            {trans.__('Cancel')}
          </button>
          <span className="jp-Unattended-spacer" />
          {changed && preview === null && (
            <button
              className="jp-Unattended-link"
              onClick={() => setData(form.data)}
              title={trans.__('Back to the values in the notebook')}
            >
              {trans.__('Reset')}
            </button>
          )}
        </div>
      </footer>
    </div>
  );
}
