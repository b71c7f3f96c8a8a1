import path from 'node:path';
import * as z from 'zod/mini';
import { createCloud } from '../cloud/client';
import type { Cloud } from '../cloud/types';
import type { JobLog } from '../gitlab/job-log';
import { RecordStore } from '../jobs/record-store';
import { placementDirectory, PlacementMemory } from '../placement';
import { digest } from '../placement/digest';
import { shared } from '../host/shared-cache';
import type { Claim, Provision } from '../prepare/prepare';
import { provisionInstance } from '../prepare/provision-instance';
import type { Profile, Settings } from '../settings/types';
import { claimSpare } from '../spares/claim';
import { waitForSsh } from '../ssh';

/** A claim may miss an image that was built within the last minute, which does no harm. */
const IMAGE_MAX_AGE_MS = 60_000;

/**
 * The id of the newest image that a profile names, asked once a minute for all of the host.
 * Undefined: it can't be asked now.
 */
export function newestImage(
  settings: Pick<Settings, 'stateDir' | 'cloud'>,
  cloud: Pick<Cloud, 'resolveImage'>,
): (profile: Profile) => Promise<string | undefined> {
  return ({ image, instances }) => {
    const architecture = 'types' in instances ? undefined : instances.architecture;
    return shared({
      directory: path.join(placementDirectory(settings), 'market'),
      key: `image-${digest(`${image} ${architecture ?? ''}`)}`,
      maxAgeMs: IMAGE_MAX_AGE_MS,
      schema: z.string(),
      now: Date.now,
      fetch: async () => (await cloud.resolveImage(image, architecture))?.imageId ?? '',
    }).catch(() => undefined);
  };
}

/** The real outside world of a claim: no Pulumi. */
export function claimDependencies(
  settings: Settings,
  log: JobLog,
  signal: AbortSignal,
): { readonly claim: Claim; readonly provision: Provision } {
  const cloud = createCloud(settings);
  return {
    provision: (request) => provisionInstance({ ...request, settings, log, signal }),
    claim: (request) =>
      claimSpare(request, {
        settings,
        store: new RecordStore(settings.stateDir),
        cloud,
        imageId: newestImage(settings, cloud),
        losses: (jobKey) => new PlacementMemory(placementDirectory(settings), Date.now).losses(jobKey),
        waitForSsh,
        log,
        now: Date.now,
        signal,
      }),
  };
}
