import { parseJobResponse } from '../../../src/gitlab/job-response';
import { isLastStage } from '../../../src/gitlab/last-stage';
import { jobNames, jobPayload, runFacts, RUNNER_VERSIONS } from '../../support/runner-facts';

/**
 * Jobs that were cut off, or that never came to a stage, have no last stage of their own choosing.
 */
const CUT_OFF = new Set(['timeout', 'prepare-system-failure']);
const NOT_STAGES = new Set(['config', 'prepare', 'cleanup']);

describe.each(Object.keys(RUNNER_VERSIONS))('with runner %s the last stage', (version) => {
  test.each(jobNames(version).filter((name) => !CUT_OFF.has(name)))(
    'of %s is known by then, and no other is taken for it',
    (name) => {
      const job = parseJobResponse(jobPayload(name))!;
      const stages = runFacts(version, name).hooks.filter(({ hook }) => !NOT_STAGES.has(hook));
      let failed = false;
      const last = stages.filter(({ hook: stage, exit }) => {
        // get_sources may be tried again: a failure of it counts when it is the last one.
        failed ||= exit !== 0 && stage !== 'get_sources';
        return isLastStage({ stage, failed: failed || exit !== 0 }, job, version);
      });
      expect(last.map(({ hook }) => hook)).toEqual([stages.at(-1)!.hook]);
    },
  );
});

describe('the last stage', () => {
  const job = {
    steps: [{ name: 'script', when: 'on_success' }],
    savesArtifacts: [],
    savesCache: [],
    hasFileVariables: false,
  };
  test.each([
    ['a script alone', job, 'build_script', false, true],
    ['the newer name of its stage', job, 'step_script', false, true],
    [
      'an artifact after a failure, on success',
      { ...job, savesArtifacts: ['on_failure' as const] },
      'build_script',
      false,
      true,
    ],
    [
      'an artifact after a failure, on failure',
      { ...job, savesArtifacts: ['on_failure' as const] },
      'build_script',
      true,
      false,
    ],
    ['its upload', { ...job, savesArtifacts: ['on_failure' as const] }, 'upload_artifacts_on_failure', true, true],
    ['a cache to fill', { ...job, savesCache: ['always' as const] }, 'archive_cache', false, true],
    ['sources that can not be had', job, 'get_sources', true, true],
    ['file variables', { ...job, hasFileVariables: true }, 'build_script', false, false],
  ])('with %s (17.4)', (_title, given, stage, failed, expected) => {
    expect(isLastStage({ stage, failed }, given, '17.4.0')).toBe(expected);
  });
});
