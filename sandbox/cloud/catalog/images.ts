/**
 * Images that are there from the start: the cloud's own, and one custom image as a platform team
 * would have baked it.
 */
import type { Image } from '../model/records';

const DAY_MS = 24 * 3600_000;

interface Row {
  readonly imageId: string;
  readonly family: string;
  readonly osName: string;
  readonly platform: string;
  readonly architecture: 'x86_64' | 'arm64';
  /** Debian 12 has cloud-init 22.4; tokens came with 23.1. */
  readonly imdsSupport: 'v1' | 'v2';
}

const SYSTEM: readonly Row[] = [
  {
    imageId: 'aliyun_3_x64_20G_alibase.vhd',
    family: 'acs:alibaba_cloud_linux_3_2104_lts_x64',
    osName: 'Alibaba Cloud Linux  3.2104 LTS 64 bit',
    platform: 'Aliyun',
    architecture: 'x86_64',
    imdsSupport: 'v2',
  },
  {
    imageId: 'aliyun_3_arm64_20G_alibase.vhd',
    family: 'acs:alibaba_cloud_linux_3_2104_lts_arm64',
    osName: 'Alibaba Cloud Linux  3.2104 LTS 64 bit ARM Edition',
    platform: 'Aliyun',
    architecture: 'arm64',
    imdsSupport: 'v2',
  },
  {
    imageId: 'ubuntu_24_04_x64_20G_alibase.vhd',
    family: 'acs:ubuntu_24_04_x64',
    osName: 'Ubuntu  24.04 64 bit',
    platform: 'Ubuntu',
    architecture: 'x86_64',
    imdsSupport: 'v2',
  },
  {
    imageId: 'ubuntu_24_04_arm64_20G_alibase.vhd',
    family: 'acs:ubuntu_24_04_arm64',
    osName: 'Ubuntu  24.04 64 bit ARM Edition',
    platform: 'Ubuntu',
    architecture: 'arm64',
    imdsSupport: 'v2',
  },
  {
    imageId: 'debian_12_x64_20G_alibase.vhd',
    family: 'acs:debian_12_x64',
    osName: 'Debian  12 64 bit',
    platform: 'Debian',
    architecture: 'x86_64',
    imdsSupport: 'v1',
  },
];

/** Name (and family) of the custom image. */
const CUSTOM_IMAGE_NAME = 'gitlab-spot-java23';

/**
 * `customId`: the id of the account's own image; `sharedId`: of one that another account shares
 * with it.
 */
export function initialImages(
  now: number,
  { customId, snapshotId, sharedId }: { customId: string; snapshotId: string; sharedId: string },
): Map<string, Image> {
  const system = SYSTEM.map((row) => ({
    ...common(now - 60 * DAY_MS),
    ...row,
    name: row.imageId,
    owner: 'system' as const,
  }));
  const custom: Image = {
    ...common(now - DAY_MS),
    imageId: customId,
    name: CUSTOM_IMAGE_NAME,
    family: CUSTOM_IMAGE_NAME,
    owner: 'self',
    architecture: 'x86_64',
    osName: 'Ubuntu  24.04 64 bit',
    platform: 'Ubuntu',
    imdsSupport: 'v2',
    snapshotId,
  };
  // Whoever shares an image chooses its name: one of ours, and newer.
  const shared: Image = {
    ...custom,
    imageId: sharedId,
    owner: 'others',
    createdAt: now - 1,
    snapshotId: '',
    imdsSupport: 'v1',
  };
  return new Map([...system, custom, shared].map((image) => [image.imageId, image]));
}

function common(createdAt: number) {
  return {
    description: '',
    sizeGiB: 20,
    createdAt,
    availableAt: createdAt,
    snapshotId: '',
    sourceInstanceId: '',
    tags: {},
  };
}
