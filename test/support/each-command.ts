import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Says so when nobody ends it within ten seconds. */
export const SLEEPER = 'exec 3<> <(:); read -rt 10 -u 3; echo overslept >> "$EVENTS"';

/**
 * Runs a shell's text over and over, with SIGTERM to its shell before its first command, before its
 * second … up to that where it waits. Each signal comes at a known command, so none of it is chance.
 *
 * @param programs by name, as bash; what they write to "$EVENTS" is returned. They are waited for.
 */
export function toldBeforeEachCommand(
  text: string,
  programs: Record<string, string>,
): { readonly times: number; readonly events: readonly string[] } {
  const folder = mkdtempSync(path.join(tmpdir(), 'each-command-'));
  try {
    const events = path.join(folder, 'events');
    writeFileSync(events, '');
    writeFileSync(path.join(folder, 'text'), text);
    for (const [name, body] of Object.entries(programs)) {
      writeFileSync(path.join(folder, name), `#!/bin/bash\n${body}\n`);
      chmodSync(path.join(folder, name), 0o755);
    }
    const { stdout } = spawnSync('bash', ['-c', EACH, path.join(folder, 'text')], {
      encoding: 'utf8',
      env: { PATH: `${folder}:${process.env.PATH}`, EVENTS: events, FOLDER: folder },
    });
    return { times: Number(stdout), events: readFileSync(events, 'utf8').split('\n').filter(Boolean) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const EACH = `
nth=0 told=none
until [[ -z $told || $told = wait* ]]; do
  nth=$((nth + 1))
  : >"$FOLDER/told"
  (
    me=$BASHPID count=0
    set -T
    trap '[ $BASHPID != $me ] || [ $((count += 1)) != $nth ] || { echo "$BASH_COMMAND" >"$FOLDER/told"; kill -TERM $me; }' DEBUG
    . "$0"
  ) 2>/dev/null &
  wait $!
  told=$(<"$FOLDER/told")
done
echo $nth
`;
