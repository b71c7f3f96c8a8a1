import type { Images } from '../cloud/images';
import type { Cloud } from '../cloud/types';
import { currencyOf, type Currency } from '../currency';
import { TAG } from '../jobs/types';
import type { Settings } from '../settings/types';
import { factsOf } from './found-instance';
import { standingOf, type Standing } from './standing';

export interface AskStandingDependencies {
  readonly cloud: Pick<Cloud, 'findInstances' | 'spotPrices' | 'madeAt' | 'systemDisk' | 'diskPrice'>;
  readonly images: Pick<Images, 'own'>;
  readonly hasNat: (vpcId: string) => Promise<boolean>;
  /** In GiB; undefined: nobody has measured it. */
  readonly bucketGiB: (name: string) => Promise<number | undefined>;
  readonly settings: Pick<Settings, 'pulumi'> & { readonly cloud: Pick<Settings['cloud'], 'vpcId'> };
  /** The jobs' cache, as `init` noted it. */
  readonly cacheBucket: string | undefined;
  /** As the ledger has it, where there is no price to go by. */
  readonly currency: Currency;
}

/** Of more the price is not asked: these are a good sample. */
const MOST_SPARES = 20;

/**
 * Asks the cloud what of ours costs money while no job runs. @throws CloudRefused, CloudUnreachable
 */
export async function askStanding(from: AskStandingDependencies): Promise<Standing> {
  const { cloud, images, hasNat, bucketGiB, settings, cacheBucket, currency } = from;
  const names = [bucketOf(settings.pulumi.backendUrl), cacheBucket].flatMap((name) => name ?? []);
  const [own, spares, nat, buckets] = await Promise.all([
    images.own(),
    cloud.findInstances({ [TAG.kind]: 'spare' }),
    settings.cloud.vpcId === '' ? false : hasNat(settings.cloud.vpcId),
    // Without its size a bucket has its price all the same: a policy of before does not let us ask.
    Promise.all(names.map(async (name) => ({ name, gib: await bucketGiB(name).catch(() => undefined) }))),
  ]);
  const facts = await Promise.all(spares.slice(0, MOST_SPARES).map((spare) => factsOf(spare, cloud)));
  return standingOf({
    imagesGiB: own.map(({ sizeGiB }) => sizeGiB),
    spares: facts.flatMap((one) => one ?? []),
    furtherSpares: Math.max(0, spares.length - MOST_SPARES),
    hasNat: nat,
    buckets,
    currency: facts[0] ? currencyOf(facts[0].currency) : currency,
  });
}

/** `s3://state?region=…` is the bucket `state`. */
function bucketOf(backendUrl: string): string | undefined {
  return /^s3:\/\/([^/?]+)/.exec(backendUrl)?.[1];
}
