import type { Finding } from '../../doctor/examine';
import { checkSettings } from '../../settings/settings';
import type { Settings } from '../../settings/types';
import { defineCommand } from '../command';

const MARK = { good: 'ok ', bad: 'BAD', warning: '!  ' } as const;

export const doctorCommand = defineCommand<{ readonly json: boolean }>({
  command: 'doctor',
  describe: 'Look at every condition for a job to succeed, and name what is wrong',
  builder: (yargs) =>
    yargs.options({ json: { type: 'boolean', default: false, describe: 'As JSON, for scripts' } }) as never,
  needs: undefined,
  async run({ json }, { out }) {
    const tell = (finding: Finding): void => {
      if (json) return;
      out(`${MARK[finding.state]} ${finding.condition}: ${finding.detail}\n`);
      if (finding.remedy !== '') out(`      ${finding.remedy}\n`);
    };
    const { settings, problems } = checkSettings(process.env);
    const ofSettings: Finding[] = problems.map((problem) => ({
      condition: 'settings',
      state: 'bad',
      detail: problem,
      remedy: '',
    }));
    ofSettings.forEach(tell);
    const findings = settings ? [...ofSettings, ...(await ofHost(settings, tell))] : ofSettings;
    if (json) out(`${JSON.stringify(findings, null, 2)}\n`);
    return findings.some(({ state }) => state === 'bad') ? 1 : 0;
  },
});

async function ofHost(settings: Settings, onFinding: (finding: Finding) => void): Promise<readonly Finding[]> {
  const [{ examine }, { createCloud }, { createEngine }, { createPlacement }, { readProfiles }, { gitlabApi }] =
    await Promise.all([
      import('../../doctor/examine'),
      import('../../cloud/client'),
      import('../../engine'),
      import('../../placement'),
      import('../../settings/profiles'),
      import('../../gitlab/api'),
    ]);
  const cloud = createCloud(settings);
  const { token, url } = settings.gitlab;
  return examine({
    settings,
    profiles: () => readProfiles(settings.profilesFile),
    cloud,
    engine: createEngine(settings, cloud),
    placement: createPlacement({ cloud, settings, now: Date.now }),
    // A job that does not exist: that GitLab says so is the answer.
    askGitLab:
      token !== undefined && url !== undefined
        ? async () => void (await gitlabApi({ url, token }).job(1, 1))
        : undefined,
    onFinding,
  });
}
