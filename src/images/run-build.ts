import { spawnSync } from 'node:child_process';
import { createReadStream, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCloud, createRpc } from '../cloud/client';
import { createImages, type Images, type OwnImage } from '../cloud/images';
import type { Cloud, CloudImage } from '../cloud/types';
import { parseDurationMs, withElapsed } from '../duration';
import { createEngine } from '../engine';
import { ConfigurationError } from '../errors';
import { machineId } from '../host/machine';
import { launch, type Launched } from '../prepare/launch';
import { stackArgs } from '../prepare/stack-args';
import { userData } from '../prepare/user-data';
import { architectureOf } from '../placement/choose-types';
import { noCandidate } from '../placement/messages';
import { createPlacement } from '../placement';
import { readProfiles } from '../settings/profiles';
import type { Profile, Settings } from '../settings/types';
import { createStageRunner, generateHostKeyPair, loginKeyPair, quote, waitForSsh, type SshTarget } from '../ssh';
import { forgetBuilder, noteBuilder } from './at-work';
import { buildImage } from './build';
import { endStaleBuilds, LONGEST_BUILD_MS } from '../reaper/stale-builds';

export interface BuildOptions {
  readonly name: string;
  readonly profile: string | undefined;
  /** Left out: Ubuntu for the processor of the first pool. */
  readonly base: string | undefined;
  readonly script: string | undefined;
  readonly bandwidth: number;
  readonly keep: number;
  readonly timeout: string;
}

export interface BuildContext {
  readonly settings: Settings;
  readonly warn: (line: string) => void;
  readonly signal: AbortSignal;
}

/** `gitlab-spot image build` with the real outside world. */
export async function runBuild(options: BuildOptions, context: BuildContext): Promise<OwnImage> {
  const { settings, signal } = context;
  const warn = withElapsed(context.warn, Date.now);
  const cloud = createCloud(settings);
  const images = createImages(createRpc(settings));
  const engine = createEngine(settings, cloud);
  const scriptMs = parseDurationMs(options.timeout);
  if (scriptMs === undefined || scriptMs > LONGEST_BUILD_MS - 3600_000)
    throw new ConfigurationError(`--timeout takes a duration up to 2h, not "${options.timeout}"`);
  const script = readScript(options.script);
  const profile = chooseProfile(options, settings);
  const { executorId, stateDir } = settings;
  const machine = machineId(stateDir);
  await endStaleBuilds({ cloud, engine, executorId, machine, stateDir, nowMs: Date.now(), log: warn });

  const user = await loginKeyPair(stateDir, 'gitlab-spot image build');
  const host = generateHostKeyPair('instance');
  const key = { privateKey: user.privateKey, hostPublicKey: host.publicKey };
  const ranking = await createPlacement({ cloud, settings, now: Date.now }).candidates({
    profile,
    timeoutMs: scriptMs,
    jobKey: '',
  });
  ranking.warnings.forEach(warn);
  const [first] = ranking.candidates;
  if (first === undefined) throw noCandidate(profile, ranking.rejected);
  const image = await baseImage(options.base ?? UBUNTU[architectureOf(first.instanceType)], images, cloud);
  return buildImage(
    {
      name: options.name,
      keep: options.keep,
      executorId,
      machine,
      candidates: ranking.candidates.slice(0, settings.limits.maxCandidates),
      stackArgs: (candidate, stackName, tags) =>
        stackArgs(
          candidate,
          {
            stackName,
            tags,
            profile,
            image,
            publicKey: user.publicKey,
            userData: userData({
              hostPrivateKey: host.privateKey,
              hostPublicKey: host.publicKey,
              sshUser: settings.ssh.user,
              publicKey: user.publicKey,
            }),
            lifeMs: LONGEST_BUILD_MS - settings.limits.releaseMarginMs,
            nowMs: Date.now(),
          },
          settings,
        ),
    },
    {
      cloud,
      images,
      engine,
      launch: (args) =>
        launch(
          { args, create: true, key },
          {
            engine,
            cloud,
            settings,
            waitForSsh,
            log: warn,
            signal,
            now: Date.now,
            onSeen: () => undefined,
            onUp: () => undefined,
          },
        ),
      atWork: (stackName) => noteBuilder(stateDir, stackName),
      done: (stackName) => forgetBuilder(stateDir, stackName),
      provision: (instance) => provision(instance, { key, script, scriptMs, cloud, settings, warn, signal }),
      say: warn,
      signal,
      now: Date.now,
      pause: (ms) => sleep(ms, undefined, { signal }),
    },
  );
}

