import { readFileSync } from 'node:fs';
import { parse } from 'dotenv';
import { OF_THE_HOOK, readHostEnvironment, type Variables } from './environment';
import { SETTING_NAMES } from './settings';

/** Read by commands, hooks and the runner's container by themselves. */
const OTHERS: ReadonlySet<string> = new Set([
  ...OF_THE_HOOK,
  'GITLAB_SPOT_ENV_FILE',
  'GITLAB_SPOT_LATER_CA_CERTS',
  'GITLAB_SPOT_PACKAGE',
  'GITLAB_SPOT_RUNNER_TOKEN',
  'GITLAB_SPOT_ACCESS_TOKEN',
  'GITLAB_SPOT_CACHE_BUCKET',
  'GITLAB_SPOT_CACHE_ACCESS_KEY',
  'GITLAB_SPOT_CACHE_SECRET_KEY',
]);

/**
 * What was meant as a setting and is none: a misspelt budget limits nothing. One sentence each, with
 * the place. Values are not shown, since they may be secrets.
 */
export function unreadSettings(variables: Variables, defaultFile?: string): readonly string[] {
  const host = readHostEnvironment(variables, defaultFile);
  const names = Object.keys(host.values).filter(
    (name) => name.startsWith('GITLAB_SPOT_') && !SETTING_NAMES.has(name) && !OTHERS.has(name),
  );
  return [
    ...names.map((name) => `${name} is no setting (${host.originOf(name)})`),
    ...(host.file === undefined ? [] : linesWithoutName(host.file)),
  ];
}

/** dotenv passes over what it can't read. */
function linesWithoutName(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  const longValues = Object.values(parse(text)).filter((value) => value.includes('\n'));
  return text.split(/\r\n?|\n/).flatMap((line, at) => {
    if (/^\s*(#|$)/.test(line) || Object.keys(parse(line)).length > 0) return [];
    // Between the quotes of a longer value, or its last line.
    if (longValues.some((value) => value.split('\n').some((part) => part !== '' && line.startsWith(part)))) return [];
    return [`line ${at + 1} of ${file} is not NAME=VALUE`];
  });
}
