import { statfsSync } from 'node:fs';
import path from 'node:path';
import type { Cloud } from '../cloud/types';
import type { Engine } from '../engine/types';
import { SpotError } from '../errors';
import { makePrivate } from '../job/record-store';
import type { Placement } from '../placement';
import type { Profile, ProfilesPage, Settings } from '../settings/types';

/** One condition for a job to succeed. */
export interface Finding {
  readonly condition: string;
  readonly state: 'good' | 'bad' | 'warning';
  /** What was seen, or what is wrong. */
  readonly detail: string;
  /** What to do; '' where all is well. */
  readonly remedy: string;
}

export interface ExamineDependencies {
  readonly settings: Settings;
  readonly profiles: () => ProfilesPage;
  readonly cloud: Cloud;
  readonly engine: Pick<Engine, 'list'>;
  readonly placement: Pick<Placement, 'candidates'>;
  /** GitLab's answer to a question about any job; undefined: no token is configured. */
  readonly askGitLab: (() => Promise<void>) | undefined;
  readonly onFinding: (finding: Finding) => void;
}

const HOUR_MS = 3_600_000;
/** A job's state and logs are small, but a full disk loses records. */
const LEAST_FREE_BYTES = 500 * 1024 * 1024;

/** Looks at one condition after the other, and never throws: what can't be looked at is a finding. */
export async function examine(dependencies: ExamineDependencies): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const check = async (condition: string, look: () => Promise<string> | string): Promise<boolean> => {
    const finding = await found(condition, look);
    findings.push(finding);
    dependencies.onFinding(finding);
    return finding.state !== 'bad';
  };
  const { settings, cloud, engine, profiles } = dependencies;
  await check('state folder', () => stateFolder(settings));
  await check(
    'pulumi and its backend',
    async () => `${(await engine.list()).length} stacks in ${settings.pulumi.backendUrl}`,
  );
  const network = await check('credentials and network', () => vSwitches(settings, cloud));
  let page: ProfilesPage | undefined;
  await check('profiles', () => {
    page = profiles();
    return `${Object.keys(page.profiles).length} in ${settings.profilesFile}, default ${page.default}`;
  });
  if (network && page) {
    for (const profile of Object.values(page.profiles)) {
      await check(`image of profile ${profile.name}`, () => image(profile, cloud));
      await check(`stock and price of profile ${profile.name}`, () => market(profile, dependencies.placement));
    }
    await check(
      'permission to look for instances',
      async () => `${(await cloud.findInstances({ 'gitlab-spot': 'job' })).length} job instances`,
    );
    await check(
      'permission to look for security groups',
      async () => `${(await cloud.findSecurityGroups({ 'gitlab-spot': 'job' })).length} of jobs`,
    );
    await check(
      'permission to look for key pairs',
      async () => `${(await cloud.findKeyPairs({ 'gitlab-spot': 'job' })).length} of jobs`,
    );
  }
  const { askGitLab } = dependencies;
  if (askGitLab) {
    await check('GitLab', async () => {
      await askGitLab();
      return 'answers, and takes the token';
    });
  }
  return findings;
}

/** A warning is told by throwing one. */
class Worth extends SpotError {
  readonly blame = 'configuration';
}

async function found(condition: string, look: () => Promise<string> | string): Promise<Finding> {
  try {
    return { condition, state: 'good', detail: await look(), remedy: '' };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const remedy = error instanceof SpotError ? error.remedy : '';
    return { condition, state: error instanceof Worth ? 'warning' : 'bad', detail, remedy };
  }
}

function stateFolder({ stateDir }: Settings): string {
  makePrivate(stateDir);
  const { bavail, bsize } = statfsSync(stateDir);
  const free = bavail * bsize;
  if (free < LEAST_FREE_BYTES)
    throw new Worth(`only ${Math.round(free / 1024 / 1024)} MiB are free in ${stateDir}`, {
      remedy: 'Free some space in its file system.',
    });
  return `${path.resolve(stateDir)}, ${Math.round(free / 1024 / 1024 / 1024)} GiB free`;
}

async function vSwitches({ cloud: { region, vpcId, vSwitchIds } }: Settings, cloud: Cloud): Promise<string> {
  const all = await cloud.vSwitches(vpcId);
  const used = vSwitchIds.length === 0 ? all : all.filter(({ vSwitchId }) => vSwitchIds.includes(vSwitchId));
  if (used.length === 0) {
    throw new Worth(`the VPC ${vpcId} has no vSwitch that may be used in ${region}: no job can run`, {
      remedy: 'Check region and VPC, or make a network with `gitlab-spot init --foundation`.',
    });
  }
  const full = used.filter(({ freeAddresses }) => freeAddresses === 0);
  if (full.length > 0)
    throw new Worth(
      `vSwitch ${full.map(({ vSwitchId, zoneId }) => `${vSwitchId} in ${zoneId}`).join(', ')} has no free address`,
      { remedy: 'Free addresses there, or add a vSwitch.' },
    );
  return used
    .map(({ vSwitchId, zoneId, freeAddresses }) => `${vSwitchId} in ${zoneId} (${freeAddresses} free)`)
    .join(', ');
}

async function image(profile: Profile, cloud: Cloud): Promise<string> {
  const id = await cloud.resolveImage(profile.image);
  if (id !== undefined) return id === profile.image ? id : `${profile.image} is ${id}`;
  throw new Worth(`there is no image ${profile.image}: jobs of this profile fail`, {
    remedy: `Build it with \`gitlab-spot image build ${profile.image}\`, or name another in instances.yaml.`,
  });
}

async function market(profile: Profile, placement: Pick<Placement, 'candidates'>): Promise<string> {
  const { candidates, rejected, warnings } = await placement.candidates({ profile, timeoutMs: HOUR_MS, jobKey: '' });
  const first = candidates[0];
  if (!first)
    throw new Worth(`no pool can be had now: ${rejected[0]?.reason ?? 'the profile names none'}`, {
      remedy: '`gitlab-spot price` shows each pool and why it is out.',
    });
  if (warnings.length > 0)
    throw new Worth(warnings.join('; '), {
      remedy: 'Grant what `gitlab-spot ram-policy` prints; until then the profile’s own order is taken.',
    });
  return `${candidates.length} pools, the first ${first.instanceType} in ${first.zoneId} at ${first.priceYuanPerHour} yuan/h`;
}
