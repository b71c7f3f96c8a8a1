import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ownerOf } from '../../../src/host/process-owner';
import { noteBuilder } from '../../../src/images/at-work';
import type { CloudInstance } from '../../../src/cloud/types';
import { endStaleBuilds, LONGEST_BUILD_MS } from '../../../src/reaper/stale-builds';

let stateDir: string;
beforeEach(() => (stateDir = mkdtempSync(path.join(tmpdir(), 'stale-'))));
afterEach(() => rmSync(stateDir, { recursive: true }));

const started = Date.UTC(2026, 10, 24, 12, 0, 0);

async function ended(stacks: string[], tagged: string[], nowMs: number): Promise<string[]> {
  const destroyed: string[] = [];
  await end(stacks, tagged, nowMs, (name) => destroyed.push(name));
  return destroyed;
}

function end(stacks: string[], tagged: string[], nowMs: number, destroy: (name: string) => unknown) {
  return endStaleBuilds({
    machine: 'm',
    cloud: {
      findInstances: () =>
        Promise.resolve(tagged.map((stack) => ({ tags: { 'gitlab-spot/stack': stack } }) as unknown as CloudInstance)),
    },
    engine: {
      list: () =>
        Promise.resolve(
          stacks.map((name) => ({ name, lastUpdate: undefined, resourceCount: 0, updateInProgress: false })),
        ),
      destroy: async (name) => {
        await destroy(name);
        return { instanceGoneAt: undefined };
      },
    },
    executorId: 'host-1',
    stateDir,
    nowMs,
    log: () => undefined,
  });
}

describe('endStaleBuilds', () => {
  it('destroys what a killed build left, whether the backend or only the cloud knows of it', async () => {
    const after = started + LONGEST_BUILD_MS + 1;
    expect(await ended(['image-java23-20261124120000', 'job-x-1-1'], ['image-old-20261123000000'], after)).toEqual([
      'image-old-20261123000000',
      'image-java23-20261124120000',
    ]);
  });

  it('tries each of them where one can’t be destroyed, and fails with that one’s reason', async () => {
    const tried: string[] = [];
    const destroy = (name: string) => {
      tried.push(name);
      throw new Error(`${name} is held`);
    };
    const stacks = ['image-a-20261123000000', 'image-b-20261123000000'];
    await expect(end(stacks, [], started + LONGEST_BUILD_MS, destroy)).rejects.toThrow(`${stacks[0]!} is held`);
    expect(tried).toEqual(stacks);
  });

  it('leaves a build alone that may still be at work, and every other stack', async () => {
    expect(
      await ended(['image-java23-20261124120000', 'job-x-1-1', 'foundation', 'image-odd'], [], started + 1000),
    ).toEqual([]);
  });

  it('destroys at once what a dead process was building, and forgets it', async () => {
    const stack = 'image-java23-20261124120000';
    const child = spawn('sleep', ['60']);
    const owner = ownerOf(child.pid!);
    mkdirSync(path.join(stateDir, 'jobs', stack), { recursive: true });
    writeFileSync(path.join(stateDir, 'jobs', stack, 'builder.json'), JSON.stringify(owner));
    expect(await ended([stack], [], started + 1000)).toEqual([]);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect(await ended([stack], [], started + 1000)).toEqual([stack]);
    expect(readdirSync(path.join(stateDir, 'jobs'))).toEqual([]);
  });

  it('leaves alone what this process builds', async () => {
    noteBuilder(stateDir, 'image-java23-20261124120000');
    expect(await ended(['image-java23-20261124120000'], [], started + 1000)).toEqual([]);
  });
});
