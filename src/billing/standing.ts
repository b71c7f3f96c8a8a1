import {
  NAT_GATEWAY_YUAN_PER_HOUR,
  OBJECTS_YUAN_PER_GIB_MONTH,
  SNAPSHOT_YUAN_PER_GIB_MONTH,
} from '../cloud/list-prices';
import { CNY, unitOf, type Currency } from '../currency';
import type { InstanceFacts } from '../jobs/types';
import { plural } from '../plural';
import { hourlyYuan } from './cost';

/**
 * What costs money while no job runs. An estimate: by list prices, and by sizes that are the most
 * that there may be.
 */
export interface Standing {
  readonly estimated: true;
  readonly currency: Currency;
  readonly items: readonly StandingItem[];
  /** Of the items whose price is known. */
  readonly yuanPerMonth: number;
}

interface StandingItem {
  readonly what: string;
  readonly detail: string;
  /** Left out: it is paid by what is in it, or its list price is in another currency. */
  readonly yuanPerMonth?: number | undefined;
}

export interface StandingFacts {
  /** Sizes of the custom images that this project made, GiB. */
  readonly imagesGiB: readonly number[];
  /** Machines that wait for a job, as far as their price was asked. */
  readonly spares: readonly Pick<InstanceFacts, 'priceYuanPerHour' | 'diskYuanPerHour' | 'currency'>[];
  /** Further ones, each taken to cost what those above do on average. */
  readonly furtherSpares?: number | undefined;
  readonly hasNat: boolean;
  readonly buckets: readonly BucketFacts[];
  /** What the account is billed in. */
  readonly currency: Currency;
}

export interface BucketFacts {
  readonly name: string;
  /** Left out: nobody has told. */
  readonly gib?: number | undefined;
}

const HOURS_A_MONTH = 730;

export function standingOf(facts: StandingFacts): Standing {
  const { imagesGiB, spares, furtherSpares = 0, hasNat, buckets, currency } = facts;
  const sparesCount = spares.length + furtherSpares;
  /** The lists are in yuan. */
  const listed = (yuan: number): number | undefined => (currency === CNY ? yuan : undefined);
  const gib = imagesGiB.reduce((sum, size) => sum + size, 0);
  const items: StandingItem[] = [
    ...(imagesGiB.length === 0
      ? []
      : [
          item(
            'custom images',
            `${imagesGiB.length}, with snapshots of at most ${gib} GiB`,
            listed(gib * SNAPSHOT_YUAN_PER_GIB_MONTH),
          ),
        ]),
    ...(spares.length === 0
      ? []
      : [
          item(
            'spare machines',
            `${sparesCount} now, if ${plural(sparesCount, 'it', 'they')} stayed${furtherSpares > 0 ? `; by the prices of ${spares.length}` : ''}`,
            ((spares.reduce((sum, one) => sum + hourlyYuan(one), 0) * HOURS_A_MONTH) / spares.length) * sparesCount,
          ),
        ]),
    ...(hasNat
      ? [item('NAT gateway', 'the foundation’s; traffic by use', listed(NAT_GATEWAY_YUAN_PER_HOUR * HOURS_A_MONTH))]
      : []),
    ...buckets.map(({ name, gib: size }) =>
      size === undefined
        ? item(`bucket ${name}`, unmeasured(name, currency), undefined)
        : item(`bucket ${name}`, `${size.toFixed(1)} GiB`, listed(size * OBJECTS_YUAN_PER_GIB_MONTH)),
    ),
  ];
  const yuanPerMonth = round(items.reduce((sum, one) => sum + (one.yuanPerMonth ?? 0), 0));
  return { estimated: true, currency, items, yuanPerMonth };
}

/** For people, a line for each. */
export function standingLines({ items, yuanPerMonth, currency }: Standing): readonly string[] {
  if (items.length === 0) return ['While nothing runs, nothing costs money (estimate).'];
  const unit = unitOf(currency);
  return [
    `While nothing runs, an estimate by list prices: ${yuanPerMonth.toFixed(2)} ${unit} a month`,
    ...items.map(
      ({ what, detail, yuanPerMonth: yuan }) =>
        `  ${what}: ${yuan === undefined ? detail : `${yuan.toFixed(2)} ${unit} (${detail})`}`,
    ),
  ];
}

function unmeasured(bucket: string, currency: Currency): string {
  const price = currency === CNY ? `${OBJECTS_YUAN_PER_GIB_MONTH} yuan a GiB and month, ` : '';
  return `${price}by what is in it: \`ossutil du oss://${bucket}\``;
}

function item(what: string, detail: string, yuanPerMonth: number | undefined): StandingItem {
  return { what, detail, ...(yuanPerMonth === undefined ? {} : { yuanPerMonth: round(yuanPerMonth) }) };
}

function round(yuan: number): number {
  return Math.round(yuan * 100) / 100;
}
