/**
 * What `bun run doctor` looks at, and what it finds missing.
 */
import { existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { availableParallelism, cpus, freemem, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { type DeviceList, PLATFORM } from '../../core/native/library.ts'
import { libraryRemedy } from '../../core/native/library-remedy.ts'
import { cudaDriverVersion } from '../../core/native/cuda-driver.ts'
import { installCommand } from '../../core/install-command.ts'
import { isCheckout } from '../../core/invocation.ts'
import { platformPackage } from '../../core/native/platform-packages.ts'
import { hubSettings } from '../../plugins/hub/settings.ts'
import { isInstalled, ROOT } from '../_setup.ts'
import {
  examineLibrary,
  findShared,
  foreignFunctionsProblem,
  type LibraryState,
  PROBED,
  type ProbedLibrary,
} from './libraries.ts'

export interface Diagnosis {
  /** Models can be fine-tuned here. */
  readonly works: boolean
  readonly tritune: string
  readonly runtime: string
  readonly platform: string
  readonly packagesInstalled: boolean
  readonly cpu: {
    readonly model: string
    readonly cores: number
    readonly isa: string | null
    readonly isas: readonly string[]
    readonly threads: number | null
    readonly memory: number
    readonly freeMemory: number
  }
  readonly libraries: readonly LibraryState[]
  /** What the CUDA library says; null where there is none. */
  readonly gpu: DeviceList | null
  readonly gemm: string | null
  readonly shared: { readonly cublaslt: string | null; readonly nccl: string | null }
  readonly hub: {
    readonly cache: string
    readonly exists: boolean
    readonly hasToken: boolean
    readonly endpoint: string
    readonly offline: boolean
  }
  readonly disk: { readonly here: number; readonly cache: number }
  readonly problems: readonly Problem[]
}

/** What is missing; the first one's command is the one to run. */
export interface Problem {
  readonly what: string
  readonly command: string
  /** Nothing can be trained before it is mended. */
  readonly stops: boolean
}

export function diagnose(): Diagnosis {
  const libraries = PROBED.map(examineLibrary)
  const byName = new Map(libraries.map((library) => [library.name, library]))
  const cpuInfo = byName.get('cpu')?.found?.info
  const gpuLibrary = [byName.get('cuda'), byName.get('cuda12')].filter((library) => library?.found)
  const best = gpuLibrary.find((library) => library?.found?.devices.problem === null) ?? gpuLibrary[0]
  const { cacheDir, token, endpoint, offline } = hubSettings({}, process.env)
  const packagesInstalled = isInstalled()
  const problems = problemsOf(byName, best?.found?.devices ?? null, packagesInstalled)
  const isas = cpuInfo?.isas
  return {
    works: !problems.some(({ stops }) => stops),
    tritune: versionOf(),
    runtime: runtimeName(),
    platform: PLATFORM,
    packagesInstalled,
    cpu: {
      model: cpus()[0]?.model.replace(/\s+/g, ' ').trim() ?? 'unknown',
      cores: availableParallelism(),
      isa: typeof cpuInfo?.isa === 'string' ? cpuInfo.isa : null,
      isas: Array.isArray(isas) ? isas.map(String) : [],
      threads: typeof cpuInfo?.threads === 'number' ? cpuInfo.threads : null,
      memory: totalmem(),
      freeMemory: freemem(),
    },
    libraries,
    gpu: best?.found?.devices ?? null,
    gemm: describeGemm(best?.found?.options ?? null),
    shared: { cublaslt: findShared('libcublasLt'), nccl: findShared('libnccl') },
    hub: { cache: cacheDir, exists: existsSync(cacheDir), hasToken: token !== undefined, endpoint, offline },
    disk: { here: freeDisk(process.cwd()), cache: freeDisk(cacheDir) },
    problems,
  }
}

function problemsOf(
  libraries: ReadonlyMap<ProbedLibrary, LibraryState>,
  gpu: DeviceList | null,
  packagesInstalled: boolean,
): Problem[] {
  const problems: Problem[] = []
  const broken = [...libraries.values()].filter(({ state }) => state === 'damaged')
  const isBundled = PLATFORM === 'linux-x64'
  const unable = foreignFunctionsProblem()
  if (unable !== null) problems.push({ ...unable, stops: true })
  for (const { name, problem } of broken)
    problems.push({
      what: `libtritune_${name} cannot be opened: ${problem}`,
      command: mend(name),
      stops: name === 'cpu',
    })
  if (isBundled && libraries.get('cpu')?.state === 'missing')
    problems.push({ what: 'libtritune_cpu is not there', command: mend('cpu'), stops: true })
  if (!packagesInstalled)
    problems.push({
      what: 'packages are not installed (any command does it)',
      command: 'bun install',
      stops: false,
    })
  if (!isBundled)
    problems.push({
      what: `no native library is made for ${PLATFORM}: everything runs on the slow reference`,
      command: 'bun run native',
      stops: false,
    })
  if (gpu === null && isBundled && cudaDriverVersion() !== null)
    problems.push({
      what: 'there is an NVIDIA driver, but the libraries for GPUs are not installed',
      command: isCheckout() ? mend('cuda') : installCommand(platformPackage('cuda')),
      stops: false,
    })
  if (gpu?.problem && (gpu.driver > 0 || hasNvidiaCard()))
    problems.push({
      what: `there is an NVIDIA GPU, but ${gpu.problem}`,
      command: gpu.remedy ?? 'nvidia-smi',
      stops: false,
    })
  return problems.toSorted((a, b) => Number(b.stops) - Number(a.stops))
}

/** A library that an environment variable names is not the repository's to restore. */
function mend(name: ProbedLibrary): string {
  const variable = `TRITUNE_${name.replace('-', '_').toUpperCase()}_LIBRARY`
  if (process.env[variable]) return `unset ${variable}`
  if (!isCheckout()) return libraryRemedy(`libtritune_${name}.so`, 'missing')
  return name === 'cuda-emulated' ? 'git checkout -- native/emulator' : 'git checkout -- native/prebuilt'
}

function describeGemm(options: Readonly<Record<string, unknown>> | null): string | null {
  if (!options) return null
  const { gemm, gemm_auto: auto } = options
  return typeof auto === 'string' && gemm === 'auto' ? auto : String(gemm)
}

function versionOf(): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  return version
}

function runtimeName(): string {
  const { bun, deno } = process.versions
  return bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${process.versions.node}`
}

/** Bytes free where `path` is or would be. */
function freeDisk(path: string): number {
  let folder = path
  while (!existsSync(folder)) folder = dirname(folder)
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
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
