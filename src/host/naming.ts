/**
 * A failed write to an open file (disk full, mostly) does not say which file it was: adds its name
 * to the error.
 */
export function naming<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    throw code !== undefined && path === undefined ? Object.assign(error as Error, { path: file }) : error;
  }
}
