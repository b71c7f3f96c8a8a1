import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import path from 'node:path';
import { type Run } from '../cli/command';
import { pulumiHome, type Environment } from '../project/paths';
import { findProject } from '../project/project';
import { backendUrl, openStorage } from './session';

interface Credentials {
  current?: string;
  accessTokens?: Record<string, string>;
  accounts?: Record<string, object>;
}

/** `pulumi login`: remembers where stacks are kept. */
export const login: Run = async ({ args, env, cwd, out }) => {
  const url = args[0] ?? backendUrl(env, findProject(cwd));
  const storage = openStorage(url, cwd, env);
  change(env, (credentials) => ({
    ...credentials,
    current: storage.url,
    accessTokens: { ...credentials.accessTokens, [storage.url]: '' },
    accounts: { ...credentials.accounts, [storage.url]: { lastValidatedAt: '0001-01-01T00:00:00Z' } },
  }));
  out(`Logged in to ${hostname()} as ${userInfo().username} (${storage.url})\n`);
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
