/**
 * What `doctor` looks at: this machine, as plain values. What they mean is said by `diagnose()`, so that it can be asked about machines that are
 * not here.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { freeSpace } from '../../core/files/free-space.ts'
import { cacheFolder } from '../../core/files/cache-folder.ts'
import { isCheckout } from '../../core/invocation.ts'
import { availableMemory } from '../../core/native/available-memory.ts'
import { cudaDriverVersion } from '../../core/native/cuda-driver.ts'
import { noCpuLibrary, PLATFORM } from '../../core/native/platforms.ts'
import { hubSettings } from '../../plugins/hub/settings.ts'
import { isInstalled, ROOT } from '../_setup.ts'
import {
  examineLibrary,
  findShared,
  foreignFunctionsProblem,
  type LibraryState,
  PROBED,
} from './libraries.ts'

export interface MachineFacts {
  readonly tritune: string
  readonly runtime: string
  /** `process.versions` and the environment, for the commands in remedies. */
  readonly versions: Readonly<Record<string, string | undefined>>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isCheckout: boolean
  readonly platform: string
  readonly packagesInstalled: boolean
  readonly cpu: { readonly model: string; readonly cores: number }
  readonly memory: { readonly total: number; readonly free: number }
  readonly libraries: readonly LibraryState[]
  /** Why this machine has no native library for its CPU; null: one is made for it. */
  readonly noCpuLibrary: string | null
  /** Why this runtime cannot call native code, and what mends it; null: it can. */
  readonly foreignFunctions: { readonly what: string; readonly command: string } | null
  /** The WebAssembly module is there. */
  readonly hasWasm: boolean
  /** Of CUDA, 13000 = 13.0; null: there is none. */
  readonly cudaDriver: number | null
  readonly hasNvidiaCard: boolean
  readonly shared: { readonly cublaslt: string | null; readonly nccl: string | null }
  readonly hub: {
    readonly cache: string
    readonly exists: boolean
    readonly hasToken: boolean
    readonly endpoint: string
    readonly offline: boolean
  }
  /** Of tritune itself. */
  readonly cache: string
  readonly disk: { readonly here: number; readonly cache: number }
}

export function machineFacts(): MachineFacts {
  const { cacheDir, token, endpoint, offline } = hubSettings({}, process.env)
  return {
    tritune: versionOf(),
    runtime: runtimeName(),
    versions: process.versions,
    env: process.env,
    isCheckout: isCheckout(),
    platform: PLATFORM,
    packagesInstalled: isInstalled(),
    cpu: {
      model: cpus()[0]?.model.replace(/\s+/g, ' ').trim() ?? 'unknown',
      cores: availableParallelism(),
    },
    memory: { total: totalmem(), free: availableMemory() },
    libraries: PROBED.map(examineLibrary),
    noCpuLibrary: noCpuLibrary(),
    foreignFunctions: foreignFunctionsProblem(),
    hasWasm: existsSync(join(ROOT, 'native/prebuilt/wasm/tritune_cpu.wasm')),
    cudaDriver: cudaDriverVersion(),
    hasNvidiaCard: hasNvidiaCard(),
    shared: { cublaslt: findShared('libcublasLt'), nccl: findShared('libnccl') },
    hub: { cache: cacheDir, exists: existsSync(cacheDir), hasToken: token !== undefined, endpoint, offline },
    cache: cacheFolder(),
    disk: { here: freeSpace(process.cwd()) ?? 0, cache: freeSpace(cacheDir) ?? 0 },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function versionOf(): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  return version
}

function runtimeName(): string {
  const { bun, deno } = process.versions
  return bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${process.versions.node}`
}

const PCI = '/sys/bus/pci/devices'

/** Also without a driver: a display or 3D controller of vendor 10de on the PCI bus. */
function hasNvidiaCard(): boolean {
  const read = (device: string, file: string): string => {
    const path = join(PCI, device, file)
    return existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
  }
  const devices = existsSync(PCI) ? readdirSync(PCI) : []
  return devices.some(
    (device) => read(device, 'vendor') === '0x10de' && read(device, 'class').startsWith('0x03'),
  )
}
