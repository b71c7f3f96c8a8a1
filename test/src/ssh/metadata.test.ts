import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describeWithTool } from '../../support/tools';

/** The supervisor's question to the metadata service, with whichever program the image has. */
const supervisor = readFileSync(path.resolve(__dirname, '../../../src/ssh/supervisor.sh'), 'utf8');
const ask = /^ask_metadata\(\) \{\n.*?^\}[^\n]*$/ms.exec(supervisor)![0];
const TIME = '2026-11-24T12:05:00Z';

let server: Server;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'metadata-'));
  // Hardened: nothing without a token, and a token only for a PUT.
  server = createServer((request, response) => {
    const { method, url, headers } = request;
    if (method === 'PUT' && url === '/latest/api/token' && headers['x-aliyun-ecs-metadata-token-ttl-seconds'])
      return void response.end('token-1');
    if (method === 'GET' && headers['x-aliyun-ecs-metadata-token'] === 'token-1') return void response.end(TIME);
    response.writeHead(403).end('<html>403</html>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

describe.each(['curl', 'wget'])('an instance that has %s alone', (program) => {
  describeWithTool('asks its hardened metadata service', { program }, () => {
    test('with a token, and gets the time of its interruption', async () => {
      const bin = mkdtempSync(path.join(folder, 'bin-'));
      symlinkSync(
        execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim(),
        path.join(bin, program),
      );
      const metadata = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const script = `${ask}\ntoken= time= metadata=$0\nask_metadata "$metadata/latest/meta-data/instance/spot/termination-time"\nprintf %s "$time"`;
      const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script, metadata], { env: { PATH: bin } });
      expect(stdout).toBe(TIME);
    });
  });
});
