import { qualifiedName } from '../backend/reference';
import { type Run } from '../cli/command';
import { relativeTime, table } from '../display/text';
import { Session } from './session';

interface StackSummary {
  name: string;
  current: boolean;
  lastUpdate?: string;
  resourceCount?: number;
}

/** `pulumi stack ls`. */
export const listStacks: Run = async (invocation) => {
  const { flags, out } = invocation;
  const session = await Session.open(invocation);
  const project = flags.bool('all') ? undefined : session.requireProject().name;
  const summaries = await summarize(session, project);
  if (flags.bool('json')) return out(`${JSON.stringify(summaries, undefined, 2)}\n`);
  const rows = summaries.map(({ name, current, lastUpdate, resourceCount }) => [
    current ? `${name}*` : name,
    lastUpdate ? relativeTime(lastUpdate, Date.now()) : 'n/a',
    resourceCount === undefined ? 'n/a' : String(resourceCount),
  ]);
  out(table([['NAME', 'LAST UPDATE', 'RESOURCE COUNT'], ...rows]));
};

async function summarize(session: Session, project: string | undefined): Promise<StackSummary[]> {
  const selected = session.selected();
  const summaries: StackSummary[] = [];
  for (const stack of await session.backend.list(project)) {
    const file = await session.backend.load(stack);
    if (!file) continue;
    const { latest } = file.checkpoint;
    const current = selected !== undefined && qualifiedName(selected) === qualifiedName(stack);
    summaries.push({
      name: session.display(stack),
      current,
      ...(latest && { lastUpdate: milliseconds(latest.manifest.time), resourceCount: latest.resources?.length ?? 0 }),
    });
  }
  return summaries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A time to the millisecond, as the CLI prints it. */
function milliseconds(time: string): string {
  return new Date(Math.floor(Date.parse(time))).toISOString();
}
