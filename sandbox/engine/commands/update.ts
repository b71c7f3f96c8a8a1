import { Session } from './session';
import { type Run } from '../cli/command';
import { AlreadyReported, ChangesUnexpected, ConfirmationMissing, OperationCancelled } from '../errors';
import { type Kind } from '../deployment/deployment';
import { removeConfig, removeStackFiles } from './stack-rm';
import { UpdateRun } from './update-run';

/** `pulumi up`, `preview`, `refresh` and `destroy`. */
export function updateCommand(verb: 'update' | 'preview' | 'refresh' | 'destroy'): Run {
  return async (invocation) => {
    const { flags } = invocation;
    const kind: Kind = verb === 'preview' ? 'update' : verb;
    const previewOnly = verb === 'preview' || flags.bool('preview-only');
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
      if (previewOnly || !flags.bool('skip-preview'))
        await requireSuccess(run.perform(true, previewOnly), flags.bool('expect-no-changes') && previewOnly);
      if (!previewOnly) await requireSuccess(run.perform(false, true), flags.bool('expect-no-changes'));
    } catch (error) {
      throw run.terminated ? new OperationCancelled(`${kind} cancelled`) : error;
    } finally {
      await run.close();
      await release();
    }
    if (kind === 'destroy' && !previewOnly) await afterDestroy();

    async function afterDestroy(): Promise<void> {
      if (!flags.bool('remove')) {
        invocation.out(
          `The resources in the stack have been deleted, but the history and configuration associated with the stack are still maintained. \n` +
            `If you want to remove the stack completely, run \`pulumi stack rm ${session.display(stack)}\`.\n`,
        );
        return;
      }
      await removeStackFiles(session, stack, { force: false, removeBackups: false });
      removeConfig(session, stack);
      invocation.out(`The resources in the stack have been deleted, and the history and configuration removed.\n`);
    }
  };
}

async function requireSuccess(
  outcome: Promise<{ result: string; changes: Record<string, number> }>,
  expectNoChanges: boolean,
): Promise<void> {
  const { result, changes } = await outcome;
  if (result !== 'succeeded') throw new AlreadyReported(`update ${result}`);
  const changed = Object.entries(changes).some(([op, count]) => op !== 'same' && count > 0);
  if (expectNoChanges && changed) throw new ChangesUnexpected('no changes were expected but changes occurred');
}
