/**
 * The address of a tracker's server, as an environment variable or a key of the file has it.
 */
import { TrituneError } from '../../../core/mod.ts'

/** Without a slash at its end. E_CONFIG for what is no address of the web. */
export function expectAddress(name: string, address: string): string {
  let url: URL
  try {
    url = new URL(address)
  } catch {
    throw unfit(name)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw unfit(name)
  return address.replace(/\/+$/, '')
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The value is not shown: it may have a password in it. */
function unfit(name: string): TrituneError {
  return new TrituneError('E_CONFIG', `${name} is no address that begins with http:// or https://`, {
    remedy: 'name a server; what is written into a folder has metrics.jsonl already',
  })
}
