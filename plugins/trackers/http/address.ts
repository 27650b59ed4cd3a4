/**
 * The address of a tracker's server, as an environment variable or an option has it.
 */
import { ConfigError } from '../../../core/mod.ts'

/** Without a slash at its end. A ConfigError for what is no address of the web; the value is not shown: it may have a password in it. */
export function expectAddress(name: string, address: string): string {
  const protocol = URL.canParse(address) ? new URL(address).protocol : ''
  if (protocol === 'http:' || protocol === 'https:') return address.replace(/\/+$/, '')
  throw new ConfigError([
    {
      path: /^[A-Z_]+$/.test(name) ? [] : [name],
      what: `${name} is no address that begins with http:// or https://`,
      remedy: 'name a server; a folder has metrics.jsonl already',
    },
  ])
}
