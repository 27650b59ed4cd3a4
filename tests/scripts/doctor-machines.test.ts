/**
 * What `doctor` says of machines that are not here: Macs, Windows desks, ARM servers, and systems without a library.
 */
import { describe, expect, test } from 'bun:test'
import { diagnose, type Diagnosis } from '../../scripts/doctor/diagnose.ts'
import type { MachineFacts } from '../../scripts/doctor/facts.ts'
import { formatDiagnosis } from '../../scripts/doctor/format.ts'
import type { LibraryState, ProbedLibrary } from '../../scripts/doctor/libraries.ts'

const NO_GPU = { driver: 0, runtime: 13000, problem: 'there is no NVIDIA driver', remedy: null, devices: [] }

function usable(path: string, isas: readonly string[], hasPassedSelfCheck = true): LibraryState {
  const info = { isa: isas.at(-1), isas, threads: 8 }
  const found = { info, devices: { ...NO_GPU, problem: null }, options: {}, hasPassedSelfCheck }
  return { name: 'cpu', path, state: 'usable', problem: null, remedy: null, found }
}

function missing(name: ProbedLibrary): LibraryState {
  return { name, path: `/lib/${name}`, state: 'missing', problem: null, remedy: null, found: null }
}

function damaged(name: ProbedLibrary, problem: string, remedy: string | null): LibraryState {
  return { name, path: `/lib/${name}`, state: 'damaged', problem, remedy, found: null }
}

const NO_GPU_LIBRARIES = [missing('cuda'), missing('cuda12'), missing('cuda-emulated')]

const M1: MachineFacts = {
  tritune: '1.0.0',
  runtime: 'Bun 1.4.5',
  versions: { bun: '1.4.5' },
  env: {},
  isCheckout: false,
  platform: 'darwin-arm64',
  packagesInstalled: true,
  cpu: { model: 'Apple M1', cores: 8 },
  memory: { total: 16 * 2 ** 30, free: 5 * 2 ** 30 },
  libraries: [usable('/Volumes/me/libtritune_cpu.dylib', ['neon']), ...NO_GPU_LIBRARIES],
  noCpuLibrary: null,
  foreignFunctions: null,
  hasWasm: true,
  cudaDriver: null,
  hasNvidiaCard: false,
  shared: { cublaslt: null, nccl: null },
  hub: {
    cache: '/Volumes/me/.cache/huggingface/hub',
    exists: true,
    hasToken: true,
    endpoint: 'https://huggingface.co',
    offline: false,
  },
  cache: '/Volumes/me/Library/Caches/tritune',
  disk: { here: 100 * 2 ** 30, cache: 100 * 2 ** 30 },
}

const DESK: MachineFacts = {
  ...M1,
  platform: 'win32-x64',
  runtime: 'Node 24.0.0',
  versions: { node: '24.0.0' },
  cpu: { model: 'Intel(R) Core(TM) i7-12700', cores: 20 },
  libraries: [usable(String.raw`C:\me\tritune_cpu.dll`, ['avx2'], false), ...NO_GPU_LIBRARIES],
  cache: String.raw`C:\Users\me\AppData\Local\tritune\Cache`,
}

const SERVER: MachineFacts = {
  ...M1,
  platform: 'linux-arm64',
  cpu: { model: 'Neoverse-N1', cores: 64 },
  libraries: [usable('/srv/libtritune_cpu.so', ['neon', 'dotprod']), ...NO_GPU_LIBRARIES],
}

/** Without what the time of the day or the machine of the tests could change. */
function text(facts: MachineFacts): string[] {
  return formatDiagnosis(diagnose(facts)).map((line) =>
    line.replace(/(bunx|npx|bun run) tritune|bun run /, 'RUN '),
  )
}

