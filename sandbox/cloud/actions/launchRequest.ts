/** The parameters of RunInstances. */
import { z } from 'zod';
import { flag, integer, newTags, text, textList, yuan } from './fields';

const disk = {
  Category: text.optional(),
  Size: integer(1, 65_536).optional(),
  PerformanceLevel: z.enum(['PL0', 'PL1', 'PL2', 'PL3']).optional(),
  DiskName: text.default(''),
};

export const launchSchema = z.object({
  ImageId: text.optional(),
  ImageFamily: text.optional(),
  InstanceType: text,
  ZoneId: text.optional(),
  VSwitchId: text.optional(),
  SecurityGroupId: text.optional(),
  SecurityGroupIds: textList.default([]),
  KeyPairName: text.default(''),
  InstanceName: text.optional(),
  HostName: text.optional(),
  Description: text.default(''),
  UserData: text.default(''),
  InstanceChargeType: z.enum(['PostPaid', 'PrePaid']).default('PostPaid'),
  SpotStrategy: z.enum(['NoSpot', 'SpotWithPriceLimit', 'SpotAsPriceGo']).default('NoSpot'),
  SpotPriceLimit: yuan.optional(),
  SpotDuration: integer(0, 6).default(1),
  SpotInterruptionBehavior: z.enum(['Terminate', 'Stop']).default('Terminate'),
  AutoReleaseTime: text.optional(),
  SystemDisk: z.object(disk).prefault({}),
  DataDisk: z.array(z.object(disk)).max(16).default([]),
  InternetMaxBandwidthOut: integer(0, 100).default(0),
  InternetChargeType: text.default('PayByTraffic'),
  RamRoleName: text.default(''),
  HttpEndpoint: z.enum(['enabled', 'disabled']).default('enabled'),
  HttpTokens: z.enum(['optional', 'required']).default('optional'),
  HttpPutResponseHopLimit: integer(1, 64).default(1),
  DeletionProtection: flag.default(false),
  ResourceGroupId: text.default(''),
  Amount: integer(1, 100).default(1),
  DryRun: flag.default(false),
  ClientToken: text.max(64).optional(),
  Tag: newTags,
});

export type LaunchRequest = z.output<typeof launchSchema>;
