/**
 * A docker registry (API v2, pulls alone) that asks for a login: `node registry.mjs FOLDER PORT
 * USER PASSWORD`. The folder is what `docker save` wrote, unpacked. Prints `listening` when it
 * does, and a line for each request that was let in.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';

const [folder, port, user, password] = process.argv.slice(2);
const blobs = new Map();
const add = (content, mediaType) => {
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  blobs.set(digest, { content, mediaType });
  return { mediaType, size: content.length, digest };
};
const read = (name) => readFileSync(path.join(folder, name));
const [{ Config, Layers }] = JSON.parse(read('manifest.json'));
const DOCKER = 'application/vnd.docker';
const manifest = add(
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${DOCKER}.distribution.manifest.v2+json`,
      config: add(read(Config), `${DOCKER}.container.image.v1+json`),
      layers: Layers.map((name) => add(read(name), `${DOCKER}.image.rootfs.diff.tar`)),
    }),
  ),
  `${DOCKER}.distribution.manifest.v2+json`,
);
const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

createServer((request, response) => {
  if (request.headers.authorization !== wanted) {
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="registry"', 'Content-Type': 'application/json' });
    response.end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
    return;
  }
  process.stdout.write(`${request.method} ${request.url}\n`);
  const [, kind, reference = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(request.url) ?? [];
  const digest = kind === 'manifests' && !reference.startsWith('sha256:') ? manifest.digest : reference;
  const found = blobs.get(digest);
  if (request.url === '/v2/') response.end('{}');
  else if (kind === undefined || found === undefined) response.writeHead(404).end();
  else {
    response.writeHead(200, {
      'Content-Type': found.mediaType,
      'Content-Length': found.content.length,
      'Docker-Content-Digest': digest,
    });
    response.end(request.method === 'HEAD' ? undefined : found.content);
  }
}).listen(Number(port), '127.0.0.1', () => process.stdout.write('listening\n'));
