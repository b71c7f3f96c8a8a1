import { prepareContainers } from '../../../src/containers/prepare';
import { parseJobResponse } from '../../../src/gitlab/job-response';

/** How the job's container is made, and what is warned of, on an instance that says this of its GPUs. */
async function madeOn(gpus: string) {
  const commands: string[] = [];
  const warnings: string[] = [];
  const answerTo = (command: string): string => {
    if (/proc\/driver\/nvidia/.test(command)) return gpus;
    return /docker start/.test(command) ? 'gitlab-spot: 0:0:sh:.\n' : '';
  };
  await prepareContainers({
    connection: {
      exec: (command) => {
        commands.push(command);
        return Promise.resolve({ stdout: answerTo(command), stderr: '', exitCode: 0 });
      },
      upload: () => Promise.resolve(),
      close: () => {},
    },
    response: parseJobResponse({ image: { name: 'r.example/app' } })!,
    ...{ variables: {}, buildsDir: '/b', cacheDir: '/c', pullMs: 1_000, serviceMs: 0, entryPointMs: 1_000 },
    log: { line: () => {}, warn: (text) => warnings.push(text) },
    signal: new AbortController().signal,
  });
  const create = commands.find((one) => one.includes('docker create')) ?? '';
  return { hasGpus: /--gpus\W+all/.test(create), warnings };
}

describe('the job’s container has the GPUs of its instance', () => {
  test('where docker can hand them on', async () => {
    expect(await madeOn('usable\n')).toEqual({ hasGpus: true, warnings: [] });
  });

  test('else the job is told what docker lacks', async () => {
    expect(await madeOn('useless\n')).toEqual({
      hasGpus: false,
      warnings: [expect.stringContaining('no nvidia-container-toolkit')],
    });
  });

  test('and none where the instance has none', async () => {
    expect(await madeOn('')).toEqual({ hasGpus: false, warnings: [] });
  });
});
