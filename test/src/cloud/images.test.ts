import { createImages, type Images } from '../../../src/cloud/images';
import { Rpc } from '../../../src/cloud/rpc';
import { TestCloud } from '../../sandbox/cloud/support';

let simulated: TestCloud;
let rpc: Rpc;
beforeAll(async () => {
  simulated = await TestCloud.start();
  const { endpoint: host, region, accessKeyId, accessKeySecret } = simulated.info;
  const ecs = `http://${host}`;
  const endpoints = { ecs, vpc: ecs, ram: ecs, sts: ecs, cms: ecs };
  const credentials = { getCredentials: () => Promise.resolve({ accessKeyId, accessKeySecret }) };
  rpc = new Rpc({ environment: {}, region, endpoints, credentials });
});
afterAll(() => simulated.stop());

/** These images, from the moment on at which that action is not carried out. */
const without = (action: string): Images =>
  createImages({
    call: (service, asked, params) =>
      asked === action ? Promise.reject(new Error(`no ${action}`)) : rpc.call(service, asked, params),
  });
const snapshots = async () => (await simulated.ok('DescribeSnapshots')).Snapshots.Snapshot as unknown[];

test('a snapshot whose image alone was removed goes later, and no other', async () => {
  const images = createImages(rpc);
  const instanceId = await simulated.launchRunning();
  for (const name of ['ours-1', 'ours-2', 'ours-3'])
    await images.create(instanceId, { name, family: 'ours', description: 'by a test', tags: {} });
  simulated.clock.advance(60_000);
  const [kept, used, old] = await images.own('ours');
  await expect(without('DeleteSnapshot').remove(old!)).rejects.toThrow('no DeleteSnapshot');
  await expect(without('DeleteImage').remove(used!)).rejects.toThrow('no DeleteImage');
  expect((await images.own('ours')).map(({ name }) => name)).toEqual(['ours-3', 'ours-2']);
  expect(await snapshots()).toHaveLength(3);

  await images.removeRest();
  expect(await snapshots()).toHaveLength(2);
  await Promise.all([kept!, used!].map((image) => without('TagResources').remove(image)));
  expect(await snapshots()).toEqual([]);
});
