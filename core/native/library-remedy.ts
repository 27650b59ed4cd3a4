/**
 * What to do about a native library that cannot be used: in a checkout to restore or rebuild it, else to install its package.
 */
import { basename } from 'node:path'
import { isCheckout } from '../invocation.ts'
import { installCommand, type InstallFacts } from '../install-command.ts'
import { type LibraryDevice, platformPackage } from './platform-packages.ts'
import { PLATFORM } from './platforms.ts'

/** What the answer depends on beside the library; all of this process when left out. */
export interface RemedyFacts extends InstallFacts {
  readonly isCheckout: boolean
  readonly platform: string
}

/** `other`: it is of another version than this tritune, or for another system. */
export function libraryRemedy(
  path: string,
  state: 'missing' | 'damaged' | 'other',
  { isCheckout: fromSources, platform, versions, env }: RemedyFacts = factsOfProcess(),
): string {
  const device = deviceOf(path)
  const variable = libraryVariable(device)
  const named = env[variable] === path ? `unset ${variable}, or ` : ''
  if (!fromSources) {
    const again = state === 'missing' || named !== '' ? '' : 'again, '
    return `${named}${again}${installCommand(platformPackage(device, platform), { versions, env })}`
  }
  const commit = state === 'other' ? 'the same commit' : 'the repository'
  if (device === 'cuda-emulated')
    return `${named}restore native/emulator/prebuilt from ${commit}, or run \`bun run emulator\` (needs g++)`
  return `${named}restore native/prebuilt from ${commit}, or build it with ${buildCommand(device, platform)}`
}

/** The environment variable that names another library for a device. */
export function libraryVariable(device: LibraryDevice): string {
  return `TRITUNE_${device.replace('-', '_').toUpperCase()}_LIBRARY`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function buildCommand(device: LibraryDevice, platform: string): string {
  if (device === 'cuda') return '`bun run native:cuda` (needs nvcc)'
  if (platform === 'linux-x64') return '`bun run native` (needs g++)'
  return `\`bun run native --target=${platform}\` (needs zig: pip install ziglang)`
}

function deviceOf(path: string): LibraryDevice {
  const name = basename(path)
  if (name.includes('emulated')) return 'cuda-emulated'
  return name.includes('cuda') ? 'cuda' : 'cpu'
}

function factsOfProcess(): RemedyFacts {
  return { isCheckout: isCheckout(), platform: PLATFORM, versions: process.versions, env: process.env }
}
