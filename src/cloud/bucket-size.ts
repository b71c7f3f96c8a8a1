import * as z from 'zod/mini';
import { number, text } from './fields';
import type { Rpc } from './rpc';

const GIB = 2 ** 30;

const amount = z.optional(number);
const point = z.object({ timestamp: number, storageType: text, Value: amount, Maximum: amount, Average: amount });
const answerSchema = z.object({
  Datapoints: z.pipe(
    z.string(),
    z.transform((list): unknown => JSON.parse(list)),
  ),
});
const pointsSchema = z.array(point);

/**
 * How much lies in a bucket of OSS, in GiB, as CloudMonitor measured it last: once an hour, and
 * apart for each storage class. Undefined: it tells nothing of that bucket (yet). The metric:
 * https://www.alibabacloud.com/help/en/oss/user-guide/access-monitoring-data
 * @throws CloudRefused, CloudUnreachable
 */
export async function bucketGiB(rpc: Pick<Rpc, 'call'>, bucket: string): Promise<number | undefined> {
  const answer = await rpc.call('cms', 'DescribeMetricLast', {
    Namespace: 'acs_oss_dashboard',
    MetricName: 'MeteringStorageUtilization',
    Period: '3600',
    Dimensions: JSON.stringify({ BucketName: bucket }),
  });
  const newest = new Map(
    [...pointsOf(answer)].sort((a, b) => a.timestamp - b.timestamp).map((one) => [one.storageType, one]),
  );
  const bytes = [...newest.values()].flatMap(({ Value, Maximum, Average }) => Value ?? Maximum ?? Average ?? []);
  return bytes.length === 0 ? undefined : bytes.reduce((sum, one) => sum + one, 0) / GIB;
}

/** A text of JSON within JSON. */
function pointsOf(answer: unknown): readonly z.infer<typeof point>[] {
  try {
    return pointsSchema.parse(answerSchema.parse(answer).Datapoints);
  } catch {
    return [];
  }
}
