/**
 * An extra: where recordings of real runners lie beside the project, its tables hold what those
 * did.
 */
import { existsSync, readdirSync } from 'node:fs';
import { describeWithFixtures, fixture, fixturePath } from '../../support/fixtures';
import { readRecording } from '../../support/recordings';
import {
  hookEnvironment,
  jobNames,
  jobPayload,
  responseFacts,
  runFacts,
  RUNNER_VERSIONS,
  scriptFacts,
} from '../../support/runner-facts';
import { exportedNames, expectedExports, helperCalls, landmarks, responseShape } from './runner-words';

/** What a recorded script evaluates: `eval $'…'`. */
function evaluated(text: string): string {
  const quoted = /eval \$'((?:[^'\\]|\\.)*)'/s.exec(text)?.[1] ?? '';
  const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
  return quoted.replace(/\\(x[0-9a-f]{2}|.)/gs, (_all, code: string) =>
    code.length === 3 ? String.fromCharCode(parseInt(code.slice(1), 16)) : (escapes[code] ?? code),
  );
}

/** The recording's folder of a job, such as `02-exit-42-after-script`. */
function recordingOf(version: string, name: string): string {
  return readdirSync(fixturePath(`gitlab-runner/${version}`)).find((one) => one.slice(3) === name)!;
}

for (const version of Object.keys(RUNNER_VERSIONS)) {
  describeWithFixtures(`the tables beside recordings of gitlab-runner ${version}`, `gitlab-runner/${version}`, () => {
    test.each(jobNames(version))('%s: the same hooks, environments, log and end', (name) => {
      const { calls, trace, final } = readRecording(version, recordingOf(version, name));
      const { hooks, log, end } = runFacts(version, name);
      expect(
        hooks.map(({ hook, exit, stopped = false, scriptExit = 0 }) => ({ hook, exit, stopped, scriptExit })),
      ).toEqual(
        calls.map(({ hook, stage, exit, stopped, scriptExit }) => ({ hook: stage ?? hook, exit, stopped, scriptExit })),
      );
      calls.forEach(({ environment }, index) =>
        expect({ index, environment: hookEnvironment(version, name, index) }).toEqual({ index, environment }),
      );
      expect(log).toEqual(landmarks(trace));
      expect(final).toMatchObject(end);
    });

    test.each(jobNames(version))('%s: JOB_RESPONSE_FILE has the same fields', (name) => {
      const recorded = JSON.parse(
        fixture(`gitlab-runner/${version}/${recordingOf(version, name)}/job-response.json`),
      ) as Record<string, unknown>;
      expect(responseShape(responseFacts[version]!, jobPayload(name))).toEqual(recorded);
    });
  });
}

describeWithFixtures('the jobs beside those that were handed to the runners', 'gitlab-runner/jobs', () => {
  test.each(jobNames('19.3.0'))('%s', (name) => {
    const recording = recordingOf('19.3.0', name);
    const recorded = JSON.parse(fixture(`gitlab-runner/jobs/${recording}.json`)) as Record<string, unknown>;
    delete recorded['_'];
    expect(jobPayload(name)).toEqual(JSON.parse(JSON.stringify(recorded)));
  });
});

describeWithFixtures('the scripts beside those of gitlab-runner 19.3.0', 'gitlab-runner/19.3.0', () => {
  test.each(['clone-build', 'exit-42-after-script', 'image-services-cache-artifacts'])('%s', (name) => {
    const folder = fixturePath(`gitlab-runner/19.3.0/${recordingOf('19.3.0', name)}`);
    const scripts = readdirSync(folder).filter((file) => file.endsWith('.sh'));
    expect(existsSync(folder) && scripts.length).toBeGreaterThan(3);
    for (const file of scripts) {
      const stage = /^\d\d-run-(\w+)\.sh$/.exec(file)?.[1] ?? '';
      const text = evaluated(fixture(`gitlab-runner/19.3.0/${recordingOf('19.3.0', name)}/${file}`));
      expect({ stage, names: exportedNames(text) }).toEqual({ stage, names: expectedExports(stage, jobPayload(name)) });
      expect({ stage, calls: helperCalls(text) }).toEqual({ stage, calls: scriptFacts.helperCalls[stage] ?? [] });
    }
  });
});
