/**
 * The job's variables as docker reads them from a file: no quoting, one line each, so a value with a newline can't be passed that way. The
 * job's own script sets all of its variables itself; services and entry points miss those.
 */
export function environmentFile(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .filter(([name, value]) => /^[A-Za-z_]\w*$/.test(name) && !/[\r\n\0]/.test(value))
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
