/**
 * Alibaba Cloud's own description of its API, as the packages `@alicloud/*` carry it: which actions
 * there are, what their parameters and answers are called and of which type they are. Classes are
 * read one by one, for a whole package takes a second to load.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

type TypeName = 'string' | 'number' | 'boolean' | 'any' | 'readable' | 'writable' | 'map';
type Type = TypeName | Model | { readonly type: 'array'; readonly itemType: Type } | { readonly type: 'map' };

/** A class of the packages: from its property names to names on the wire, and to types. */
interface Model {
  names(): Record<string, string>;
  types(): Record<string, Type>;
}

/** By API version, which every call carries. */
const PACKAGES: Readonly<Record<string, string>> = {
  '2014-05-26': 'ecs20140526',
  '2016-04-28': 'vpc20160428',
  '2015-04-01': 'sts20150401',
  '2015-05-01': 'ram20150501',
  '2019-01-01': 'cms20190101',
};

/**
 * Parameters of every RPC call; a region may be named in each, since the endpoint is chosen by it.
 */
const COMMON =
  /^(Action|Version|Format|AccessKeyId|Signature|SignatureMethod|SignatureVersion|SignatureNonce|SignatureType|Timestamp|SecurityToken|RegionId)$/;

/** One package: where its classes lie. They spell vSwitch another way than the actions do. */
class Package {
  private static readonly opened = new Map<string, Package>();
  private readonly folder: string;
  private readonly client: string;
  private readonly files: ReadonlyMap<string, string>;

  private constructor(name: string) {
    const root = path.join(path.dirname(require.resolve(`@alicloud/${name}/package.json`)), 'dist');
    this.folder = path.join(root, 'models');
    this.client = readFileSync(path.join(root, 'client.js'), 'utf8');
    this.files = new Map(readdirSync(this.folder).map((file) => [file.toLowerCase(), file]));
  }

  static of(version: string): Package {
    const name = PACKAGES[version];
    if (name === undefined) throw new Error(`no description of an API of version ${version}`);
    const opened = this.opened.get(name) ?? new Package(name);
    this.opened.set(name, opened);
    return opened;
  }

  has(action: string): boolean {
    return this.client.includes(`action: "${action}"`);
  }

  /** The main class of the file of that name. */
  model(name: string): Model | undefined {
    const file = this.files.get(`${name}.js`.toLowerCase());
    if (file === undefined) return undefined;
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const classes = require(path.join(this.folder, file)) as Record<string, Model>;
    return Object.entries(classes).find(([one]) => one.toLowerCase() === name.toLowerCase())?.[1];
  }

  declarations(name: string): string {
    const file = this.files.get(`${name}.d.ts`.toLowerCase());
    return file === undefined ? '' : readFileSync(path.join(this.folder, file), 'utf8');
  }
}

export class Contract {
  private static readonly read = new Map<string, Contract>();
  private mandatory: readonly string[] | undefined;

  private constructor(
    private readonly api: Package,
    readonly action: string,
  ) {}

  /**
   * Undefined: the API has no such action. Throws where the version is of no API that is described.
   */
  static of(version: string, action: string): Contract | undefined {
    const key = `${version} ${action}`;
    const api = Package.of(version);
    if (!this.read.has(key) && api.has(action)) this.read.set(key, new Contract(api, action));
    return this.read.get(key);
  }

  /** What is wrong with a request's parameters: one line each, none where all is right. */
  requestProblems(parameters: Readonly<Record<string, string>>): string[] {
    const own = Object.entries(parameters).filter(([name]) => !COMMON.test(name));
    const model = this.model('Request');
    const wrong = own.flatMap(([name, value]) => {
      const problem = model === undefined ? 'is unknown' : parameterProblem(model, name.split('.'), value);
      return problem === undefined ? [] : [`${this.action}: parameter ${name} ${problem}`];
    });
    const missing = this.required()
      .filter((name) => !Object.keys(parameters).some((given) => given === name || given.startsWith(`${name}.`)))
      .map((name) => `${this.action}: parameter ${name} is missing`);
    return [...wrong, ...missing];
  }

  /** What is wrong with an answer: fields that the API doesn't have, and values of another type. */
  answerProblems(answer: unknown): string[] {
    const model = this.model('ResponseBody');
    if (model !== undefined) return valueProblems(model, answer, this.action);
    const more = Object.keys(answer as object).filter((name) => name !== 'RequestId');
    return more.map((name) => `${this.action}.${name} is unknown`);
  }

  /**
   * The documentation of a parameter (`InstanceTypes`, `SystemDisk.Size`); undefined where there is
   * no such parameter.
   */
  says(parameter: string): string | undefined {
    const parts = parameter.split('.').filter((part) => part !== 'N');
    const last = parts.pop()!;
    const classes = this.declarations(`${this.action}Request${parts.join('')}`);
    return classes.get(last.toLowerCase());
  }

