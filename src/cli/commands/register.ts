import path from 'node:path';
import { ConfigurationError } from '../../errors';
import type { NewRunner } from '../../gitlab/runners';
import type { CacheFacts } from '../../register/section';
import { readHostEnvironment } from '../../settings/environment';
import type { Settings } from '../../settings/types';
import { maximumTimeout } from '../../register/maximum-timeout';
import { readProfiles } from '../../settings/profiles';
import { defineCommand } from '../command';
import { lastingPackage } from '../../host/installed-as';

interface CommandLine {
  readonly config: string;
  readonly name: string;
  readonly url: string | undefined;
  readonly cloneUrl: string | undefined;
  readonly caFile: string | undefined;
  readonly tokenFile: string | undefined;
  readonly create: boolean | undefined;
  readonly accessTokenFile: string | undefined;
  readonly group: number | undefined;
  readonly project: number | undefined;
  readonly tag: readonly string[];
  readonly untagged: boolean;
  readonly protected: boolean;
  readonly maximumTimeout: string | undefined;
  readonly concurrency: number;
  readonly checkInterval: string;
  readonly cacheBucket: string | undefined;
  readonly cacheEndpoint: string | undefined;
  readonly env: readonly string[];
  readonly dryRun: boolean;
}

export const registerCommand = defineCommand<CommandLine>({
  command: 'register',
  describe: 'Register the runner at GitLab and write its section of config.toml',
  builder: (yargs) =>
    yargs
      .options({
        config: { type: 'string', default: defaultConfig(process.env), describe: "The runner's config.toml" },
        name: { type: 'string', default: 'gitlab-spot', describe: 'Which section of it is ours' },
        url: { type: 'string', describe: 'GitLab as this host reaches it (default: GITLAB_SPOT_GITLAB_URL)' },
        'clone-url': { type: 'string', describe: 'GitLab as instances reach it, where that is another address' },
        'ca-file': {
          type: 'string',
          nargs: 1,
          describe:
            "PEM of the authority of GitLab's certificate, where it is a private one (default: GITLAB_SPOT_GITLAB_CA_FILE)",
        },
        'token-file': {
          type: 'string',
          nargs: 1,
          describe:
            'Holds the runner token (glrt-…) that GitLab showed; - is standard input. Or GITLAB_SPOT_RUNNER_TOKEN',
        },
        create: { type: 'boolean', describe: 'Make the runner at GitLab with an access token' },
        'access-token-file': {
          type: 'string',
          nargs: 1,
          describe: 'For --create: holds a token with the scope create_runner. Or GITLAB_SPOT_ACCESS_TOKEN',
        },
        group: { type: 'number', describe: 'For --create: for this group only, by its number' },
        project: { type: 'number', describe: 'For --create: for this project only, by its number' },
        tag: { type: 'array', string: true, default: [], describe: "For --create: the runner's tags" },
        untagged: { type: 'boolean', default: true, describe: 'For --create: take jobs without tags too' },
        protected: { type: 'boolean', default: false, describe: 'For --create: protected branches and tags only' },
        'maximum-timeout': {
          type: 'string',
          describe: 'For --create: no job may take longer (default: the longest maxTimeout of the profiles, or 24h)',
        },
        concurrency: { type: 'number', default: 10, describe: 'Jobs at the same time' },
        'check-interval': {
          type: 'string',
          default: '200ms',
          describe: 'How often gitlab-runner asks for jobs, 100ms to 1s, by as many sections of config.toml',
        },
        'cache-bucket': {
          type: 'string',
          describe: "OSS bucket of the jobs' cache (default: GITLAB_SPOT_CACHE_BUCKET)",
        },
        'cache-endpoint': { type: 'string', describe: "Its endpoint (default: the region's internal one)" },
        env: { type: 'array', string: true, default: [], describe: 'KEY=VALUE for every job' },
        'dry-run': {
          type: 'boolean',
          default: false,
          describe: 'Print the file instead of writing it, without secrets',
        },
      })
      .conflicts('group', 'project')
      .conflicts('token-file', 'create')
      .example(
        '$0 register --url http://10.0.0.5:8668 --token-file token',
        'A runner that was made in GitLab (Admin, CI/CD, Runners)',
      ) as never,
  needs: { cloud: false },
  async run(args, { settings, out, warn }) {
    const [
      { register },
      file,
      { runnersApi },
      { gitlabFetch },
      { isOutOfReach, lastingNode },
      { readSecret, terminalPrompt },
      { checkWritable, writePrivate },
      { sectionsFor },
      { withoutSecrets },
    ] = await Promise.all([
      import('../../register/register'),
      import('../../register/config-file'),
      import('../../gitlab/runners'),
      import('../../gitlab/fetch'),
      import('../../register/section'),
      import('../../host/prompt'),
      import('../../host/private-file'),
      import('../../register/check-interval'),
      import('../../register/without-secrets'),
    ]);
    const host = readHostEnvironment(process.env);
    const url = webAddress('--url', args.url ?? settings.gitlab.url);
    if (url === undefined)
      throw new ConfigurationError('register does not know where GitLab is', {
        remedy: 'Pass --url, such as http://10.0.0.5:8668, or set GITLAB_SPOT_GITLAB_URL.',
      });
    const sections = sectionsFor(args.checkInterval);
    const prompt = process.stdin.isTTY ? terminalPrompt() : undefined;
    const secret = (what: string, fileOption: string, given: string | undefined, variable: string) =>
      readSecret({ what, file: given, fileOption, variable, variables: host.values, prompt });
    const text = file.readConfigText(args.config);
    // Before GitLab makes a runner that nobody would know of.
    if (!args.dryRun) checkWritable(args.config);
    const before = file.parseConfig(text, args.config);
    const index = file.findSection(before, args.name, args.config);
    const known = index !== undefined;
    const caFile = args.caFile === undefined ? settings.gitlab.caFile : path.resolve(args.caFile);
    const caFiles = caFile === undefined ? file.caFilesOf(known ? before.runners?.[index] : undefined) : [caFile];
    const named = args.tokenFile !== undefined || (host.values.GITLAB_SPOT_RUNNER_TOKEN ?? '') !== '';
    const token =
      args.create || (known && !named)
        ? undefined
        : await secret('runner token (glrt-…)', '--token-file', args.tokenFile, 'GITLAB_SPOT_RUNNER_TOKEN');

    const result = await register(
      {
        text,
        file: args.config,
        section: {
          name: args.name,
          url,
          caFile,
          cloneUrl: webAddress('--clone-url', args.cloneUrl),
          concurrency: wholeNumber('--concurrency', args.concurrency),
          sections,
          cache: cacheOf(args, settings, host.values),
          environment: args.env.map(keyAndValue),
          hooks: path.join(lastingPackage(path.resolve(__dirname, '../..')), 'dist/executor'),
          envFile: host.file === undefined ? undefined : path.resolve(host.file),
          node: lastingNode(process.execPath),
        },
        token,
        create: {
          scope: scopeOf(args),
          tags: args.tag,
          runUntagged: args.untagged,
          protectedRefs: args.protected,
          maximumTimeoutMs: maximumTimeout(args.maximumTimeout, () => readProfiles(settings.profilesFile)),
        },
      },
      {
        gitlab: runnersApi({ url, fetch: gitlabFetch(settings, { caFiles }) }),
        settings,
        accessToken: () =>
          secret('access token', '--access-token-file', args.accessTokenFile, 'GITLAB_SPOT_ACCESS_TOKEN'),
        now: () => new Date(),
      },
    );
    if (args.dryRun) return out(withoutSecrets(result.text));
    const changed = result.text !== text;
    if (changed) writePrivate(args.config, result.text);
    const how = { created: 'was made', given: 'is known', kept: 'is still known' }[result.how];
    warn(`Runner ${result.runner.id} ${how} at ${url}`);
    warn(
      `${args.config}: ${changed ? 'written; a running gitlab-runner reads it within seconds' : 'nothing was to be changed'}`,
    );
    if (result.sections < sections)
      warn(
        'Its token expires, and gitlab-runner renews it in one section only: there is one, which asks for jobs once a second',
      );
    if (args.cloneUrl === undefined && isOutOfReach(url, settings.cloud))
      warn(`Instances can't reach ${url}: pass --clone-url with the address that they can`);
  },
});

