import { type Operation } from '../state/checkpoint';
import { diagnostic, type Emit } from './events';

/** Warns of what an interrupted update left behind. */
export function warnOfPending(operations: readonly Operation[], emit: Emit): void {
  if (operations.length === 0) return;
  const list = operations.map(({ resource, type }) => `  * ${resource.urn}, interrupted while ${type}\n`).join('');
  const creating = operations.some(({ type }) => type === 'creating');
  emit(diagnostic('warning', pendingText(operations.length, list, creating)));
}

/** The real CLI's advice on what an interrupted update left behind. */
function pendingText(count: number, list: string, creating: boolean): string {
  return (
    `Attempting to deploy or update resources with ${count} pending operations from previous deployment.\n${list}` +
    'These resources are in an unknown state because the Pulumi CLI was interrupted while waiting for changes to these resources to complete. ' +
    'You should confirm whether or not the operations listed completed successfully by checking the state of the appropriate provider. ' +
    'For example, if you are using AWS, you can confirm using the AWS Console.\n\n' +
    'Once you have confirmed the status of the interrupted operations, you can repair your stack using `pulumi refresh` which will refresh ' +
    'the state from the provider you are using and clear the pending operations if there are any.\n' +
    (creating
      ? '\nNote that `pulumi refresh` will need to be run interactively to clear pending CREATE operations.'
      : '')
  );
}
