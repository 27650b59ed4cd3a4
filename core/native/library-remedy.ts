/**
 * What to do about a native library that cannot be used: in a checkout to restore or rebuild it, else to install its package.
 */
import { basename } from 'node:path'
import { isCheckout } from '../invocation.ts'
import { installCommand } from '../install-command.ts'
import { type LibraryDevice, platformPackage } from './platform-packages.ts'

/** `other`: it is of another version than this tritune. */
export function libraryRemedy(path: string, state: 'missing' | 'damaged' | 'other'): string {
  const device = deviceOf(path)
  if (!isCheckout())
    return `${state === 'missing' ? '' : 'again, '}${installCommand(platformPackage(device))}`
  const commit = state === 'other' ? 'the same commit' : 'the repository'
  if (device === 'cuda-emulated')
    return `restore native/emulator/prebuilt from ${commit}, or run \`bun run emulator\` (needs g++)`
  const rebuild = device === 'cuda' ? '`bun run native:cuda` (needs nvcc)' : '`bun run native` (needs g++)'
  return `restore native/prebuilt from ${commit}, or build it with ${rebuild}`
}

function deviceOf(path: string): LibraryDevice {
  const name = basename(path)
  if (name.includes('emulated')) return 'cuda-emulated'
  return name.includes('cuda') ? 'cuda' : 'cpu'
}
