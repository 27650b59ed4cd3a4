/**
 * What the facts of a machine mean for tritune, and what is missing. Looks at nothing itself.
 */
import { installCommand } from '../../core/install-command.ts'
import type { DeviceList } from '../../core/native/library.ts'
import { libraryRemedy, libraryVariable, type RemedyFacts } from '../../core/native/library-remedy.ts'
import { platformPackage } from '../../core/native/platform-packages.ts'
import {
  CPU_PLATFORMS,
  GPU_PLATFORMS,
  libraryFileName,
  platformFacts,
  platformLabel,
} from '../../core/native/platforms.ts'
import type { MachineFacts } from './facts.ts'
import type { LibraryState, ProbedLibrary } from './libraries.ts'

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
  /** What computes where there is no GPU: `cpu` is the native library. */
  readonly host: 'cpu' | 'wasm' | 'reference' | null
  /** What is not known of the CPU library on this kind of machine; null: it has run on such ones, or there is none. */
  readonly unproven: string | null
  /** Those that are there, or should be. */
  readonly libraries: readonly LibraryState[]
  /** What the CUDA library says; null where there is none. */
  readonly gpu: DeviceList | null
  readonly gemm: string | null
  readonly shared: MachineFacts['shared']
  readonly hub: MachineFacts['hub']
  readonly cache: string
  readonly disk: MachineFacts['disk']
  readonly problems: readonly Problem[]
}

/** What is missing; the first one's command is the one to run. */
export interface Problem {
  readonly what: string
  readonly command: string
  /** Nothing can be trained before it is mended. */
  readonly stops: boolean
}

