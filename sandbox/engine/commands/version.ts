import { type Run } from '../cli/command';
import { PULUMI_VERSION } from '../state/checkpoint';

export const version: Run = async ({ out }) => out(`${PULUMI_VERSION}\n`);
