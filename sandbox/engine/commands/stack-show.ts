import { hostname } from 'node:os';
import { type Run } from '../cli/command';
import { outputTable, relativeTime, table } from '../display/text';
import { type Resource } from '../state/checkpoint';
import { urnName } from '../deployment/urn';
import { Session } from './session';
import { stackOutputs } from './stack-output';

/** `pulumi stack`. */
export const showStack: Run = async (invocation) => {
  const { flags, out } = invocation;
  const session = await Session.open(invocation);
  const stack = await session.requireStack();
  if (flags.bool('show-name')) return out(`${stack.name}\n`);
  const deployment = (await session.backend.load(stack))?.checkpoint.latest;
  const resources = deployment?.resources ?? [];
  const lines = [`Current stack is ${session.display(stack)}:`, `    Managed by ${hostname()}`];
  if (deployment) {
    const { time, version } = deployment.manifest;
    lines.push(
      `    Last updated: ${relativeTime(time, Date.now())} (${goTime(time)})`,
      `    Pulumi version used: ${version}`,
    );
  } else lines.push('    No updates yet; run `pulumi up`');
  lines.push(`Current stack resources (${resources.length}):`);
  out(`${lines.join('\n')}\n`);
  if (resources.length === 0) out('    No resources currently in this stack\n');
  else {
    const rows = resourceRows(resources, flags.bool('show-ids'), flags.bool('show-urns'));
    out(table([['TYPE', 'NAME'], ...rows], '    '));
    out(`\n${outputTable(await stackOutputs(session, deployment, flags.bool('show-secrets')))}`);
  }
  out('\nUse `pulumi stack select` to change stack; `pulumi stack ls` lists known ones\n');
};

/** A time as Go prints it: 2026-11-24 13:11:53.450102253 +0000 UTC. */
function goTime(time: string): string {
  return `${time.replace('T', ' ').replace(/Z$/, '')} +0000 UTC`;
}

function resourceRows(resources: readonly Resource[], ids: boolean, urns: boolean): string[][] {
  const known = new Set(resources.map(({ urn }) => urn));
  const root = resources.find(({ type }) => type === 'pulumi:pulumi:Stack');
  const orphan = ({ parent }: Resource) => !(parent && known.has(parent));
  const others = resources.filter((resource) => resource !== root);
  const children = (urn: string) => [
    ...others.filter((resource) => resource.parent === urn),
    ...(urn === root?.urn ? others.filter(orphan) : []),
  ];
  const rows: string[][] = [];
  const visit = (resource: Resource, branch: string, below: string) => {
    const nested = children(resource.urn);
    rows.push([branch + resource.type, urnName(resource.urn)]);
    const padding = `${below}${nested.length > 0 ? '│  ' : '   '}`;
    if (urns) rows.push([`${padding}URN: ${resource.urn}`, '']);
    if (ids && resource.id) rows.push([`${padding}ID: ${resource.id}`, '']);
    nested.forEach((child, i) => {
      const last = i === nested.length - 1;
      visit(child, `${below}${last ? '└─ ' : '├─ '}`, `${below}${last ? '   ' : '│  '}`);
    });
  };
  if (root) visit(root, '', '');
  else resources.forEach((resource) => rows.push([resource.type, urnName(resource.urn)]));
  return rows;
}
