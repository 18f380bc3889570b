import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar, TextItem } from '@jupyterlab/statusbar';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Signal } from '@lumino/signaling';
import React from 'react';

import { progressWords, stateWords } from './components';
import { useSignal } from './hooks';
import { unattendedIcon } from './icons';
import { isActive, isFinal } from './states';
import { CommandIDs, IUnattended } from './tokens';
import type { IJob } from './types';

/** Running jobs, beside kernels and terminals. */
export const runningPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-unattended:running',
  description: 'Lists running unattended jobs in the Running panel.',
  autoStart: true,
  requires: [IUnattended],
  // Notebook 7 has none beside a notebook.
  optional: [IRunningSessionManagers],
  activate: (
    app: JupyterFrontEnd,
    shared: IUnattended,
    managers: IRunningSessionManagers | null
  ) => {
    if (managers === null) {
      return;
    }
    const { model, trans } = shared;
    const changed = new Signal<object, void>({});
    model.changed.connect(() => changed.emit());
    managers.add({
      name: trans.__('Unattended jobs'),
      running: () =>
        model.jobs
          .filter(job => isActive(job.state))
          .map(job => ({
            icon: () => unattendedIcon,
            label: () => job.name,
            labelTitle: () => `${job.notebook}\n${stateWords(job, trans, model.now())}`,
            detail: () => progressWords(job, trans),
            open: () => void app.commands.execute(CommandIDs.open, { id: job.id }),
            shutdown: () => void app.commands.execute(CommandIDs.cancel, { ids: [job.id] })
          })),
      // Asks once for all of them.
      shutdownAll: () =>
        void app.commands.execute(CommandIDs.cancel, {
          ids: model.jobs.filter(job => isActive(job.state)).map(job => job.id)
        }),
      refreshRunning: () => void model.refresh(),
      runningChanged: changed,
      shutdownLabel: trans.__('Cancel'),
      shutdownAllLabel: trans.__('Cancel all'),
      shutdownAllConfirmationText: trans.__('Cancel all running unattended jobs?')
    });
  }
};

function Status(props: { shared: IUnattended; open: () => void }): JSX.Element {
  const { model, trans } = props.shared;
  useSignal(model.changed);
  const running = model.jobs.filter(job => isActive(job.state)).length;
  const waiting = model.jobs.filter(job => ['queued', 'preempted'].includes(job.state)).length;
  const source = running ? trans._n('%1 job running', '%1 jobs running', running) : '';
  const more = waiting ? trans.__('%1 waiting', waiting) : '';
  return (
    <button
      className="jp-Unattended-status"
      onClick={props.open}
      title={trans.__('Show the unattended jobs')}
    >
      <unattendedIcon.react tag="span" width="14px" height="14px" />
      <TextItem source={[source, more].filter(Boolean).join(', ')} />
    </button>
  );
}

class StatusWidget extends ReactWidget {
  constructor(
    private readonly _shared: IUnattended,
    private readonly _open: () => void
  ) {
    super();
    this.addClass('jp-mod-highlighted');
  }

  protected render(): JSX.Element {
    return <Status shared={this._shared} open={this._open} />;
  }
}

/** How many jobs run and wait, at the foot of the window. */
export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-unattended:status-bar',
  description: 'Counts running and waiting unattended jobs in the status bar.',
  autoStart: true,
  requires: [IUnattended],
  // Notebook 7 has none.
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, shared: IUnattended, bar: IStatusBar | null) => {
    if (bar === null) {
      return;
    }
    const { model } = shared;
    bar.registerStatusItem('jupyter-unattended:status', {
      item: new StatusWidget(shared, () => void app.commands.execute(CommandIDs.panel)),
      align: 'left',
      rank: 5,
      isActive: () => model.jobs.some(job => !isFinal(job.state) && job.state !== 'paused'),
      activeStateChanged: model.changed as any
    });
  }
};

/** Says when a job has ended, and why. */
export const notificationPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-unattended:notifications',
  description: 'Notifies when an unattended job ends.',
  autoStart: true,
  requires: [IUnattended],
  optional: [ISettingRegistry],
  activate: (app: JupyterFrontEnd, shared: IUnattended, registry: ISettingRegistry | null) => {
    const { model, trans } = shared;
    let settings: ISettingRegistry.ISettings | null = null;
    registry?.load('jupyter-unattended:plugin').then(
      found => (settings = found),
      () => undefined
    );
    const wanted = (name: string) => settings?.get(name).composite !== false;

    model.jobChanged.connect((_, { before, after }) => {
      const ended = after !== null && before !== null && isFinal(after.state);
      if (!ended || isFinal(before.state)) {
        return;
      }
      const message = endWords(after);
      const show = () => void app.commands.execute(CommandIDs.open, { id: after.id });
      if (wanted('notifyWhenJobsEnd')) {
        const options = {
          // A failure stays until it has been seen.
          autoClose: after.state === 'failed' ? (false as const) : 8000,
          actions: [{ label: trans.__('Show'), callback: show }]
        };
        if (after.state === 'succeeded') {
          Notification.success(message, options);
        } else if (after.state === 'failed') {
          Notification.error(message, options);
        } else {
          Notification.info(message, options);
        }
      }
      const allowed = 'Notification' in window && window.Notification.permission === 'granted';
      if (allowed && document.hidden && wanted('browserNotifications')) {
        const shown = new window.Notification(trans.__('Unattended job'), {
          body: message,
          tag: after.id
        });
        shown.onclick = () => {
          window.focus();
          show();
        };
      }
    });

    function endWords(job: IJob): string {
      const how =
        job.state === 'succeeded'
          ? trans.__('%1 is done.', job.name)
          : job.state === 'failed'
            ? trans.__('%1 failed.', job.name)
            : trans.__('%1 was cancelled.', job.name);
      // A reason is a phrase; here it stands as a sentence.
      const why = job.reason.charAt(0).toUpperCase() + job.reason.slice(1);
      return why && job.state !== 'succeeded' ? `${how} ${why}` : how;
    }
  }
};
