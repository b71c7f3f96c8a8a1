/** Images that are there from the start: the cloud's own, and one custom image as a platform team would have baked it. */
import type { Image } from '../model/records';

const DAY_MS = 24 * 3600_000;

interface Row {
  readonly imageId: string;
  readonly family: string;
  readonly osName: string;
  readonly platform: string;
  readonly architecture: 'x86_64' | 'arm64';
}

const SYSTEM: readonly Row[] = [
  {
    imageId: 'aliyun_3_x64_20G_alibase.vhd',
    family: 'acs:alibaba_cloud_linux_3_2104_lts_x64',
    osName: 'Alibaba Cloud Linux  3.2104 LTS 64 bit',
    platform: 'Aliyun',
    architecture: 'x86_64',
  },
  {
    imageId: 'aliyun_3_arm64_20G_alibase.vhd',
    family: 'acs:alibaba_cloud_linux_3_2104_lts_arm64',
    osName: 'Alibaba Cloud Linux  3.2104 LTS 64 bit ARM Edition',
    platform: 'Aliyun',
    architecture: 'arm64',
  },
  {
    imageId: 'ubuntu_24_04_x64_20G_alibase.vhd',
    family: 'acs:ubuntu_24_04_x64',
    osName: 'Ubuntu  24.04 64 bit',
    platform: 'Ubuntu',
    architecture: 'x86_64',
  },
  {
    imageId: 'ubuntu_24_04_arm64_20G_alibase.vhd',
    family: 'acs:ubuntu_24_04_arm64',
    osName: 'Ubuntu  24.04 64 bit ARM Edition',
    platform: 'Ubuntu',
    architecture: 'arm64',
  },
  {
    imageId: 'debian_12_x64_20G_alibase.vhd',
    family: 'acs:debian_12_x64',
    osName: 'Debian  12 64 bit',
    platform: 'Debian',
    architecture: 'x86_64',
  },
];

/** Name (and family) of the custom image. */
export const CUSTOM_IMAGE_NAME = 'gitlab-spot-java23';

/** `customId`: the id of the account's own image. */
export function initialImages(now: number, customId: string, snapshotId: string): Map<string, Image> {
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
    snapshotId,
  };
  return new Map([...system, custom].map((image) => [image.imageId, image]));
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
