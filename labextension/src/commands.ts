import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, Notification, showDialog, showErrorMessage } from '@jupyterlab/apputils';

import type { IUnattended } from './tokens';
import { CommandIDs } from './tokens';
import type { Action, IJob } from './types';

/** Which jobs a command is about. */
export interface IJobsArgs {
  /** One job, or several. Without either: those that are marked in the panel. */
  readonly id?: string;
  readonly ids?: readonly string[];
}

/**
 * Add the commands that steer jobs.
 *
 * @param selected - Returns the jobs that a command without arguments is about.
 */
export function addJobCommands(
  app: JupyterFrontEnd,
  shared: IUnattended,
  selected: () => readonly string[]
): void {
  const { api, model, trans } = shared;
  const { commands } = app;

  const ids = (args: IJobsArgs): readonly string[] =>
    args.ids?.length ? args.ids : args.id ? [args.id] : selected();
  const jobs = (args: IJobsArgs): IJob[] =>
    ids(args)
      .map(id => model.get(id))
      .filter((job): job is IJob => job !== undefined);
  const fail = (title: string, error: unknown) => showErrorMessage(title, error as Error);

  const steer = (command: string, action: Action, label: string, when: (job: IJob) => boolean) => {
    commands.addCommand(command, {
      label,
      isEnabled: args => jobs(args as IJobsArgs).some(when),
      execute: async args => {
        for (const job of jobs(args as IJobsArgs).filter(when)) {
          try {
            model.put(await api.act(job.id, action));
          } catch (error) {
            await fail(trans.__('%1: %2', label, job.name), error);
          }
        }
      }
    });
  };
  const isPaused = (job: IJob) => job.state === 'paused' || job.state === 'pausing';
  const isFinal = (job: IJob) => ['succeeded', 'failed', 'cancelled'].includes(job.state);
  steer(CommandIDs.pause, 'pause', trans.__('Pause'), job => !isFinal(job) && !isPaused(job));
  steer(CommandIDs.resume, 'resume', trans.__('Resume'), isPaused);

  commands.addCommand(CommandIDs.cancel, {
    label: trans.__('Cancel'),
    isEnabled: args => jobs(args as IJobsArgs).some(job => !isFinal(job)),
    execute: async args => {
      const found = jobs(args as IJobsArgs).filter(job => !isFinal(job));
      if (found.length === 0) {
        return;
      }
      const answer = await showDialog({
        title: trans._n('Cancel this job?', 'Cancel %1 jobs?', found.length),
        body: trans.__(
          '%1 will be stopped for good. What it has written until then is kept.',
          names(found)
        ),
        buttons: [
          Dialog.cancelButton({ label: trans.__('Let it run') }),
          Dialog.warnButton({ label: trans.__('Cancel the job') })
        ],
        defaultButton: 0
      });
      if (!answer.button.accept) {
        return;
      }
      for (const job of found) {
        try {
          model.put(await api.act(job.id, 'cancel'));
        } catch (error) {
          await fail(trans.__('%1 cannot be cancelled', job.name), error);
        }
      }
    }
  });

  commands.addCommand(CommandIDs.delete, {
    label: trans.__('Delete'),
    isEnabled: args => jobs(args as IJobsArgs).some(job => isFinal(job) || job.state === 'paused'),
    execute: async args => {
      const found = jobs(args as IJobsArgs);
      if (found.length === 0) {
        return;
      }
      const answer = await showDialog({
        title: trans._n('Delete this job?', 'Delete %1 jobs?', found.length),
        body: trans.__(
          '%1 and all its output, logs and checkpoints will be removed from the disk. The notebook itself stays.',
          names(found)
        ),
        buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Delete') })],
        defaultButton: 0
      });
      if (!answer.button.accept) {
        return;
      }
      for (const job of found) {
        try {
          await api.delete(job.id);
          model.remove(job.id);
        } catch (error) {
          await fail(trans.__('%1 cannot be deleted', job.name), error);
        }
      }
    }
  });

  commands.addCommand(CommandIDs.rerun, {
    label: trans.__('Run Again'),
    caption: trans.__('Submit the same notebook, as it was then, with the same values'),
    isEnabled: args => jobs(args as IJobsArgs).length > 0,
    execute: async args => {
      for (const job of jobs(args as IJobsArgs)) {
        try {
          announce(app, shared, await api.act(job.id, 'rerun'));
        } catch (error) {
          await fail(trans.__('%1 cannot be run again', job.name), error);
        }
      }
    }
  });

  commands.addCommand(CommandIDs.moveFirst, {
    label: trans.__('Move to the Front of the Queue'),
    isEnabled: args => jobs(args as IJobsArgs).some(job => job.state === 'queued'),
    execute: async args => {
      for (const job of jobs(args as IJobsArgs).filter(one => one.state === 'queued')) {
        try {
          model.put(await api.change(job.id, { position: 0 }));
        } catch (error) {
          await fail(trans.__('%1 cannot be moved', job.name), error);
        }
      }
    }
  });

  commands.addCommand(CommandIDs.download, {
    label: trans.__('Download'),
    caption: trans.__('Download all files of the job as a zip file'),
    isEnabled: args => jobs(args as IJobsArgs).length === 1,
    execute: args => {
      const [job] = jobs(args as IJobsArgs);
      if (job !== undefined) {
        const link = document.createElement('a');
        link.href = api.downloadUrl(job.id);
        link.download = `${job.id}.zip`;
        document.body.appendChild(link);
        link.click();
        link.remove();
      }
    }
  });

  commands.addCommand(CommandIDs.openNotebook, {
    label: trans.__('Open Notebook'),
    caption: trans.__('Open the notebook that the job was made from'),
    isEnabled: args => {
      const found = jobs(args as IJobsArgs);
      return found.length === 1 && found[0].notebook_path !== null;
    },
    execute: args => {
      const [job] = jobs(args as IJobsArgs);
      return job?.notebook_path
        ? commands.execute('docmanager:open', { path: job.notebook_path })
        : undefined;
    }
  });

  commands.addCommand(CommandIDs.refresh, {
    label: trans.__('Refresh the List of Unattended Jobs'),
    execute: () => model.refresh()
  });

  commands.addCommand(CommandIDs.allowNotifications, {
    label: trans.__('Allow Notifications When Unattended Jobs End'),
    caption: trans.__('The browser shows them also while another window is in front'),
    isEnabled: () => 'Notification' in window && window.Notification.permission === 'default',
    execute: async () => {
      await window.Notification.requestPermission();
      commands.notifyCommandChanged(CommandIDs.allowNotifications);
    }
  });
}

/** Say that a job was submitted, or several, with a way to the (first) one. */
export function announce(app: JupyterFrontEnd, shared: IUnattended, job: IJob, runs = 1): void {
  const { model, trans } = shared;
  model.put(job);
  const said = trans._n('%2 was submitted.', '%1 runs were submitted: %2 …', runs, job.name);
  Notification.success(said, {
    autoClose: 6000,
    actions: [
      {
        label: trans.__('Show'),
        callback: () => void app.commands.execute(CommandIDs.open, { id: job.id })
      }
    ]
  });
}

function names(jobs: readonly IJob[]): string {
  const some = jobs.slice(0, 3).map(job => `“${job.name}”`);
  return some.join(', ') + (jobs.length > 3 ? ' …' : '');
}
