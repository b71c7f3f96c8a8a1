import { readdirSync } from 'node:fs';
import { parseJobResponse } from '../../../src/gitlab/job-response';
import { isLastStage } from '../../../src/gitlab/last-stage';
import { describeWithFixtures, fixture, fixturePath } from '../../support/fixtures';

/** Cases that were cut off, or that never came to a stage, have no last stage of their own choosing. */
const CUT_OFF = new Set(['05-timeout', '06-prepare-system-failure']);

describeWithFixtures('the last stage of recorded jobs', 'gitlab-runner', () => {
  const cases = ['19.3.0', '17.4.0'].flatMap((version) =>
    readdirSync(fixturePath(`gitlab-runner/${version}`))
      .filter((name) => !CUT_OFF.has(name))
      .map((name) => [version, name] as const),
  );

  test.each(cases)('%s %s', (version, name) => {
    const folder = `gitlab-runner/${version}/${name}`;
    const job = parseJobResponse(JSON.parse(fixture(`${folder}/job-response.json`)))!;
    const stages = readdirSync(fixturePath(folder)).flatMap((file) => /^\d\d-run-(\w+)\.sh$/.exec(file)?.[1] ?? []);
    const scriptFailed = /^(02|04|07)/.test(name);
    const last = stages.filter((stage, index) => {
      const failed = name.startsWith('09')
        ? stage === 'get_sources'
        : scriptFailed && index >= stages.indexOf('build_script');
      return isLastStage({ stage, failed }, job, version);
    });
    expect(last).toEqual([stages.at(-1)]);
  });
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
