import { readFileSync } from 'node:fs';
import { isCollection, LineCounter, parseDocument, visit, type Document } from 'yaml';
import type { Disk } from '../cloud/list-prices';
import { parseDurationMs } from '../duration';
import { ConfigurationError } from '../errors';
import { issueLines } from '../schema';
import { parseHours } from './hours';
import { pageSchema, type ParsedPage, type ParsedProfile } from './profile-schema';
import { portsOf } from './network';
import { boundsOf, choiceProblems } from './size-bounds';
import type { EgressRule, JobLimits, Profile, ProfilesPage, SparePolicy } from './types';

/**
 * Reads stacks/instances.yaml.
 * @throws ConfigurationError that names every error by its path (or line, where it is not YAML).
 */
export function readProfiles(file: string): ProfilesPage {
  return parseProfiles(readPage(file), file);
}

/** @throws ConfigurationError where it can't be read */
export function readPage(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`The profiles file ${file} can't be read (${(error as NodeJS.ErrnoException).code})`, {
      remedy: 'Set GITLAB_SPOT_PROFILES_FILE to a file like stacks/instances.yaml.',
      cause: error,
    });
  }
}

/** As readProfiles, for text that is at hand. `file` is for messages. */
export function parseProfiles(text: string, file: string): ProfilesPage {
  const result = checkProfiles(text);
  if (result.page) return result.page;
  throw new ConfigurationError(`${file} is not right: ${result.problems.join('; ')}`, {
    remedy: 'Fix the file; `gitlab-spot check` shows whether it is right.',
  });
}

export function checkProfiles(
  text: string,
):
  | { readonly page: ProfilesPage; readonly problems: readonly [] }
  | { readonly page?: never; readonly problems: readonly string[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    return {
      problems: document.errors.map((error) => `line ${lines.linePos(error.pos[0]).line}: ${firstLine(error.message)}`),
    };
  }
  let value: unknown;
  try {
    const line = lineOfStrangeKey(document, lines);
    if (line !== undefined) return { problems: [`line ${line}: a key must be plain text`] };
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return { problems: [firstLine((error as Error).message)] };
  }
  const parsed = pageSchema.safeParse(value, { reportInput: true });
  if (!parsed.success) return { problems: issueLines(parsed.error, 'the page') };
  const problems = crossProblems(parsed.data);
  return problems.length > 0 ? { problems } : { page: toPage(parsed.data), problems: [] };
}

/**
 * A list or mapping as a key means nothing here, and many of them inside each other take minutes to
 * be made text.
 */
function lineOfStrangeKey(document: Document, lines: LineCounter): number | undefined {
  let found: number | undefined;
  visit(document, {
    Pair(_key, { key }) {
      if (!isCollection(key)) return undefined;
      found = lines.linePos(key.range?.[0] ?? 0).line;
      return visit.BREAK;
    },
  });
  return found;
}

function firstLine(message: string): string {
  return message.split('\n')[0]!.trim();
}

/**
 * What a schema can't say: the default exists, and every profile has an image, of its own or the
 * default's.
 */
function crossProblems(page: ParsedPage): string[] {
  const names = Object.keys(page.profiles);
  if (names.length === 0) return ['profiles must not be empty'];
  if (!Object.hasOwn(page.profiles, page.default))
    return [`default must be one of the profiles (${names.join(', ')}), but is ${JSON.stringify(page.default)}`];
  const base = page.profiles[page.default]!;
  const disks = names.flatMap((name) => {
    const profile = page.profiles[name]!;
    const disk = diskOf(profile, base);
    return [...diskProblems(name, disk), ...choiceProblems(name, profile, leastGiB(disk))];
  });
  if (base.image !== undefined) return disks;
  const noImage = names.filter((name) => page.profiles[name]!.image === undefined);
  return [...noImage.map((name) => `profiles.${name}.image is missing`), ...disks];
}

/**
 * The least size of an ESSD by its level, GiB. https://help.aliyun.com/document_detail/2679677.html
 * (RunInstances)
 */
const LEAST_GIB: Readonly<Record<string, number>> = { PL2: 461, PL3: 1261 };

function diskProblems(name: string, { category, performanceLevel, sizeGiB }: Disk): string[] {
  if (performanceLevel === undefined) return [];
  const at = `profiles.${name}.disk`;
  if (category !== 'cloud_essd') return [`${at}.performanceLevel is for cloud_essd only, not for ${category}`];
  const least = leastGiB({ performanceLevel });
  return sizeGiB < least ? [`${at}.sizeGiB must be at least ${least} for ${performanceLevel}, but is ${sizeGiB}`] : [];
}

