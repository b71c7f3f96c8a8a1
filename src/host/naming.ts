/**
 * What writes to a file that is open already (a full disk, most of all) fails without its name:
 * adds it, for whoever reads the message.
 */
export function naming<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    throw code !== undefined && path === undefined ? Object.assign(error as Error, { path: file }) : error;
  }
}
