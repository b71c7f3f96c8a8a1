import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type * as Yaml from 'yaml';
import { CommandError } from '../errors';
import { isProperties, type Value } from '../rpc/values';
import { type Project } from './project';

type YamlDocument = Yaml.Document;

/** The configuration file of a stack, Pulumi.STACK.yaml. Comments survive a change. */
export class StackConfig {
  private constructor(
    readonly file: string,
    private readonly document: YamlDocument,
  ) {}

  /** Reads the file of a stack; a missing one is empty. */
  static load(project: Project, stack: string): StackConfig {
    const file = configFile(project, stack);
    return new StackConfig(file, parse(file, existsSync(file) ? readFileSync(file, 'utf8') : ''));
  }

  /** The salt of the stack's passphrase, if one was used. */
  get salt(): string | undefined {
    const salt = this.document.get('encryptionsalt');
    return typeof salt === 'string' ? salt : undefined;
  }

  set salt(salt: string | undefined) {
    if (salt === undefined) this.document.delete('encryptionsalt');
    else this.document.set('encryptionsalt', salt);
  }

  /** All settings, keys with their namespace; secrets as `{ secure: CIPHERTEXT }`. */
  get entries(): Record<string, Value> {
    const config = (this.document.toJS() as { config?: Record<string, Value> } | null)?.config;
    return config ?? {};
  }

  set(key: string, value: Value): void {
    this.document.setIn(['config', key], this.document.createNode(value));
  }

  save(): void {
    const text = isProperties(this.document.toJS() as Value) ? this.document.toString({ lineWidth: 0 }) : '';
    const temporary = `${this.file}.${process.pid}`;
    writeFileSync(temporary, text);
    renameSync(temporary, this.file);
  }
}

function configFile(project: Project, stack: string): string {
  const folder = project.stackConfigDir ? path.join(project.root, project.stackConfigDir) : project.root;
  return path.join(folder, `Pulumi.${stack}${path.extname(project.file)}`);
}

function parse(file: string, text: string): YamlDocument {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- the parser is loaded only by commands that need it
  const yaml = require('yaml') as typeof Yaml;
  const document = yaml.parseDocument(text);
  if (document.errors.length > 0)
    throw new CommandError(`could not load '${file}': ${document.errors[0]!.message.split('\n')[0]}`);
  if (document.contents === null || text.trim() === '') return new yaml.Document({});
  if (!isProperties(document.toJS() as Value))
    throw new CommandError(`could not load '${file}': a mapping is expected`);
  return document;
}
