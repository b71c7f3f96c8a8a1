import { World } from '../support/world';

/**
 * A host whose every way out is a proxy that leads nowhere, in both spellings: what is on this host
 * itself must not need it.
 */
test('a job runs on a host that has a proxy, although engine, program and provider talk to each other on its loopback', async () => {
  const world = await World.start();
  try {
    const nowhere = 'http://ci:hush@127.0.0.1:9';
    const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'];
    const environment = Object.fromEntries(names.map((name) => [name, nowhere]));
    const { state, log } = await world.job('echo through', { environment });
    expect({ state, log }).toMatchObject({ state: 'success' });
    expect(log).not.toContain('hush');
    await world.nothingLeft();
  } finally {
    await world.close();
  }
}, 120_000);
