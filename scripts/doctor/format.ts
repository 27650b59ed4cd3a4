/**
 * A diagnosis for people: one screen.
 */
import { invocation } from '../../core/invocation.ts'
import type { DeviceList } from '../../core/native/library.ts'
import { ROOT } from '../_setup.ts'
import type { Diagnosis } from './diagnose.ts'
import type { LibraryState } from './libraries.ts'

export function formatDiagnosis(d: Diagnosis): string[] {
  const { cpu, gpu, hub, disk, shared } = d
  const how =
    cpu.isa === null ? 'no native library' : `${cpu.isa} (of ${cpu.isas.join(', ')}), ${cpu.threads} threads`
  return [
    row(
      'tritune',
      `${d.tritune} on ${d.runtime}, ${d.platform}${d.packagesInstalled ? '' : ', packages not installed'}`,
    ),
    row('cpu', `${cpu.model}, ${cpu.cores} cores: ${how}`),
    ...(d.unproven === null ? [] : [row('', d.unproven)]),
    row('memory', `${gibibytes(cpu.freeMemory)} free of ${gibibytes(cpu.memory)}`),
    ...(hasGpuLibraries(d)
      ? gpuRows(gpu)
      : [row('gpu', `none: no library for GPUs is made for ${d.platform}`)]),
    ...(hasGpuLibraries(d)
      ? [row('driver', gpu === null ? 'not asked: no CUDA library' : cudaVersions(gpu))]
      : []),
    ...d.libraries.map((library) =>
      row(library === d.libraries[0] ? 'libraries' : '', describeLibrary(library)),
    ),
    ...(hasGpuLibraries(d)
      ? [
          row('cuBLASLt', shared.cublaslt ?? 'not found (not needed)'),
          row('NCCL', shared.nccl ?? 'not found (not needed)'),
          row('gemm', d.gemm ?? 'no GPU is used'),
        ]
      : []),
    row(
      'hub',
      `${hub.endpoint}${hub.offline ? ' (offline)' : ''}, ${hub.hasToken ? 'with a token' : 'no token'}, cache ${hub.cache}${hub.exists ? '' : ' (not there yet)'}`,
    ),
    row('cache', d.cache),
    row('disk', `${gibibytes(disk.here)} free here, ${gibibytes(disk.cache)} in the cache of the hub`),
    '',
    ...d.problems.map(({ what }, i) => row(i === 0 ? 'missing' : '', what)),
    row(d.works ? 'ready' : 'not ready', verdict(d)),
  ]
}

const HOSTS = {
  cpu: 'on the CPU',
  wasm: 'on WebAssembly',
  reference: 'on the TypeScript reference, slowly',
} as const

function verdict({ works, problems, gpu, host }: Diagnosis): string {
  const where = gpu && gpu.problem === null ? 'on the GPU' : HOSTS[host ?? 'cpu']
  if (problems.length === 0) return `models are fine-tuned ${where}: ${invocation('quickstart')}`
  return `${works ? `models are fine-tuned ${where}; ` : ''}to mend it: ${problems[0].command}`
}

/** Where they are made, or somebody has named one. */
function hasGpuLibraries({ libraries, gpu }: Diagnosis): boolean {
  return gpu !== null || libraries.some(({ name }) => name !== 'cpu')
}

function gpuRows(gpu: DeviceList | null): string[] {
  if (gpu === null) return [row('gpu', 'none')]
  if (gpu.problem !== null) return [row('gpu', `none: ${gpu.problem}`)]
  return gpu.devices.map(({ name, capability, memory, free }, i) =>
    row(
      i === 0 ? 'gpu' : '',
      `cuda:${i} ${name}, compute capability ${(capability / 10).toFixed(1)}, ${free > 0 ? `${gibibytes(free)} free of ` : ''}${gibibytes(memory)}${capability < 80 ? ', too old: 8.0 is needed' : ''}`,
    ),
  )
}

function cudaVersions({ driver, runtime }: DeviceList): string {
  return driver === 0
    ? `none; the library was made with CUDA ${version(runtime)}`
    : `CUDA ${version(driver)}; the library was made with ${version(runtime)}`
}

function version(cuda: number): string {
  return `${Math.floor(cuda / 1000)}.${Math.floor((cuda % 1000) / 10)}`
}

function describeLibrary({ name, path, state, problem }: LibraryState): string {
  const shown = path.startsWith(ROOT) ? path.slice(ROOT.length) : path
  return `${name.padEnd(13)} ${stateText(state, problem)}, ${shown}`
}

function stateText(state: LibraryState['state'], problem: string | null): string {
  const texts = {
    usable: 'ok',
    missing: 'not there',
    damaged: `DAMAGED (${problem})`,
    unopened: 'there, not opened',
  } as const
  return texts[state]
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(bytes < 10 * 2 ** 30 ? 1 : 0)} GiB`
}

function row(name: string, text: string): string {
  return `${name.padEnd(10)} ${text}`
}
