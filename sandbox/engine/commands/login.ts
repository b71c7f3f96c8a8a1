import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import path from 'node:path';
import { type Run } from '../cli/command';
import { pulumiHome, type Environment } from '../project/paths';
import { findProject } from '../project/project';
import { without } from '../rpc/values';
import { backendUrl, openStorage } from './session';

interface Credentials {
  current?: string;
  accessTokens?: Record<string, string>;
  accounts?: Record<string, object>;
}

/** `pulumi login`: remembers where stacks are kept. */
export const login: Run = async ({ args, flags, env, cwd, out }) => {
  const url = flags.bool('local')
    ? 'file://~'
    : (args[0] ?? flags.string('cloud-url') ?? backendUrl(env, findProject(cwd)));
  const storage = openStorage(url, cwd, env);
  change(env, (credentials) => ({
    ...credentials,
    current: storage.url,
    accessTokens: { ...credentials.accessTokens, [storage.url]: '' },
    accounts: { ...credentials.accounts, [storage.url]: { lastValidatedAt: '0001-01-01T00:00:00Z' } },
  }));
  out(`Logged in to ${hostname()} as ${userInfo().username} (${storage.url})\n`);
};

/** `pulumi logout`. */
export const logout: Run = async ({ args, flags, env, out }) => {
  let gone: string | undefined;
  change(env, (credentials) => {
    if (flags.bool('all')) return {};
    gone = args[0] ?? credentials.current;
    const accessTokens = without(credentials.accessTokens ?? {}, gone ?? '');
    const accounts = without(credentials.accounts ?? {}, gone ?? '');
    const { current, ...rest } = credentials;
    return { ...rest, ...(current && current !== gone && { current }), accessTokens, accounts };
  });
  out(flags.bool('all') ? 'Logged out of everything\n' : `Logged out of ${gone ?? 'all backends'}\n`);
};

function change(env: Environment, edit: (credentials: Credentials) => Credentials): void {
  const file = path.join(pulumiHome(env), 'credentials.json');
  let credentials: Credentials = {};
  try {
    credentials = JSON.parse(readFileSync(file, 'utf8')) as Credentials;
  } catch {
    // Nobody has logged in yet.
  }
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, JSON.stringify(edit(credentials), undefined, 4), { mode: 0o600 });
}
