import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parse as parseEnv } from 'dotenv';

export const root = path.resolve(__dirname, '../..');
const deployDirectory = path.join(root, 'deploy');

export const inDeploy = (...names: string[]): string => path.join(deployDirectory, ...names);
export const read = (...names: string[]): string => readFileSync(inDeploy(...names), 'utf8');

/** deploy/.env.example as variables. */
export const exampleEnvironment = (): Record<string, string> => parseEnv(read('.env.example'));

/** Every shell script that runs on the host, by its path. */
export function shellScripts(): string[] {
  return [deployDirectory, path.join(root, 'executor')]
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.sh'))
        .map((name) => path.join(folder, name)),
    )
    .sort();
}
