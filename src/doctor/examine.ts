import { CloudUnreachable } from '../cloud/errors';
import type { Account } from '../cloud/account';
import type { Rpc } from '../cloud/rpc';
import type { HostPlace } from '../cloud/host-place';
import type { Cloud, CloudImage, VSwitch } from '../cloud/types';
import type { EngineInspection } from '../engine/inspect';
import type { Engine } from '../engine/types';
import { unitOf, type Currency } from '../currency';
import { SpotError } from '../errors';
import { executorCidrs } from '../host/own-addresses';
import type { Placement, Ranking } from '../placement';
import type { Profile, ProfilesPage, Settings } from '../settings/types';
import { noAnswer } from '../gitlab/api';
import { counted } from '../plural';
import { caFilesOf } from '../register/config-file';
import { clock } from './clock';
import { locks, plugin } from './engine';
import { bad, good, lookAt, warning, type Finding, type Seen } from './finding';
import { gitlab, type GitLabFacts } from './gitlab';
import { memory, programs, stateFolder, temporaryFolder, type Host } from './host';
import { credentials, region, vSwitches, zonesOf } from './network';
import { permissions } from './permissions';
import { hostInVpc, wayOut } from './way-out';
import { quotas } from './quotas';
import { securityGroup } from './security-group';
import { budgetCurrency } from './upkeep';
import { runnerConfiguration, type RunnerFacts, type RunnerLook } from './runner';

export interface ExamineDependencies {
  readonly settings: Settings;
  readonly host: Host;
  readonly inspection: () => EngineInspection;
  readonly engine: Pick<Engine, 'list'>;
  readonly profiles: () => ProfilesPage;
  readonly rpc: Pick<Rpc, 'call'>;
  readonly account: Account;
  readonly cloud: Pick<Cloud, 'vSwitches' | 'resolveImage'>;
  readonly placement: Pick<Placement, 'candidates'>;
  readonly runner: RunnerFacts;
  readonly runnerUser: () => Finding;
  readonly gitlab: Omit<GitLabFacts, 'sections'>;
  /**
   * How far another server's clock is ahead of this host's, milliseconds. @throws the network's
   * error
   */
  readonly cloudClockAhead: (url: string) => Promise<number | undefined>;
  readonly gitlabClockAhead: (url: string, caFiles: readonly string[]) => Promise<number | undefined>;
  /** The way to each of these, by what it is. */
  readonly proxies: (urls: Readonly<Record<string, string>>) => readonly Finding[];
  /** Where this host stands; `unknown`: it can't be asked. */
  readonly hostPlace: () => Promise<HostPlace | 'unknown' | undefined>;
  readonly waysOut: (vSwitches: readonly VSwitch[]) => Promise<ReadonlyMap<string, string>>;
  /** Where the ECS API is asked. */
  readonly cloudUrl: string;
  /** Reaper, destroys, budget. */
  readonly upkeep: readonly { readonly condition: string; readonly look: () => Promise<Seen> | Seen }[];
  readonly onFinding: (finding: Finding) => void;
  /** What the findings that follow are of: for people. */
  readonly onGroup?: ((title: string) => void) | undefined;
}

const HOUR_MS = 3_600_000;

/**
 * Looks at one condition after the other, and never throws: what can't be looked at is a finding.
 */
export async function examine(dependencies: ExamineDependencies): Promise<readonly Finding[]> {
  const examination = new Examination(dependencies);
  const group = (title: string): void => dependencies.onGroup?.(title);
  group('This host');
  await examination.ofHost();
  group('Runner and GitLab');
  await examination.ofRunner();
  group('Profiles and cloud');
  await examination.ofCloud();
  if (!examination.hasState) return examination.findings;
  group('Upkeep and money');
  await examination.ofUpkeep();
  return examination.findings;
}

class Examination {
  readonly findings: Finding[] = [];
  /** Without its folder Pulumi, prices and upkeep would only say the same in other words. */
  hasState = false;
  private runner: RunnerLook | undefined;

  constructor(private readonly from: ExamineDependencies) {}

