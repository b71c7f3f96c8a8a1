import { findImage } from '../../../src/cloud/find-image';

const image = (ImageId: string, Architecture: string, CreationTime: string) => ({
  ImageId,
  ImageName: ImageId,
  Architecture,
  CreationTime,
  Features: undefined,
});
const family = [image('m-x86', 'x86_64', '2026-01-01T00:00:00Z'), image('m-arm', 'arm64', '2026-02-01T00:00:00Z')];
const list = (filter: Readonly<Record<string, unknown>>) =>
  Promise.resolve(
    family.filter(({ Architecture }) => filter.Architecture === undefined || filter.Architecture === Architecture),
  );

test('the newest image of a family is taken, of the architecture that the job asks for', async () => {
  await expect(findImage('java', list)).resolves.toMatchObject({ imageId: 'm-arm', architecture: 'arm64' });
  await expect(findImage('java', list, 'x86_64')).resolves.toMatchObject({ imageId: 'm-x86', architecture: 'x86_64' });
});
