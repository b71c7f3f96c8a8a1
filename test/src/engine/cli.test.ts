import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PulumiCli } from '../../../src/engine/cli';

let directory: string;
beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'cli-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const inside = (name: string): string => path.join(directory, name);
const there = async (name: string): Promise<void> => {
  while (!existsSync(inside(name))) await sleep(5);
};

test('calls side by side in one directory read each what its own CLI wrote', async () => {
  // Each says who it is, and ends when it may, or when the test has ended.
  const script = `#!/bin/sh
cd '${directory}' || exit
echo "out of $2"; echo "err of $2" >&2
: > "begun-$2"
until [ -e "may-end-$2" ] || [ ! -d '${directory}' ]; do sleep 0.02; done`;
  writeFileSync(inside('pulumi'), script);
  chmodSync(inside('pulumi'), 0o700);
  const cli = new PulumiCli({ PATH: `${directory}:${process.env.PATH}` });
  const version = (who: string) => cli.run({ args: ['version', who], directory: inside('work') });
  const answer = (who: string) => ({ exitCode: 0, stdout: `out of ${who}\n`, stderr: `err of ${who}\n` });

  const first = version('one');
  await there('begun-one');
  const second = version('another');
  await there('begun-another');
  writeFileSync(inside('may-end-one'), '');
  expect(await first).toEqual(answer('one'));
  writeFileSync(inside('may-end-another'), '');
  expect(await second).toEqual(answer('another'));
});

test.each([
  ['is asked to', 'trap "exit 130" TERM; sleep 60 & wait'],
  // Its provider is all that it waits for.
  ['has no plugins any more', 'trap "" TERM; sh -c "trap \'\' TERM; sleep 60"; exit 1'],
  ['is made to', 'trap "" TERM; while :; do sleep 0.1; done'],
])('a CLI that does not end does when it %s, and that is told', async (_when, script) => {
  writeFileSync(inside('pulumi'), `#!/bin/sh\n${script}\n`);
  chmodSync(inside('pulumi'), 0o700);
  const limits = { version: 1, plugin: 1, up: 1, destroy: 300, other: 1, grace: 300 };
  const cli = new PulumiCli({ PATH: `${directory}:${process.env.PATH}` }, limits);
  await expect(cli.run({ args: ['destroy', '--yes'], directory: inside('work') })).rejects.toThrow(
    '`pulumi destroy` did not end within 300 ms, and was ended',
  );
});
