/**
 * The client of the hub's makers, `@huggingface/hub`, for what it does well: repositories, commits with large files, the
 * list of the cache. Imported when it is used, so that nothing else waits for it. Downloads are not its business here:
 * README.md says why.
 */
import { optionalPackage } from '../../core/optional-package.ts'

export type HubLibrary = typeof import('@huggingface/hub')

/** @throws E_HUB when the package is not installed */
export async function hubLibrary(): Promise<HubLibrary> {
  const wanted = { name: '@huggingface/hub', code: 'E_HUB', what: 'which uploads' } as const
  return await optionalPackage(wanted, () => import('@huggingface/hub'))
}
