import * as z from 'zod/mini';
import { DURATION, parseDurationMs } from '../duration';
import { parseHours } from './hours';
import { isNetwork, portsOf } from './network';

/**
 * The shape of stacks/instances.yaml. `stacks/instances.schema.json` is made from it, for
 * completion in editors.
 */

const text = (pattern: RegExp, must: string) => z.string({ error: undefined }).check(z.regex(pattern, must));
const described = <S extends z.ZodMiniType>(schema: S, description: string): S => {
  z.globalRegistry.add(schema, { description });
  return schema;
};

const typeName = text(/^ecs\.[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'must be an instance type such as ecs.c7.xlarge');
const zoneName = text(/^[a-z0-9-]+$/, 'must be a zone such as cn-hangzhou-k');

const disk = z.strictObject({
  category: z.optional(
    described(
      z.enum(['cloud_essd', 'cloud_auto', 'cloud_essd_entry', 'cloud_efficiency', 'cloud_ssd']),
      'Kind of system disk.',
    ),
  ),
  performanceLevel: z.optional(
    described(
      z.enum(['PL0', 'PL1', 'PL2', 'PL3']),
      'Of category cloud_essd: PL0 costs half of PL1, and serves builds. Left out: PL1, as the API has it.',
    ),
  ),
  sizeGiB: z.optional(described(z.int().check(z.minimum(20), z.maximum(2048)), 'Size of the system disk.')),
});

const bounds = text(/^\d{1,4}\.\.\d{1,4}$/, 'must be bounds such as 2..16');

const choose = z.strictObject({
  vcpu: z.optional(described(bounds, 'Bounds of SPOT_CPU, such as 2..16.')),
  memoryGiB: z.optional(described(bounds, 'Bounds of SPOT_MEMORY, such as 4..64.')),
  diskGiB: z.optional(described(bounds, 'Bounds of SPOT_DISK, such as 40..200.')),
  architectures: z.optional(
    described(
      z.array(z.enum(['x86_64', 'arm64'])).check(z.minLength(1)),
      'What SPOT_ARCH may say. The image’s family needs an image of each.',
    ),
  ),
});

const spot = z.strictObject({
  maxPrice: z.optional(
    described(
      z.number().check(z.gt(0), z.maximum(10_000)),
      'Yuan an hour for the instance (or what the account is billed in). Nothing dearer is taken, spot or pay-as-you-go.',
    ),
  ),
  protectedHour: z.optional(
    described(
      z.enum(['auto', 'always', 'never']),
      'An hour without interruption, about a tenth dearer. auto: for jobs whose timeout is at most an hour.',
    ),
  ),
  fallback: z.optional(
    described(z.enum(['on-demand', 'none']), 'When no spot instance is available: pay-as-you-go, or fail.'),
  ),
  afterInterruption: z.optional(
    described(
      z.enum(['spot', 'on-demand']),
      'What the first retry of an interrupted job takes first: spot elsewhere, or pay-as-you-go. The second takes pay-as-you-go.',
    ),
  ),
});

/**
 * A round of the keeper comes every five minutes; a machine that waits for longer than this is no
 * spare. Milliseconds.
 */
const IDLE = { least: 15 * 60_000, most: 8 * 3_600_000 };

const MOST_SPARES = 50;

const sparesTable = z.strictObject({
  keep: z.optional(
    described(
      z.int().check(z.minimum(1), z.maximum(MOST_SPARES)),
      'So many machines wait for a job. Left out: none, but those of `max`.',
    ),
  ),
  max: z.optional(
    described(
      z.int().check(z.minimum(1), z.maximum(MOST_SPARES)),
      'So many at most, made for jobs that are expected soon. Left out: none but those of `keep`.',
    ),
  ),
  when: z.optional(
    described(
      z
        .string()
        .check(z.refine((value) => parseHours(value) !== undefined, 'must be hours such as Mon-Fri 09:00-19:00')),
      'In these hours of the host’s own time, such as `Mon-Fri 09:00-19:00, Sat 10:00-14:00`. Left out: always; with `max` 07:00-22:00.',
    ),
  ),
  idle: z.optional(
    described(
      text(DURATION, 'must be a duration such as 30m').check(
        z.refine((value) => {
          const ms = parseDurationMs(value) ?? 0;
          return ms >= IDLE.least && ms <= IDLE.most;
        }, 'must be from 15m to 8h'),
      ),
      'So long one waits at most; then another takes its place. Left out: 30m.',
    ),
  ),
});

const spares = z.union([
  z.literal('auto'),
  sparesTable.check(
    z.refine(({ keep, max }) => keep !== undefined || max !== undefined, 'needs keep or max'),
    z.refine(({ keep = 0, max = keep }) => max >= keep, 'max must not be less than keep'),
  ),
]);

const projectPattern = text(
  /^[\w.*?/-]+$/,
  'must be a project path, with * for any name and ** for any depth, or a project id',
);

const allow = z.strictObject({
  projects: z.optional(
    described(
      z.array(z.union([z.int().check(z.minimum(1)), projectPattern])).check(z.minLength(1)),
      'Only these projects may use the profile: paths, or ids, which a rename keeps.',
    ),
  ),
  protectedRefs: z.optional(described(z.boolean(), 'Only jobs of protected branches and tags may use the profile.')),
  forks: z.optional(
    described(z.boolean(), 'Of a restricted profile: also for merge requests from forks. Left out: no.'),
  ),
});

const egress = z
  .strictObject({
    to: described(
      z.string().check(z.refine(isNetwork, 'must be an address or a network such as 10.0.0.0/8')),
      'Where to: an IPv4 or IPv6 network; 0.0.0.0/0 is everywhere.',
    ),
    protocol: z.optional(described(z.enum(['tcp', 'udp', 'icmp', 'all']), 'Left out: tcp.')),
    ports: z.optional(
      described(
        z
          .union([z.int(), z.string()])
          .check(z.refine((value) => portsOf(value) !== undefined, 'must be a port or a range such as 8000-8100')),
        'Of tcp and udp: a port, or a range such as 8000-8100; left out: all.',
      ),
    ),
  })
  .check(
    z.refine(({ protocol = 'tcp', ports }) => ports === undefined || protocol === 'tcp' || protocol === 'udp', {
      error: 'may have ports only with protocol tcp or udp',
    }),
  );

const limits = {
  maxTimeout: z.optional(
    described(
      z.string().check(z.refine((value) => (parseDurationMs(value) ?? 0) > 0, 'must be a duration such as 2h')),
      'Jobs whose timeout is longer are refused; left out: any timeout.',
    ),
  ),
  maxJobs: z.optional(
    described(
      z.int().check(z.minimum(1), z.maximum(10_000)),
      'So many jobs at a time on a host; left out: any number.',
    ),
  ),
};

const profile = z
  .strictObject({
    types: z.optional(
      described(
        z.array(typeName).check(z.minLength(1)),
        'Instance types, any of which will do; the first is preferred where prices are equal.',
      ),
    ),
    vcpu: z.optional(described(z.int().check(z.minimum(1), z.maximum(512)), 'Instead of types: vCPUs.')),
    memoryGiB: z.optional(described(z.number().check(z.gt(0), z.maximum(8192)), 'Instead of types: memory.')),
    architecture: z.optional(described(z.enum(['x86_64', 'arm64']), 'With vcpu and memoryGiB.')),
    gpus: z.optional(described(z.int().check(z.minimum(0), z.maximum(64)), 'With vcpu and memoryGiB.')),
    image: z.optional(
      described(
        text(/^[\w.:-]{1,128}$/, 'must be an image id or the name of an image family'),
        'Image id, or a family whose newest image is taken. Left out: the default profile’s.',
      ),
    ),
    disk: z.optional(disk),
    choose: z.optional(
      described(choose, 'What a job may ask for by SPOT_CPU, SPOT_MEMORY, SPOT_DISK and SPOT_ARCH. Left out: nothing.'),
    ),
    spot: z.optional(spot),
    spares: z.optional(described(spares, 'Machines that are made before the jobs that take them. auto: `max: 5`.')),
    metadata: z.optional(
      described(
        z.enum(['hardened', 'optional']),
        'Whether the instance’s metadata service wants a token from everybody. Left out: where the image can.',
      ),
    ),
    internetBandwidthMbps: z.optional(
      described(z.int().check(z.minimum(0), z.maximum(100)), 'Above 0: the instance has a public address.'),
    ),
    zones: z.optional(described(z.array(zoneName), 'Only these zones; left out: every zone that has a vSwitch.')),
    allow: z.optional(allow),
    egress: z.optional(
      described(
        z.array(egress).check(z.maxLength(50)),
        'What instances may reach; everything else is dropped, but for name resolution and the metadata service. Left out: everything.',
      ),
    ),
    ...limits,
    debugKeepMax: z.optional(
      described(
        z.union([text(DURATION, 'must be a duration such as 30m'), z.literal(0)]),
        'How long a job may keep a failed instance with SPOT_DEBUG_KEEP; left out or 0: never.',
      ),
    ),
  })
  .check(
    z.refine((value) => (value.types === undefined) !== (value.vcpu === undefined && value.memoryGiB === undefined), {
      error: 'needs either types, or vcpu and memoryGiB',
    }),
    z.refine((value) => (value.vcpu === undefined) === (value.memoryGiB === undefined), {
      error: 'needs vcpu and memoryGiB together',
    }),
    z.refine((value) => value.vcpu !== undefined || (value.architecture === undefined && value.gpus === undefined), {
      error: 'may have architecture and gpus only with vcpu and memoryGiB',
    }),
  );

export const pageSchema = z.strictObject({
  default: described(z.string().check(z.minLength(1)), 'The profile of a job that names none (SPOT_PROFILE).'),
  profiles: z.record(
    text(/^[A-Za-z0-9][\w.-]{0,62}$/, 'must be a profile name: letters, digits, dots, hyphens, underscores'),
    profile,
  ),
  projects: z.optional(
    described(
      z.record(projectPattern, z.strictObject(limits)),
      'Limits by project: paths with wildcards, or ids. Each project has them for itself; all entries that name it hold.',
    ),
  ),
});

export type ParsedPage = z.infer<typeof pageSchema>;
export type ParsedProfile = ParsedPage['profiles'][string];
