/**
 * The key of Weights & Biases: `WANDB_API_KEY`, or the password that ~/.netrc has for the host, where `wandb login` puts it.
 */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** null: there is none. */
export function wandbKey(host: string): string | null {
  return process.env['WANDB_API_KEY'] || passwordOf(host, netrcText())
}

/** https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html */
export function passwordOf(host: string, netrc: string): string | null {
  const words = netrc.split(/\s+/)
  const at = words.findIndex((word, i) => word === 'machine' && words[i + 1] === host)
  if (at < 0) return null
  const end = words.indexOf('machine', at + 1)
  const entry = words.slice(at + 2, end < 0 ? undefined : end)
  const password = entry.indexOf('password')
  return password < 0 ? null : (entry[password + 1] ?? null)
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function netrcText(): string {
  const path = process.env['NETRC'] || join(homedir(), process.platform === 'win32' ? '_netrc' : '.netrc')
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