  private required(): readonly string[] {
    return (this.mandatory ??= this.readRequired());
  }

  private readRequired(): readonly string[] {
    const documented = this.declarations(`${this.action}Request`);
    const names = Object.values(this.model('Request')?.names() ?? {});
    return names.filter((name) => /This parameter is required\./.test(documented.get(name.toLowerCase()) ?? ''));
  }

  private model(suffix: 'Request' | 'ResponseBody'): Model | undefined {
    return this.api.model(`${this.action}${suffix}`);
  }

  /** The comments of one class, by its properties in small letters. */
  private declarations(name: string): ReadonlyMap<string, string> {
    const text = this.api.declarations(`${this.action}Request`);
    const named = (part: string): boolean => part.toLowerCase().startsWith(`${name.toLowerCase()} `);
    const body = text.split('export declare class ').find(named) ?? '';
    const found = new Map<string, string>();
    for (const [, comment = '', property = ''] of body.matchAll(
      /(?:\/\*\*((?:(?!\*\/)[^])*)\*\/\s*)?\n\s+(\w+)\?: /g,
    )) {
      found.set(
        property.toLowerCase(),
        comment
          .replace(/\s*\n\s*\*\s?/g, ' ')
          .replace(/\s+/g, ' ')
          .trim(),
      );
    }
    return found;
  }
}

/**
 * Holds the calls that a cloud tells of to the contract: hand `onCall` to it, read `problems` at
 * the end.
 */
export class ContractWatch {
  /** `VERSION ACTION` of every call. */
  readonly seen = new Set<string>();
  private readonly found = new Set<string>();

  /** One line each. */
  get problems(): readonly string[] {
    return [...this.found].sort();
  }

  readonly onCall = (call: {
    readonly action: string;
    readonly parameters: Readonly<Record<string, string>>;
    /** Undefined: not yet answered. */
    readonly answer: object | undefined;
  }): void => {
    const version = call.parameters.Version ?? '';
    // Where a service is, is asked of one that no package describes.
    if (version === '2015-06-12') return;
    this.seen.add(`${version} ${call.action}`);
    const contract = Contract.of(version, call.action);
    const problems =
      contract === undefined
        ? [`${call.action} is no action of ${version}`]
        : call.answer === undefined
          ? contract.requestProblems(call.parameters)
          : contract.answerProblems(call.answer);
    for (const problem of problems) this.found.add(problem);
  };
}

function isModel(type: Type): type is Model {
  return typeof type === 'function' || typeof (type as Model).names === 'function';
}

/** The type behind a name on the wire. */
function fieldOf(model: Model, wireName: string): Type | undefined {
  const property = Object.entries(model.names()).find(([, name]) => name === wireName)?.[0];
  return property === undefined ? undefined : model.types()[property];
}

/** `Tag.1.Key`: a name, a place in a list from 1 on, a name. */
function parameterProblem(model: Model, [name = '', ...rest]: readonly string[], value: string): string | undefined {
  const type = fieldOf(model, name);
  return type === undefined ? 'is unknown' : typeProblem(type, rest, value);
}

function typeProblem(type: Type, rest: readonly string[], value: string): string | undefined {
  if (isModel(type)) return rest.length === 0 ? 'is a group of parameters' : parameterProblem(type, rest, value);
  if (typeof type === 'object' && type.type === 'array') {
    const [place, ...further] = rest;
    // Lists of plain values may also come as one JSON text; the provider's older client does so.
    if (place === undefined) return isJsonList(value) ? undefined : 'is a list';
    return /^[1-9]\d*$/.test(place) ? typeProblem(type.itemType, further, value) : 'has no place in its list';
  }
  if (typeof type === 'object' || type === 'map' || type === 'any') return undefined;
  if (rest.length > 0) return `is no group: it is a ${type}`;
  if (type === 'number' && !/^-?\d+(\.\d+)?$/.test(value)) return `is no number: ${value}`;
  if (type === 'boolean' && !/^(true|false)$/.test(value)) return `is neither true nor false: ${value}`;
  return undefined;
}

function isJsonList(value: string): boolean {
  try {
    return Array.isArray(JSON.parse(value));
  } catch {
    return false;
  }
}

function valueProblems(type: Type, value: unknown, at: string): string[] {
  if (isModel(type)) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is no object`];
    return Object.entries(value).flatMap(([name, one]) => {
      const field = fieldOf(type, name);
      return field === undefined ? [`${at}.${name} is unknown`] : valueProblems(field, one, `${at}.${name}`);
    });
  }
  if (typeof type === 'object' && type.type === 'array') {
    if (!Array.isArray(value)) return [`${at} is no list`];
    return [...new Set(value.flatMap((one) => valueProblems(type.itemType, one, `${at}[]`)))];
  }
  if (typeof type === 'object' || type === 'any' || type === 'map') return [];
  return typeof value === type ? [] : [`${at} is ${value === null ? 'null' : `a ${typeof value}`}, not a ${type}`];
}
