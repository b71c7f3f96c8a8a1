import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A GitLab to which every job has failed, and which takes every wish for another run. */
export async function startGitLabStub(): Promise<{ url: string; retried: () => number[]; close: () => void }> {
  const retried: number[] = [];
  const server = createServer((request, response) => {
    const [, jobId, retry] = /\/jobs\/(\d+)(\/retry)?$/.exec(request.url ?? '') ?? [];
    if (retry) retried.push(Number(jobId));
    response.writeHead(retry ? 201 : 200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ id: Number(jobId), status: retry ? 'pending' : 'failed' }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    retried: () => retried,
    close: () => server.close(),
  };
}
