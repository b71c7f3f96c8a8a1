import { createServer, type AddressInfo } from 'node:net';
import { serveGitLab } from '../../sandbox/gitlab-command';

test('a GitLab whose port is taken says by whom, most likely', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const silent = { write: () => true } as unknown as Parameters<typeof serveGitLab>[1];
  try {
    await expect(serveGitLab({ repo: undefined, port, verbose: false }, silent)).rejects.toThrow(
      `port ${port} of this machine is taken, by another \`npm run sandbox -- gitlab\` most likely`,
    );
  } finally {
    other.close();
  }
});
