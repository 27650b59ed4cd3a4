/**
 * Programs that emulated machines need and tritune does not: those of the system are looked for, Bun for the machine comes from the
 * npm registry that is configured, once, into .cache.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { ROOT } from '../_setup.ts'
import { run } from '../rehearse/run.ts'

export const QEMU = 'qemu-aarch64'
/** Where Debian has the C library for ARM64. */
export const ARM64_ROOT = '/usr/aarch64-linux-gnu'

/** What qemu is missing, for a person; null: everything is there. */
export function missingForArm64(): string | null {
  const isThere = Bun.which(QEMU) !== null && existsSync(`${ARM64_ROOT}/lib/ld-linux-aarch64.so.1`)
  return isThere
    ? null
    : 'no qemu-aarch64 with a C library for ARM64: apt install qemu-user libc6-arm64-cross'
}

/** Throws E_USAGE with what to install. */
export function expectQemu(): void {
  const missing = missingForArm64()
  if (missing === null) return
  const [what, remedy] = missing.split(': ')
  throw new TrituneError('E_USAGE', `ARM64 cannot be emulated: ${what}`, { remedy })
}

const BUNS = {
  'linux-arm64': { name: '@oven/bun-linux-aarch64', os: 'linux', cpu: 'arm64', file: 'bin/bun' },
  'win32-x64': { name: '@oven/bun-windows-x64-baseline', os: 'win32', cpu: 'x64', file: 'bin/bun.exe' },
} as const

export type EmulatedPlatform = keyof typeof BUNS

/** Where Bun for a machine is once it was got; of the version that runs this. */
export function bunPath(platform: EmulatedPlatform): string {
  const { name, file } = BUNS[platform]
  return join(ROOT, '.cache/emulate', `${platform}-${Bun.version}`, 'node_modules', name, file)
}

/** Gets it from the registry where it is not there yet. */
export async function getBun(platform: EmulatedPlatform): Promise<string> {
  const path = bunPath(platform)
  if (existsSync(path)) return path
  const { name, os, cpu } = BUNS[platform]
  const folder = join(ROOT, '.cache/emulate', `${platform}-${Bun.version}`)
  mkdirSync(folder, { recursive: true })
  const manifest = { name: 'emulated', private: true, dependencies: { [name]: Bun.version } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  await run([process.execPath, 'install', '--ignore-scripts', `--os=${os}`, `--cpu=${cpu}`], { cwd: folder })
  return path
}