function leastGiB({ performanceLevel = '' }: Pick<Disk, 'performanceLevel'>): number {
  return LEAST_GIB[performanceLevel] ?? 20;
}

/** A level goes with its category: one that names another category inherits none. */
function diskOf({ disk }: ParsedProfile, base: ParsedProfile): Disk {
  const category = disk?.category ?? base.disk?.category ?? 'cloud_essd';
  const inherited = disk?.category === undefined || disk.category === base.disk?.category;
  const performanceLevel = disk?.performanceLevel ?? (inherited ? base.disk?.performanceLevel : undefined);
  const sizeGiB = disk?.sizeGiB ?? base.disk?.sizeGiB ?? 40;
  return { category, ...(performanceLevel === undefined ? {} : { performanceLevel }), sizeGiB };
}

function toPage(page: ParsedPage): ProfilesPage {
  const base = page.profiles[page.default]!;
  const profiles = Object.entries(page.profiles).map(
    ([name, profile]) => [name, toProfile(name, profile, base)] as const,
  );
  const projects = Object.entries(page.projects ?? {}).map(([project, limits]) => [project, toLimits(limits)] as const);
  return {
    default: page.default,
    profiles: Object.fromEntries(profiles),
    ...(page.projects === undefined ? {} : { projects: Object.fromEntries(projects) }),
  };
}

function toLimits({ maxTimeout, maxJobs }: Pick<ParsedProfile, 'maxTimeout' | 'maxJobs'>): JobLimits {
  return {
    ...(maxTimeout === undefined ? {} : { maxTimeoutMs: parseDurationMs(maxTimeout) }),
    ...(maxJobs === undefined ? {} : { maxJobs }),
  };
}

function toEgress({ to, protocol = 'tcp', ports }: NonNullable<ParsedProfile['egress']>[number]): EgressRule {
  const every = protocol === 'tcp' || protocol === 'udp' ? '1/65535' : '-1/-1';
  const network = to.includes('/') ? to : `${to}/${to.includes(':') ? 128 : 32}`;
  return { to: network, protocol, ports: (ports === undefined ? undefined : portsOf(ports)) ?? every };
}

/** A profile inherits image and disk from the default profile; never `spot` or `allow`. */
function toProfile(name: string, profile: ParsedProfile, base: ParsedProfile): Profile {
  return {
    name,
    instances:
      profile.types !== undefined
        ? { types: profile.types }
        : {
            vcpu: profile.vcpu!,
            memoryGiB: profile.memoryGiB!,
            architecture: profile.architecture ?? 'x86_64',
            gpus: profile.gpus ?? 0,
          },
    image: profile.image ?? base.image!,
    disk: diskOf(profile, base),
    ...boundsOf(profile),
    spot: {
      maxPriceYuanPerHour: profile.spot?.maxPrice ?? Infinity,
      protectedHour: profile.spot?.protectedHour ?? 'auto',
      fallback: profile.spot?.fallback ?? 'on-demand',
      afterInterruption: profile.spot?.afterInterruption ?? 'spot',
    },
    ...(profile.spares === undefined ? {} : { spares: toSpares(profile.spares) }),
    ...(profile.metadata === undefined ? {} : { metadata: profile.metadata }),
    internetBandwidthMbps: profile.internetBandwidthMbps ?? 0,
    zones: profile.zones ?? [],
    allow: {
      projects: (profile.allow?.projects ?? []).map(String),
      protectedRefs: profile.allow?.protectedRefs ?? false,
      forks: profile.allow?.forks ?? false,
    },
    ...toLimits(profile),
    ...(profile.egress === undefined ? {} : { egress: profile.egress.map(toEgress) }),
    debugKeepMaxMs: profile.debugKeepMax === undefined ? 0 : (parseDurationMs(String(profile.debugKeepMax)) ?? 0),
  };
}

/**
 * Long enough for a lunch break, short enough that half of a protected hour is left for the job.
 */
const IDLE = '30m';

/** As many as a usual pipeline has jobs side by side. */
const AUTO: Exclude<NonNullable<ParsedProfile['spares']>, 'auto'> = { max: 5 };
const ALWAYS = '00:00-24:00';
/** What is made by a forecast does not idle at night. */
const DAYTIME = '07:00-22:00';

function toSpares(spares: NonNullable<ParsedProfile['spares']>): SparePolicy {
  const { keep = 0, max, when, idle = IDLE } = spares === 'auto' ? AUTO : spares;
  const hours = when ?? (max === undefined ? ALWAYS : DAYTIME);
  return { keep, max, when: parseHours(hours) ?? [], idleMs: parseDurationMs(idle) ?? 0 };
}
