/** `spec:inputs` of a file, and `$[[ inputs.name ]]` in the rest of it. */
import { InvalidPipeline } from './problem';
import { isMapping, Reference, type Mapping } from './values';
import type { YamlFile } from './yaml';

const PLACE = /\$\[\[\s*inputs\.([\w-]+)\s*((?:\|[^\]]*)?)\]\]/g;

/**
 * The file with its inputs in place: as given, else by their defaults. @throws InvalidPipeline with
 * each that has no value
 */
export function withInputs({ config, spec }: YamlFile, given: Mapping, file: string): Mapping {
  const declared = isMapping(spec?.['inputs']) ? spec['inputs'] : {};
  const problems = new Set<string>();
  const valueOf = (name: string): unknown => {
    const declaration = declared[name];
    if (name in given) return given[name];
    if (isMapping(declaration) && 'default' in declaration) return declaration['default'];
    problems.add(
      name in declared
        ? `${file}: spec: inputs: ${name}: has no default, and the sandbox gives no inputs`
        : `${file}: $[[ inputs.${name} ]] is no input of its \`spec:\``,
    );
    return '';
  };
  const fill = (value: unknown): unknown => {
    if (typeof value === 'string') return fillText(value);
    if (Array.isArray(value)) return value.map(fill);
    if (!isMapping(value))
      return value instanceof Reference ? new Reference(value.path.map((one) => String(fill(one)))) : value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [String(fillText(key)), fill(inner)]));
  };
  const fillText = (text: string): unknown => {
    const [whole] = [...text.matchAll(PLACE)];
    if (whole?.[0] === text && whole[2] === '') return valueOf(whole[1] ?? '');
    return text.replace(PLACE, (_all, name: string, functions: string) => textOf(valueOf(name), functions));
  };
  /**
   * Of the functions, `truncate` changes the text; `expand_vars` leaves it to the variables' own
   * expansion.
   */
  const textOf = (value: unknown, functions: string): string => {
    const text = Array.isArray(value) || isMapping(value) ? JSON.stringify(value) : String(value);
    const [, from, length] = /truncate\(\s*(\d+)\s*,\s*(\d+)\s*\)/.exec(functions) ?? [];
    return from === undefined ? text : text.slice(Number(from), Number(from) + Number(length));
  };
  if (!spec && !JSON.stringify(config).includes('$[[')) return config;
  const filled = fill(config) as Mapping;
  if (problems.size > 0) throw new InvalidPipeline([...problems]);
  return filled;
}