  async ofHost(): Promise<void> {
    const { settings, host, engine } = this.from;
    await this.check('programs', () => programs(settings, host));
    await this.check('memory', () => memory(settings, host));
    this.hasState = await this.check('state folder', () => stateFolder(settings, host));
    await this.check('temporary folder', () => temporaryFolder(host));
    if (!this.hasState) return;
    const hasPulumi = await this.check('pulumi', async () => this.from.inspection().version());
    if (!hasPulumi) return;
    await this.check('alicloud plugin', async () => plugin(await this.from.inspection().plugin()));
    await this.check(
      'backend',
      async () => `${counted((await engine.list()).length, 'stack')} in ${settings.pulumi.backendUrl}`,
    );
    await this.check('locks', () => locks(this.from.inspection().locks(), settings.pulumi.backendUrl));
  }

  async ofRunner(): Promise<void> {
    this.runner = runnerConfiguration(this.from.runner);
    this.runner.findings.forEach((finding) => this.add(finding));
    await this.check("the runner's user", this.from.runnerUser);
    const { sections } = this.runner;
    for (const finding of await gitlab({ ...this.from.gitlab, sections })) this.add(finding);
    const url = this.from.gitlab.url ?? sections[0]?.url;
    await this.check('proxy', () =>
      this.from.proxies({ cloud: this.from.cloudUrl, ...(url === undefined ? {} : { GitLab: url }) }),
    );
    if (url !== undefined) await this.check('GitLab', async () => clock('GitLab', await this.reachGitLab(url)));
  }

  async ofCloud(): Promise<void> {
    const { settings, account, rpc, cloud, cloudUrl } = this.from;
    const page = await this.ofProfilesFile();
    const reached = await this.check('cloud API', async () => clock('the cloud', await this.reachCloud(cloudUrl)));
    if (!reached || !(await this.check('credentials', () => credentials(settings.cloud, account)))) return;
    await this.check('permissions', () => permissions(rpc));
    if (!(await this.check('region and VPC', () => region(settings.cloud, account)))) return;
    await this.ofSecurityGroup();
    const network = await this.check('vSwitches', () => vSwitches(settings.cloud, cloud, this.runner?.concurrency));
    await this.check('host and VPC', async () => {
      const place = await this.from.hostPlace();
      return place === 'unknown' ? [] : hostInVpc(place, settings.cloud);
    });
    if (!network || !page) return;
    await this.ofVSwitches(page);
    await this.ofProfiles(page);
  }

  private async ofSecurityGroup(): Promise<void> {
    const { settings, account } = this.from;
    const { securityGroupId, vpcId } = settings.cloud;
    if (securityGroupId === undefined) return;
    const group = { securityGroupId, vpcId, sshPort: settings.ssh.port };
    await this.check('security group', () =>
      securityGroup({ ...group, executorCidrs: executorCidrs(settings.cloud) }, account),
    );
  }

  async ofUpkeep(): Promise<void> {
    for (const { condition, look } of this.from.upkeep) await this.check(condition, look);
  }

  private async ofProfilesFile(): Promise<ProfilesPage | undefined> {
    let page: ProfilesPage | undefined;
    await this.check('profiles', () => {
      page = this.from.profiles();
      return `${Object.keys(page.profiles).length} in ${this.from.settings.profilesFile}, default ${page.default}`;
    });
    return page;
  }

  private async ofVSwitches(page: ProfilesPage): Promise<void> {
    const { vpcId, vSwitchIds } = this.from.settings.cloud;
    const all = await this.from.cloud.vSwitches(vpcId);
    await this.check('zones', () =>
      zonesOf(
        page,
        all.map(({ zoneId }) => zoneId),
      ),
    );
    const used = all.filter(({ vSwitchId }) => vSwitchIds.length === 0 || vSwitchIds.includes(vSwitchId));
    const profiles = Object.values(page.profiles);
    await this.check('way out', () =>
      wayOut({ vpcId, vSwitches: used, profiles, waysOut: () => this.from.waysOut(used) }),
    );
  }

