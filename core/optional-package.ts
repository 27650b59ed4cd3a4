/**
 * Packages that few need: an installation of tritune leaves them out, who needs one adds it, and the error without it says how.
 */
import { type ErrorCode, TrituneError } from './errors.ts'
import { installCommand } from './install-command.ts'

/** Who asks for a package, and for what. */
export interface WantedPackage {
  readonly name: string
  readonly code: ErrorCode
  /** What it does: `which reads CSV`. */
  readonly what: string
  /** The file or key that asks for it. */
  readonly place?: string
}

/** What `load` imports; throws `code` where the package is not installed. */
export async function optionalPackage<T>(
  { name, code, what, place }: WantedPackage,
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    throw new TrituneError(code, `${name}, ${what}, cannot be loaded`, {
      ...(place === undefined ? {} : { place }),
      remedy: installCommand(name),
      cause,
    })
  }
}