function readScript(given: string | undefined): string {
  const file = given ?? path.resolve(__dirname, '../..', 'deploy/image/provision.sh');
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(
      `The provisioning script ${file} can't be read (${(error as NodeJS.ErrnoException).code})`,
      {
        remedy: 'Pass another with --script.',
      },
    );
  }
}

function chooseProfile({ profile: name, bandwidth }: BuildOptions, settings: Settings): Profile {
  const page = readProfiles(settings.profilesFile);
  const profile = page.profiles[name ?? page.default];
  if (!profile)
    throw new ConfigurationError(`There is no profile "${name}" in ${settings.profilesFile}`, {
      remedy: `It has: ${Object.keys(page.profiles).join(', ')}.`,
    });
  // What a build downloads no job does: its script is the platform team's own.
  return { ...profile, internetBandwidthMbps: bandwidth, egress: undefined };
}

const UBUNTU = { x86_64: 'acs:ubuntu_24_04_x64', arm64: 'acs:ubuntu_24_04_arm64' } as const;

async function baseImage(base: string, images: Images, cloud: Cloud): Promise<CloudImage> {
  const id = base.startsWith('acs:') ? await images.newestPublic(base) : base;
  const found = id === undefined ? undefined : await cloud.resolveImage(id);
  if (found !== undefined) return found;
  throw new ConfigurationError(`There is no image ${base} in this region`, {
    remedy: 'Pass --base with an image id, or a public family such as acs:ubuntu_24_04_x64.',
  });
}

interface Provisioning {
  readonly key: Pick<SshTarget, 'privateKey' | 'hostPublicKey'>;
  readonly script: string;
  readonly scriptMs: number;
  readonly cloud: Cloud;
  readonly settings: Settings;
  readonly warn: (line: string) => void;
  readonly signal: AbortSignal;
}

/** As a job's stage: it outlives a lost connection, and its output is followed. */
async function provision(
  instance: Launched,
  { key, script, scriptMs, cloud, settings, warn, signal }: Provisioning,
): Promise<number> {
  const runner = findRunner(settings.childEnvironment.PATH ?? '');
  if (runner && settings.runnerHelper === 'host') {
    warn(`Copying this host's gitlab-runner ${runner.version} to the instance`);
    const target = '/tmp/gitlab-spot-runner';
    await instance.connection.upload(createReadStream(runner.file), target, 0o755);
  }
  const version = runner ? `export GITLAB_RUNNER_VERSION=${quote(runner.version)}\n` : '';
  const limit = AbortSignal.timeout(scriptMs);
  const outcome = await createStageRunner().run({
    target: { ...key, address: instance.address, port: settings.ssh.port, user: settings.ssh.user },
    runId: `image-${Date.now()}-${process.pid}`,
    stage: 'provision',
    script: Buffer.from(version + script),
    interpreter: 'bash',
    stdout: process.stderr,
    signal: AbortSignal.any([signal, limit]),
    isLost: async () => (await cloud.describeInstance(instance.instanceId)) === undefined,
    reconnectMs: settings.limits.reconnectMs,
  });
  if (outcome.kind !== 'cancelled') return outcome.exitCode;
  if (limit.aborted)
    throw new ConfigurationError(`The provisioning script was not done within ${scriptMs / 60_000} min`, {
      remedy: 'Give it more with --timeout, or nearer mirrors.',
    });
  throw signal.reason;
}

function findRunner(searchPath: string): { readonly file: string; readonly version: string } | undefined {
  for (const folder of searchPath.split(path.delimiter).filter((one) => one !== '')) {
    const file = path.join(folder, 'gitlab-runner');
    const { stdout, status } = spawnSync(file, ['--version'], { encoding: 'utf8', timeout: 10_000 });
    const version = status === 0 ? /^Version:\s*v?(\d+\.\d+\.\d+)\s*$/m.exec(stdout)?.[1] : undefined;
    if (version !== undefined) return { file, version };
  }
  return undefined;
}
