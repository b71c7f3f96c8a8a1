/** Variables by name, as the runner hands them to the hooks: expanded. */
export type JobVariables = Readonly<Record<string, string>>;

/**
 * `$NAME` and `${NAME}` as gitlab-runner fills them in (Go's os.Expand): `$$` is a dollar, an unknown name nothing, a dollar before anything
 * else itself.
 */
export function expandVariables(text: string, variables: JobVariables): string {
  return text.replaceAll(/\$(?:\{([^}]*)\}|([A-Za-z_]\w*)|([$*#@!?0-9-]))/g, (_all, braced, plain, special) => {
    const name = (braced ?? plain ?? special) as string;
    return name === '$' ? '$' : Object.hasOwn(variables, name) ? (variables[name] ?? '') : '';
  });
}
