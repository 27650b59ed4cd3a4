/**
 * The client of the hub's makers, `@huggingface/hub`, for what it does well: repositories, commits with large files, the
 * list of the cache. Imported when it is used, so that nothing else waits for it. Downloads are not its business here:
 * README.md says why.
 */
import { installCommand } from '../../core/install-command.ts'
import { TrituneError } from '../../core/errors.ts'

export type HubLibrary = typeof import('@huggingface/hub')

/** @throws E_HUB when the package is not installed */
export async function hubLibrary(): Promise<HubLibrary> {
  try {
    return await import('@huggingface/hub')
  } catch (cause) {
    throw new TrituneError('E_HUB', '@huggingface/hub, which uploads, cannot be loaded', {
      remedy: installCommand('@huggingface/hub'),
      cause,
    })
  }
}
