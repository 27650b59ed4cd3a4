/**
 * Where Deno is. The npm package `deno` puts its binary into an optional package of the platform; its own postinstall,
 * which installers may block, is not needed.
 */
import { existsSync } from 'node:fs'
import { ROOT } from './_setup.ts'

const VERSION = '2.9.6'

/** The command that starts Deno: the binary in node_modules, or npx where the installer left it out. */
export function denoCommand(): string[] {
  const libc = process.platform === 'linux' ? '-glibc' : ''
  const file = process.platform === 'win32' ? 'deno.exe' : 'deno'
  const binary = `${ROOT}node_modules/@deno/${process.platform}-${process.arch}${libc}/${file}`
  return existsSync(binary) ? [binary] : ['npx', '--yes', `deno@${VERSION}`]
}