export function diagnose(facts: MachineFacts): Diagnosis {
  const { tritune, runtime, platform, packagesInstalled, cpu, memory, shared, hub, cache, disk } = facts
  const byName = new Map(facts.libraries.map((library) => [library.name, library]))
  const info = byName.get('cpu')?.found?.info
  const gpuLibrary = [byName.get('cuda'), byName.get('cuda12')].filter((library) => library?.found)
  const best = gpuLibrary.find((library) => library?.found?.devices.problem === null) ?? gpuLibrary[0]
  const gpu = best?.found?.devices ?? null
  const problems = [...cpuProblems(facts, byName.get('cpu')), ...otherProblems(facts, gpu)]
  const isas = info?.['isas']
  return {
    works: !problems.some(({ stops }) => stops),
    tritune,
    runtime,
    platform,
    packagesInstalled,
    cpu: {
      ...cpu,
      isa: typeof info?.['isa'] === 'string' ? info['isa'] : null,
      isas: Array.isArray(isas) ? isas.map(String) : [],
      threads: typeof info?.['threads'] === 'number' ? info['threads'] : null,
      memory: memory.total,
      freeMemory: memory.free,
    },
    host: hostOf(facts, info !== undefined),
    unproven: unproven(platform, byName.get('cpu')),
    libraries: facts.libraries.filter(({ name, state }) => state !== 'missing' || isMade(name, facts)),
    gpu,
    gemm: describeGemm(best?.found?.options ?? null),
    shared,
    hub,
    cache,
    disk,
    problems: problems.toSorted((a, b) => Number(b.stops) - Number(a.stops)),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function hostOf(facts: MachineFacts, hasCpu: boolean): Diagnosis['host'] {
  if (hasCpu) return 'cpu'
  const canDoWithout = facts.noCpuLibrary !== null || facts.foreignFunctions !== null
  if (canDoWithout && facts.hasWasm) return 'wasm'
  return facts.noCpuLibrary === null ? null : 'reference'
}

function isMade(name: ProbedLibrary, { platform, noCpuLibrary }: MachineFacts): boolean {
  return name === 'cpu' ? noCpuLibrary === null : GPU_PLATFORMS.includes(platform)
}

function unproven(platform: string, library: LibraryState | undefined): string | null {
  const known = platformFacts(platform)?.unproven ?? null
  if (known === null || !library?.found) return null
  const checked = library.found.hasPassedSelfCheck
    ? 'a small training step on this machine gave the right numbers'
    : 'its first use checks a small training step'
  return `unproven: this library has not run on a real machine of this kind (${known}); ${checked}`
}

function cpuProblems(facts: MachineFacts, library: LibraryState | undefined): Problem[] {
  const { platform, noCpuLibrary, hasWasm, cpu } = facts
  const problems: Problem[] = []
  if (facts.foreignFunctions !== null)
    problems.push({
      ...facts.foreignFunctions,
      what: `${facts.foreignFunctions.what}${hasWasm ? ': everything runs on WebAssembly, at a fraction of the speed' : ''}`,
      stops: !hasWasm,
    })
  if (library?.state === 'damaged')
    problems.push({
      what: `libtritune_cpu cannot be used: ${library.problem}`,
      command: mend(library, facts),
      stops: true,
    })
  else if (noCpuLibrary !== null && library?.state !== 'usable')
    problems.push({
      what: `${noCpuLibrary}: everything runs on ${hasWasm ? 'WebAssembly, at a fraction of the speed' : 'the slow reference'}`,
      command: `use a machine with ${CPU_PLATFORMS.map(platformLabel).join(', ')}`,
      stops: false,
    })
  else if (library?.state === 'missing')
    problems.push({ what: 'libtritune_cpu is not there', command: mend(library, facts), stops: true })
  if (platform.endsWith('-x64') && /^Apple |^Snapdragon|^Ampere|Neoverse/i.test(cpu.model))
    problems.push({
      what: `${facts.runtime} is made for x86-64 and emulated on this ${cpu.model}, which takes several times as long`,
      command: `install the ARM64 build of ${facts.runtime.split(' ')[0]}`,
      stops: false,
    })
  return problems
}

function otherProblems(facts: MachineFacts, gpu: DeviceList | null): Problem[] {
  const problems: Problem[] = facts.libraries
    .filter(({ name, state }) => name !== 'cpu' && state === 'damaged')
    .map((library) => ({
      what: `libtritune_${library.name} cannot be opened: ${library.problem}`,
      command: mend(library, facts),
      stops: false,
    }))
  if (!facts.packagesInstalled)
    problems.push({
      what: 'packages are not installed (any command does it)',
      command: 'bun install',
      stops: false,
    })
  if (gpu === null && GPU_PLATFORMS.includes(facts.platform) && facts.cudaDriver !== null)
    problems.push({
      what: 'there is an NVIDIA driver, but the libraries for GPUs are not installed',
      command: facts.isCheckout
        ? 'git checkout -- native/prebuilt'
        : installCommand(platformPackage('cuda', facts.platform), facts),
      stops: false,
    })
  if (gpu?.problem && (gpu.driver > 0 || facts.hasNvidiaCard))
    problems.push({
      what: `there is an NVIDIA GPU, but ${gpu.problem}`,
      command: gpu.remedy ?? 'nvidia-smi',
      stops: false,
    })
  return problems
}

/** A library that an environment variable names is not the repository's to restore; what the system refuses, and wrong numbers, have a remedy of their own. */
function mend({ name, remedy, state }: LibraryState, facts: RemedyFacts): string {
  const variable = libraryVariable(name === 'cuda12' ? 'cuda' : name)
  if (name !== 'cuda12' && facts.env[variable]) return `unset ${variable}`
  if (remedy !== null && /^(xattr|use device) ?/.test(remedy)) return remedy
  if (facts.isCheckout && facts.platform === 'linux-x64')
    return name === 'cuda-emulated' ? 'git checkout -- native/emulator' : 'git checkout -- native/prebuilt'
  const file = libraryFileName(`tritune_${name.replace('-', '_')}`, facts.platform)
  return libraryRemedy(file, state === 'missing' || !facts.isCheckout ? 'missing' : 'damaged', facts)
}

function describeGemm(options: Readonly<Record<string, unknown>> | null): string | null {
  if (!options) return null
  const { gemm, gemm_auto: auto } = options
  return typeof auto === 'string' && gemm === 'auto' ? auto : String(gemm)
}
