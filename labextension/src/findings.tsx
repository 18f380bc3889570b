import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { IFinding } from './types';

/** What preflight found, worst first; each leads to its cell. */
export function Findings(props: {
  findings: readonly IFinding[];
  show: (finding: IFinding) => void;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { findings, show, trans } = props;
  if (findings.length === 0) {
    return null;
  }
  const order = ['error', 'warning', 'info'];
  const sorted = [...findings].sort(
    (a, b) => order.indexOf(a.severity) - order.indexOf(b.severity)
  );
  const count = (severity: string) => findings.filter(one => one.severity === severity).length;
  const words = [
    count('error') && trans._n('%1 error', '%1 errors', count('error')),
    count('warning') && trans._n('%1 warning', '%1 warnings', count('warning')),
    count('info') && trans._n('%1 note', '%1 notes', count('info'))
  ].filter(Boolean);
  return (
    <details className="jp-Unattended-findings" open={count('error') > 0 || findings.length < 6}>
      <summary>{trans.__('Before it runs with nobody there: %1', words.join(', '))}</summary>
      <ul>
        {sorted.map((finding, i) => (
          <li key={i} className={`jp-mod-${finding.severity}`}>
            <span className="jp-Unattended-severity">{severityWord(finding.severity, trans)}</span>
            <div>
              <div>{finding.message}</div>
              {finding.fix && <div className="jp-Unattended-fix">{finding.fix}</div>}
            </div>
            {finding.cell !== null && (
              <button className="jp-Unattended-link" onClick={() => show(finding)}>
                {finding.line !== null
                  ? trans.__('Cell %1, line %2', finding.cell + 1, finding.line)
                  : trans.__('Cell %1', finding.cell + 1)}
              </button>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}

function severityWord(severity: IFinding['severity'], trans: TranslationBundle): string {
  switch (severity) {
    case 'error':
      return trans.__('Error');
    case 'warning':
      return trans.__('Warning');
    default:
      return trans.__('Note');
  }
}
