import { LabIcon } from '@jupyterlab/ui-components';

import unattended from '../style/icons/unattended.svg';

/** A play button under a moon: it runs while you sleep. */
export const unattendedIcon = new LabIcon({
  name: 'jupyter-unattended:icon',
  svgstr: unattended
});