describe('doctor on', () => {
  test('a Mac', () => {
    expect(text(M1)).toEqual([
      'tritune    1.0.0 on Bun 1.4.5, darwin-arm64',
      'cpu        Apple M1, 8 cores: neon (of neon), 8 threads',
      '           unproven: this library has not run on a real machine of this kind (it has been checked as a file only); a small training step on this machine gave the right numbers',
      'memory     5.0 GiB free of 16 GiB',
      'gpu        none: no library for GPUs is made for darwin-arm64',
      'libraries  cpu           ok, /Volumes/me/libtritune_cpu.dylib',
      'hub        https://huggingface.co, with a token, cache /Volumes/me/.cache/huggingface/hub',
      'cache      /Volumes/me/Library/Caches/tritune',
      'disk       100 GiB free here, 100 GiB in the cache of the hub',
      '',
      'ready      models are fine-tuned on the CPU: RUN quickstart',
    ])
  })

  test('a Mac with a runtime for Intel', () => {
    const facts = { ...M1, platform: 'darwin-x64', libraries: [usable('/x.dylib', ['avx2'])] }
    expect(diagnose(facts)).toMatchObject({
      works: true,
      problems: [
        {
          what: 'Bun 1.4.5 is made for x86-64 and emulated on this Apple M1, which takes several times as long',
          command: 'install the ARM64 build of Bun',
          stops: false,
        },
      ],
    })
  })

  test('a Mac that does not let the library be opened', () => {
    const remedy = 'xattr -d com.apple.quarantine /lib/cpu'
    const library = damaged('cpu', 'macOS does not let the library be opened: quarantined', remedy)
    const facts = { ...M1, libraries: [library] }
    expect(diagnose(facts)).toMatchObject({ works: false, host: null, unproven: null })
    expect(text(facts).slice(-2)).toEqual([
      'missing    libtritune_cpu cannot be used: macOS does not let the library be opened: quarantined',
      `not ready  to mend it: ${remedy}`,
    ])
  })

  test('a Mac that computes wrong numbers', () => {
    const library = damaged(
      'cpu',
      'cpu computes wrong numbers: the loss is off',
      'use device: wasm, and report it',
    )
    const { works, problems } = diagnose({ ...M1, libraries: [library] })
    expect([works, problems]).toEqual([
      false,
      [
        {
          what: expect.stringContaining('wrong numbers'),
          command: 'use device: wasm, and report it',
          stops: true,
        },
      ],
    ])
  })

  test('a Windows desk', () => {
    const lines = text(DESK)
    expect(lines[2]).toBe(
      '           unproven: this library has not run on a real machine of this kind (it has run under Wine only); its first use checks a small training step',
    )
    expect(lines).toContain(String.raw`cache      C:\Users\me\AppData\Local\tritune\Cache`)
    expect(lines.at(-1)).toStartWith('ready ')
  })

  test('a Windows desk without the package of its platform, installed and in a checkout', () => {
    const facts: MachineFacts = { ...DESK, libraries: [missing('cpu'), ...NO_GPU_LIBRARIES] }
    const commands = (more: Partial<MachineFacts>): (string | undefined)[] => {
      const { works, problems } = diagnose({ ...facts, ...more })
      return [String(works), problems[0]?.what, problems[0]?.command]
    }
    expect(commands({})).toEqual(['false', 'libtritune_cpu is not there', 'npm install @tritune/win32-x64'])
    expect(commands({ isCheckout: true })[2]).toContain('bun run native --target=win32-x64')
  })

  test('an ARM server', () => {
    const found: Diagnosis = diagnose(SERVER)
    expect(found).toMatchObject({
      works: true,
      host: 'cpu',
      cpu: { isa: 'dotprod', isas: ['neon', 'dotprod'] },
      unproven: expect.stringMatching(
        /^unproven: .*\(it has run on an emulator \(qemu\) only\); a small training/,
      ),
      problems: [],
    })
    expect(found.libraries.map(({ name }) => name)).toEqual(['cpu'])
  })

  test('a server with the library that was proven: nothing is unproven', () => {
    const facts = { ...SERVER, platform: 'linux-x64', libraries: [usable('/x.so', ['avx2'], false)] }
    expect(diagnose({ ...facts, cpu: { model: 'AMD EPYC', cores: 8 } })).toMatchObject({
      unproven: null,
      problems: [],
    })
  })

  test('an ARM server with a GPU that nothing is made for', () => {
    const facts = { ...SERVER, hasNvidiaCard: true, cudaDriver: 13000 }
    expect(diagnose(facts).problems).toEqual([])
    expect(text(facts)).toContain('gpu        none: no library for GPUs is made for linux-arm64')
  })

  test.each([
    [true, 'wasm', 'WebAssembly, at a fraction of the speed', 'on WebAssembly'],
    [false, 'reference', 'the slow reference', 'on the TypeScript reference, slowly'],
  ] as const)('a system without a library (WebAssembly: %p)', (hasWasm, host, how, where) => {
    const facts: MachineFacts = {
      ...SERVER,
      hasWasm,
      noCpuLibrary: 'no native library is made for linux-arm64 with musl',
      libraries: [missing('cpu'), ...NO_GPU_LIBRARIES],
    }
    expect(diagnose(facts)).toMatchObject({ works: true, host, unproven: null, libraries: [] })
    const lines = text(facts)
    expect(lines.at(-2)).toBe(
      `missing    no native library is made for linux-arm64 with musl: everything runs on ${how}`,
    )
    expect(lines.at(-1)).toStartWith(
      `ready      models are fine-tuned ${where}; to mend it: use a machine with Linux on x86-64,`,
    )
  })
})