  private async ofProfiles(page: ProfilesPage): Promise<void> {
    const { cloud, placement, account, settings } = this.from;
    const types = new Map<string, readonly string[]>();
    let billed: Currency | undefined;
    for (const profile of Object.values(page.profiles)) {
      await this.check(`image of profile ${profile.name}`, () => image(profile, cloud));
      if (!this.hasState) continue;
      await this.check(`stock and price of profile ${profile.name}`, async () => {
        const ranking = await placement.candidates({ profile, timeoutMs: HOUR_MS, jobKey: '' });
        types.set(profile.name, typesIn(ranking));
        billed ??= ranking.candidates[0]?.currency;
        return market(profile, ranking);
      });
    }
    await this.check('currency of the budget', () => budgetCurrency(settings.budget, billed));
    await this.check('quotas', () =>
      quotas({
        account,
        page,
        typesOf: ({ name }) => types.get(name) ?? [],
        sharedGroup: settings.cloud.securityGroupId !== undefined,
        concurrency: this.runner?.concurrency,
      }),
    );
  }

  private async reachCloud(url: string): Promise<number | undefined> {
    try {
      return await this.from.cloudClockAhead(url);
    } catch (error) {
      throw error instanceof SpotError ? error : new CloudUnreachable('anything', url, error);
    }
  }

  private async reachGitLab(url: string): Promise<number | undefined> {
    try {
      return await this.from.gitlabClockAhead(url, caFilesOf(this.runner?.sections[0]));
    } catch (error) {
      throw noAnswer(url, error, 'Check the address, name resolution, and that GitLab has started.');
    }
  }

  /** @returns false: something about it is bad */
  private async check(condition: string, look: () => Promise<Seen> | Seen): Promise<boolean> {
    const found = await lookAt(condition, look);
    found.forEach((finding) => this.add(finding));
    return !found.some(({ state }) => state === 'bad');
  }

  private add(finding: Finding): void {
    this.findings.push(finding);
    this.from.onFinding(finding);
  }
}

async function image(profile: Profile, cloud: Pick<Cloud, 'resolveImage'>): Promise<Finding> {
  const condition = `image of profile ${profile.name}`;
  const found = await cloud.resolveImage(profile.image);
  if (found !== undefined) return usable(condition, profile, found);
  const isId = /^m-|\.vhd$/.test(profile.image);
  return bad(
    condition,
    `there is no image ${profile.image} in this region: jobs of the profile fail`,
    isId
      ? `Set profiles.${profile.name}.image to one that is there (\`gitlab-spot image ls\`), or to a family.`
      : `Build it with \`gitlab-spot image build ${profile.image}\`, or name another in instances.yaml.`,
  );
}

/** What the image can, and whether that is what the profile wants. */
function usable(condition: string, profile: Profile, { imageId, imdsSupport }: CloudImage): Finding {
  const named = imageId === profile.image ? imageId : `${profile.image} is ${imageId}`;
  if (profile.metadata === 'hardened' && imdsSupport === 'v1')
    return bad(
      condition,
      `${named}, whose first boot can't read hardened metadata (ImdsSupport v1): its instances get neither user data nor keys`,
      `Leave profiles.${profile.name}.metadata out, or build the image from a base with cloud-init 23.1 or newer.`,
    );
  return good(condition, imdsSupport === undefined ? named : `${named} (ImdsSupport ${imdsSupport})`);
}

function typesIn({ candidates, rejected }: Ranking): readonly string[] {
  return [...new Set([...candidates, ...rejected].map(({ instanceType }) => instanceType))];
}

export function market(profile: Pick<Profile, 'name'>, { candidates, rejected, warnings }: Ranking): Finding {
  const condition = `stock and price of profile ${profile.name}`;
  const first = candidates[0];
  if (!first)
    return bad(
      condition,
      `no pool is available now: ${rejected[0]?.reason ?? 'the profile names none'}`,
      `\`gitlab-spot price ${profile.name}\` shows each pool and why it is out.`,
    );
  if (warnings.length > 0)
    return warning(
      condition,
      warnings.join('; '),
      // What else keeps the cloud from an answer passes, or is named in the warning.
      warnings.some((one) => one.includes('ram-policy'))
        ? 'Grant what `gitlab-spot ram-policy` prints.'
        : `\`gitlab-spot price ${profile.name}\` asks again.`,
    );
  const price =
    first.priceYuanPerHour === undefined ? 'an unknown price' : `${first.priceYuanPerHour} ${unitOf(first.currency)}/h`;
  return good(
    condition,
    `${counted(candidates.length, 'pool')}, the first ${first.instanceType} in ${first.zoneId} (${first.market}) at ${price}`,
  );
}
