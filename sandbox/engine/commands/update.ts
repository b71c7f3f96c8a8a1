import { Session } from './session';
import { type Run } from '../cli/command';
import { AlreadyReported, ConfirmationMissing, OperationCancelled } from '../errors';
import { type Kind } from '../deployment/deployment';
import { UpdateRun } from './update-run';

/** `pulumi up`, `preview`, `refresh` and `destroy`. */
export function updateCommand(verb: 'update' | 'preview' | 'refresh' | 'destroy'): Run {
  return async (invocation) => {
    const { flags } = invocation;
    const kind: Kind = verb === 'preview' ? 'update' : verb;
    const previewOnly = verb === 'preview';
    if (!previewOnly && !flags.bool('yes') && !flags.bool('skip-preview')) {
      throw new ConfirmationMissing(
        '--yes or --skip-preview or --preview-only must be passed in to proceed when running in non-interactive mode',
      );
    }
    const session = await Session.open(invocation);
    const project = session.requireProject();
    const stack = await session.requireStack();
    const run = await UpdateRun.prepare(session, project, stack, kind);
    const release = previewOnly ? async () => undefined : await session.locks.acquire(stack);
    try {
      if (previewOnly || !flags.bool('skip-preview')) await requireSuccess(run.perform(true, previewOnly));
      if (!previewOnly) await requireSuccess(run.perform(false, true));
    } catch (error) {
      throw run.terminated ? new OperationCancelled(`${kind} cancelled`) : error;
    } finally {
      await run.close();
      await release();
    }
    if (kind === 'destroy')
      invocation.out(
        `The resources in the stack have been deleted, but the history and configuration associated with the stack are still maintained. \n` +
          `If you want to remove the stack completely, run \`pulumi stack rm ${session.display(stack)}\`.\n`,
      );
  };
}

async function requireSuccess(outcome: Promise<{ result: string }>): Promise<void> {
  const { result } = await outcome;
  if (result !== 'succeeded') throw new AlreadyReported(`update ${result}`);
}
