import { fileIcon, folderIcon, notebookIcon } from '@jupyterlab/ui-components';
import React, { useEffect, useState } from 'react';

import { Empty, ErrorNote, Loading } from './components';
import { formatMoment, formatSize } from './format';
import type { IUnattended } from './tokens';
import type { IFileModel, IJob } from './types';

/** What the files in a job directory are, by their name. */
function meaning(path: string, { trans }: IUnattended): string {
  const known: { [path: string]: string } = {
    'output.ipynb': trans.__('the executed notebook'),
    'notebook.ipynb': trans.__('the notebook as it was submitted'),
    'start.sh': trans.__('the command of the job'),
    'requirements.txt': trans.__('what start.sh installs'),
    'job.json': trans.__('what was asked for'),
    'journal.jsonl': trans.__('what happened, cell by cell'),
    'metrics.jsonl': trans.__('what the notebook reported'),
    'handle.json': trans.__('by what the backend knows the job'),
    'history.jsonl': trans.__('every change of state'),
    attempts: trans.__('one folder for each attempt'),
    checkpoints: trans.__('what the next attempt goes on from'),
    runtime: trans.__('the code that runs the cells')
  };
  return known[path] ?? '';
}

/** The files of a job directory, each of which can be opened or downloaded. */
export function FilesView(props: {
  shared: IUnattended;
  job: IJob;
  visible: boolean;
  open: (path: string) => void;
}): JSX.Element {
  const { shared, job, visible, open } = props;
  const { api, trans } = shared;
  const [path, setPath] = useState('');
  const [files, setFiles] = useState<readonly IFileModel[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    let current = true;
    if (visible) {
      api.contents(job.id, path, true).then(
        model => {
          if (current) {
            setFiles(model.content as IFileModel[]);
            setError(null);
          }
        },
        problem => current && setError(problem.message)
      );
    }
    return () => {
      current = false;
    };
  }, [api, job.id, path, visible, job.state]);

  const parts = path.split('/').filter(Boolean);
  return (
    <div className="jp-Unattended-files">
      <div className="jp-Unattended-bar">
        <nav aria-label={trans.__('Folder')}>
          <button className="jp-Unattended-link" onClick={() => setPath('')}>
            {job.id}
          </button>
          {parts.map((part, i) => (
            <React.Fragment key={i}>
              {' / '}
              <button
                className="jp-Unattended-link"
                onClick={() => setPath(parts.slice(0, i + 1).join('/'))}
              >
                {part}
              </button>
            </React.Fragment>
          ))}
        </nav>
        <span className="jp-Unattended-directory" title={job.directory}>
          {job.directory}
        </span>
      </div>
      {error !== null && <ErrorNote message={error} trans={trans} />}
      {files === null && error === null && <Loading what={trans.__('Reading the folder…')} />}
      {files !== null && files.length === 0 && <Empty>{trans.__('This folder is empty.')}</Empty>}
      {files !== null && files.length > 0 && (
        <table className="jp-Unattended-table">
          <thead>
            <tr>
              <th scope="col">{trans.__('Name')}</th>
              <th scope="col" className="jp-mod-wide">
                {trans.__('What it is')}
              </th>
              <th scope="col" className="jp-mod-number">
                {trans.__('Size')}
              </th>
              <th scope="col">{trans.__('Changed')}</th>
              <th scope="col" />
            </tr>
          </thead>
          <tbody>
            {files.map(file => {
              const isFolder = file.type === 'directory';
              const Icon = isFolder
                ? folderIcon
                : file.type === 'notebook'
                  ? notebookIcon
                  : fileIcon;
              return (
                <tr key={file.path}>
                  <td>
                    <button
                      className="jp-Unattended-link jp-Unattended-file"
                      onClick={() => (isFolder ? setPath(file.path) : open(file.path))}
                    >
                      <Icon.react tag="span" width="16px" height="16px" />
                      {file.name}
                    </button>
                  </td>
                  <td className="jp-mod-wide">{meaning(file.path, shared)}</td>
                  <td className="jp-mod-number">
                    {file.size === null ? '' : formatSize(file.size)}
                  </td>
                  <td>{formatMoment(Date.parse(file.last_modified) / 1000)}</td>
                  <td>
                    {!isFolder && (
                      <a
                        className="jp-Unattended-link"
                        href={api.downloadUrl(job.id, file.path)}
                        download
                        aria-label={trans.__('Download %1', file.name)}
                      >
                        {trans.__('Download')}
                      </a>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </div>
  );
}
