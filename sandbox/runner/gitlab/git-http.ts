/** Git's smart HTTP, served by `git http-backend`. */
import { spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface GitRequest {
  readonly root: string;
  /** `/group/project.git/info/refs` */
  readonly pathInfo: string;
  readonly query: string;
  readonly user: string;
}

export function serveGit(request: IncomingMessage, response: ServerResponse, about: GitRequest): void {
  const backend = spawn('git', ['http-backend'], {
    env: environment(request, about),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  backend.on('error', () => {
    if (!response.headersSent) response.writeHead(500);
    response.end('git is not on PATH\n');
  });
  backend.stdin.on('error', () => undefined);
  request.pipe(backend.stdin);
  response.on('close', () => backend.kill());
  let head = Buffer.alloc(0);
  let open = false;
  backend.stdout.on('data', (chunk: Buffer) => {
    if (open) {
      response.write(chunk);
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    open = true;
    writeHead(response, head.subarray(0, end).toString());
    response.write(head.subarray(end + 4));
  });
  backend.on('close', () => {
    if (!open && !response.headersSent) response.writeHead(500);
    response.end();
  });
}

function environment(request: IncomingMessage, about: GitRequest): NodeJS.ProcessEnv {
  const header = (name: string) => String(request.headers[name] ?? '');
  return {
    PATH: process.env['PATH'],
    HOME: about.root,
    GIT_PROJECT_ROOT: about.root,
    GIT_HTTP_EXPORT_ALL: '1',
    PATH_INFO: about.pathInfo,
    QUERY_STRING: about.query,
    REQUEST_METHOD: request.method,
    CONTENT_TYPE: header('content-type'),
    CONTENT_LENGTH: header('content-length'),
    HTTP_CONTENT_ENCODING: header('content-encoding'),
    GIT_PROTOCOL: header('git-protocol'),
    REMOTE_USER: about.user,
    REMOTE_ADDR: '127.0.0.1',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'safe.directory',
    GIT_CONFIG_VALUE_0: '*',
  };
}

function writeHead(response: ServerResponse, text: string): void {
  let status = 200;
  const headers: Record<string, string> = {};
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    if (name === 'Status') status = Number(value.split(' ')[0]);
    else headers[name] = value;
  }
  response.writeHead(status, headers);
}
