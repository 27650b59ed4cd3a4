/**
 * A module beside another one that is started by its address, not imported: `.ts` in a checkout, `.js` in the package.
 */

/** `siblingModule('./_worker', import.meta.url)` */
export function siblingModule(path: string, from: string): URL {
  return new URL(`${path}${from.endsWith('.ts') ? '.ts' : '.js'}`, from)
}