function defaultConfig(variables: NodeJS.ProcessEnv): string {
  return variables.CONFIG_FILE || '/etc/gitlab-runner/config.toml';
}

function scopeOf({ group, project }: CommandLine): NewRunner['scope'] {
  if (group !== undefined) return { type: 'group', id: wholeNumber('--group', group) };
  return project === undefined ? { type: 'instance' } : { type: 'project', id: wholeNumber('--project', project) };
}

function webAddress(option: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return text.replace(/\/+$/, '');
  throw new ConfigurationError(`${option} must be a URL such as http://10.0.0.5:8668, but is ${JSON.stringify(text)}`);
}

function wholeNumber(option: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw new ConfigurationError(`${option} must be a whole number above 0`);
}

function keyAndValue(text: string): string {
  if (/^[A-Za-z_]\w*=/.test(text)) return text;
  throw new ConfigurationError(`--env must be KEY=VALUE, but is ${JSON.stringify(text)}`);
}

/** The runner signs URLs with the keys; instances never see them. */
function cacheOf(
  { cacheBucket, cacheEndpoint }: CommandLine,
  { cloud }: Settings,
  variables: Readonly<Record<string, string>>,
): CacheFacts | undefined {
  const bucket = cacheBucket ?? variables.GITLAB_SPOT_CACHE_BUCKET;
  if (!bucket) return undefined;
  const accessKey = variables.GITLAB_SPOT_CACHE_ACCESS_KEY ?? cloud.credentials?.accessKeyId;
  const secretKey = variables.GITLAB_SPOT_CACHE_SECRET_KEY ?? cloud.credentials?.accessKeySecret;
  if (!accessKey || !secretKey) {
    throw new ConfigurationError(
      `The cache in bucket ${bucket} needs an access key: OSS's S3 interface knows no RAM roles`,
      {
        remedy:
          'Set GITLAB_SPOT_CACHE_ACCESS_KEY and GITLAB_SPOT_CACHE_SECRET_KEY, of a RAM user that may use that bucket only.',
      },
    );
  }
  if (cloud.region === '')
    throw new ConfigurationError('The cache needs a region', {
      remedy: 'Set ALICLOUD_REGION, or run `gitlab-spot init` first.',
    });
  const endpoint = cacheEndpoint ?? `oss-${cloud.region}-internal.aliyuncs.com`;
  return { bucket, region: cloud.region, endpoint, accessKey, secretKey };
}
