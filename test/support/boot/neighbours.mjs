// Runs in the network namespace of a machine that boots: the metadata service on 100.100.100.200,
// and a way to its sshd for the test outside (a socket file, since its network leads nowhere).
// Arguments: the socket file, and a file of what the service tells (JSON).
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import { readFileSync } from 'node:fs';

const [socketFile, metadataFile] = process.argv.slice(2);
const { values, hardened } = JSON.parse(readFileSync(metadataFile, 'utf8'));
const TOKEN = 'AQAAtoken==';

/** The answer at a path below a version; a folder lists what is in it, each on a line. */
function answer(path) {
  if (Object.hasOwn(values, path)) return values[path];
  const folder = path === '' ? '' : `${path.replace(/\/$/, '')}/`;
  const inside = Object.keys(values)
    .filter((name) => name.startsWith(folder))
    .map((name) => name.slice(folder.length).replace(/\/.*$/, '/'));
  return inside.length === 0 ? undefined : [...new Set(inside)].join('\n');
}

const metadata = createHttpServer((request, response) => {
  const { method, url = '', headers } = request;
  if (method === 'PUT' && url === '/latest/api/token') {
    const isAsked = headers['x-aliyun-ecs-metadata-token-ttl-seconds'] !== undefined;
    return void response.writeHead(isAsked ? 200 : 400).end(isAsked ? TOKEN : '');
  }
  if (hardened && headers['x-aliyun-ecs-metadata-token'] !== TOKEN) return void response.writeHead(403).end('403');
  const text = answer(url.replace(/^\/[^/]*\/?/, ''));
  response.writeHead(text === undefined ? 404 : 200, { 'Content-Type': 'text/plain' }).end(text);
});
metadata.listen(80, '100.100.100.200', () => process.stdout.write('ready\n'));

createServer((outside) => {
  const sshd = connect(22, '127.0.0.1');
  outside.pipe(sshd).pipe(outside);
  for (const socket of [outside, sshd]) socket.on('error', () => (outside.destroy(), sshd.destroy()));
}).listen(socketFile);
