import { mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { programOn } from '../../sandbox/start';
import { readable, World } from '../support/world';

/** deploy/gitlab-ci.sample.yml, as a team would start with it, with stand-ins for its tools. */
jest.setTimeout(600_000);

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.close());

test('the sample pipeline goes from gradle by docker to kubectl, each job on a machine of its profile', async () => {
  // Instances see nothing of this machine's temporary folder, but share one for caches.
  const tools = mkdtempSync(path.join(world.sandbox.directory, 'cache', 'tools-'));
  const tool = (name: string, script = '') =>
    writeFileSync(path.join(tools, name), `#!/bin/sh\necho "${name} $*"\n${script}`, { mode: 0o755 });
  tool('java');
  tool('gradle', '[ "$1" != build ] || { mkdir -p build/libs && touch build/libs/app.jar; }\n');
  tool('docker', 'case $1 in login) grep -qx pass ;; build) test -f build/libs/app.jar ;; esac\n');
  tool('kubectl');
  // The stand-in, or the real one where the sandbox has that.
  const runner = programOn(world.environment().PATH ?? '', 'gitlab-runner')!;
  symlinkSync(realpathSync(runner), path.join(tools, 'gitlab-runner'));
  try {
    const { jobs } = await world.pipeline(
      readFileSync(path.resolve(__dirname, '../../deploy/gitlab-ci.sample.yml'), 'utf8'),
      {
        files: { Dockerfile: 'FROM scratch\n', 'gradle/wrapper/gradle-wrapper.properties': '' },
        variables: {
          PATH: `${tools}:/usr/local/bin:/usr/bin:/bin`,
          CI_REGISTRY: 'registry.example.com',
          CI_REGISTRY_IMAGE: 'registry.example.com/team/app',
          CI_REGISTRY_USER: 'ci',
          CI_REGISTRY_PASSWORD: 'pass',
        },
      },
    );
    expect(jobs.map(({ name, state }) => `${name}: ${state}`)).toEqual([
      'build: success',
      'container: success',
      'deploy: success',
    ]);
    const [build, container, deploy] = jobs.map(({ log }) => readable(log));
    expect(build).toContain('gradle build');
    expect(container).toMatch(/docker push registry\.example\.com\/team\/app:[0-9a-f]{8}\n[\s\S]*docker logout/);
    expect(deploy).toMatch(/Profile small[\s\S]*kubectl set image deployment\/app app=registry\.example\.com/);
  } finally {
    rmSync(tools, { recursive: true });
  }
});
