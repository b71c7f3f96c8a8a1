/** CloudMonitor: how large a bucket is, measured at each full hour. */
import { z } from 'zod';
import { ApiError } from '../server/errors';
import { action, type ActionGroup } from './action';
import { text } from './fields';

const HOUR_MS = 3_600_000;

const dimension = z.record(z.string(), z.string());
const dimensionsSchema = z.union([dimension.transform((one) => [one]), z.array(dimension).max(50)]);

export const metricActions: ActionGroup = {
  service: 'cms',
  actions: {
    DescribeMetricLast: action(
      z.object({
        Namespace: z.literal('acs_oss_dashboard'),
        MetricName: z.literal('MeteringStorageUtilization'),
        Period: z.literal('3600').default('3600'),
        Dimensions: text.optional(),
      }),
      ({ state, clock, bucketBytes }, { Dimensions = '[]', Period }) => {
        const timestamp = Math.floor(clock.now() / HOUR_MS) * HOUR_MS;
        const points = bucketsIn(Dimensions).flatMap((BucketName) => {
          const Value = bucketBytes(BucketName);
          const about = { timestamp, userId: state.accountId, BucketName, region: state.region };
          return Value === undefined ? [] : [{ ...about, storageType: 'standard', Value }];
        });
        return { Code: '200', Success: true, Period, Datapoints: JSON.stringify(points) };
      },
    ),
  },
};

function bucketsIn(dimensions: string): readonly string[] {
  try {
    return dimensionsSchema.parse(JSON.parse(dimensions)).flatMap(({ BucketName }) => BucketName ?? []);
  } catch {
    throw new ApiError(400, 'InvalidParameterValue', 'The specified parameter "Dimensions" is not valid.');
  }
}
