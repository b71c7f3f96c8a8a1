/** GitLab on a loopback port: the API, and the project's repository over HTTP. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Api, type ApiAnswer, type ApiOptions } from './api';
import { serveGit } from './git-http';

export interface GitLabServer {
  readonly url: string;
  close(): Promise<void>;
}

export interface GitLabServerOptions extends Omit<ApiOptions, 'serverUrl'> {
  /** Folder of `group/project.git` repositories. */
  readonly repositories: string;
  /** 0 or left out: a free one. */
  readonly port?: number;
}

const REPOSITORY = /^\/.+\.git(?:\/(?:info\/refs|git-upload-pack|HEAD|objects\/.*))?$/;

export async function startGitLab(options: GitLabServerOptions): Promise<GitLabServer> {
  let url = '';
  const api = new Api({ ...options, serverUrl: () => url });
  const server = createServer((request, response) => {
    const asked = new URL(request.url ?? '/', 'http://gitlab');
    if (REPOSITORY.test(asked.pathname)) repository(request, response, asked, options);
    else void respond(request, response, asked, api);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url, close };
}

/** Only who shows a job's token may read it. */
function repository(request: IncomingMessage, response: ServerResponse, url: URL, options: GitLabServerOptions): void {
  const [, encoded = ''] = /^Basic (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  const [user = '', password = ''] = Buffer.from(encoded, 'base64').toString().split(':');
  const job = options.jobs.byToken(password);
  if (!job && password !== options.accessToken) {
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="GitLab"' });
    response.end('HTTP Basic: Access denied\n');
    return;
  }
  const query = url.search.slice(1);
  serveGit(request, response, { root: options.repositories, pathInfo: decodeURIComponent(url.pathname), query, user });
}

async function respond(request: IncomingMessage, response: ServerResponse, url: URL, api: Api): Promise<void> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
    send(response, await api.answer(request, url, Buffer.concat(chunks)));
  } catch (error) {
    if (!response.headersSent) send(response, { status: 500, body: { message: (error as Error).message } });
  }
}

function send(response: ServerResponse, { status, headers, body }: ApiAnswer): void {
  if (Buffer.isBuffer(body) || typeof body === 'string') {
    response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers });
    response.end(body);
    return;
  }
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
  response.end(body === undefined ? '' : JSON.stringify(body));
}
