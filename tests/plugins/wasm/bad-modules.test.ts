/**
 * What goes wrong before anything is computed on wasm: one error each, with what to do.
 */
import { afterEach, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Device, empty, tensor, TrituneError } from '../../../core/mod.ts'
import { ABI_VERSION } from '../../../core/native/symbols.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { openWasmNow } from '../../../plugins/wasm/device.ts'
import { openWasmLibrary } from '../../../plugins/wasm/library.ts'
import { openWasm, wasmModulePath } from '../../../plugins/wasm/mod.ts'
import { importedPages, withSharedMemory } from '../../../plugins/wasm/module-bytes.ts'

const whole = new Uint8Array(readFileSync(wasmModulePath()))
const MIB = 2 ** 20

function open(bytes: Uint8Array, options: { heap?: number; threads?: number } = {}): Device {
  return openWasmNow({ bytes, place: 'a.wasm', threads: 1, ...options })
}

function failure(work: () => unknown): TrituneError {
  try {
    work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('it did not fail')
}

describe('a module that is not the one', () => {
  test('no module at all', () => {
    const error = failure(() => open(new TextEncoder().encode('<!doctype html><title>404</title>')))
    expect(error.code).toBe('E_LIBRARY')
    expect(error.message).toContain('a.wasm: this is no WebAssembly module')
  })

  test.each([9, 100, 5000, whole.length >> 1, whole.length - 1])('cut off after %i bytes', (length) => {
    const error = failure(() => open(whole.subarray(0, length)))
    expect(error.code).toBe('E_LIBRARY')
    expect(error.message).toMatch(
      /cut off: it has \d+ bytes of at least \d+|cannot use the module|is not of tritune/,
    )
    expect(error.remedy).not.toBeUndefined()
  })

  test('a byte is another', () => {
    const damaged = Uint8Array.from(whole)
    damaged.fill(0xff, whole.length >> 1, (whole.length >> 1) + 64)
    const error = failure(() => open(damaged))
    expect([error.code, error.message.includes('this engine cannot use the module')]).toEqual([
      'E_LIBRARY',
      true,
    ])
  })

  test('of another program', () => {
    const error = failure(() => open(Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])))
    expect(error.message).toContain('the module is not of tritune')
  })

  test('of another ABI', () => {
    const error = failure(() => open(withAbi(whole, 63)))
    expect(error.code).toBe('E_LIBRARY')
    expect(error.message).toContain('the module has ABI version 63, this tritune needs')
  })
})

describe('a file that somebody named', () => {
  const { TRITUNE_WASM_LIBRARY: before } = process.env
  afterEach(() => {
    if (before === undefined) delete process.env.TRITUNE_WASM_LIBRARY
    else process.env.TRITUNE_WASM_LIBRARY = before
  })
  const named = (path: string): TrituneError => {
    process.env.TRITUNE_WASM_LIBRARY = path
    return failure(() => openWasm({ threads: 1 }))
  }

  test('is not there, or is no module: unset it is the first thing to do', () => {
    for (const [path, what] of [
      ['/nowhere/a.wasm', '/nowhere/a.wasm is not there'],
      [fileURLToPath(import.meta.url), 'this is no WebAssembly module'],
    ] as const) {
      const error = named(path)
      expect([error.code, error.message]).toEqual(['E_LIBRARY', expect.stringContaining(what)])
      expect(error.remedy).toStartWith('unset TRITUNE_WASM_LIBRARY, or restore')
      // Which of the two this engine takes, nobody who reads it knows.
      expect(error.remedy).toContain('--target=wasm,wasm-relaxed')
    }
  })

  test('is a folder', () => {
    const error = named(import.meta.dir)
    expect([error.code, error.message]).toEqual([
      'E_FILE',
      expect.stringContaining('cannot read the module: it is a folder'),
    ])
  })
})

describe('an engine that cannot', () => {
  const { validate } = WebAssembly
  afterEach(() => {
    WebAssembly.validate = validate
  })

  test('has no SIMD', () => {
    WebAssembly.validate = () => false
    const error = failure(() => open(whole))
    expect(error.code).toBe('E_LIBRARY')
    expect(error.message).toContain('this engine runs no WebAssembly with SIMD')
    expect(error.remedy).toContain('a browser of 2023 or newer')
  })
})

describe('an engine that reserves little memory', () => {
  const { Memory } = WebAssembly
  const limitedTo = (pages: number): void => {
    WebAssembly.Memory = class extends Memory {
      constructor(descriptor: { initial: number; maximum?: number; shared?: boolean }) {
        if ((descriptor.maximum ?? 0) > pages) throw new RangeError('could not allocate memory')
        super(descriptor)
      }
    }
  }
  afterEach(() => {
    WebAssembly.Memory = Memory
  })

  test('gives the heap that it can', () => {
    limitedTo(20_000)
    expect(open(whole).capacity).toBe(16384 * 65536)
  })

  test('or none at all', () => {
    limitedTo(100)
    const error = failure(() => open(whole))
    expect(error.code).toBe('E_MEMORY')
    expect(error.message).toMatch(/reserves no WebAssembly memory of \d+ bytes: could not allocate memory/)
  })
})

test('workers that never come are done without, after a while', () => {
  const workers = { run: () => true }
  const { call, info, heap } = openWasmLibrary({ bytes: whole, place: 'a.wasm', workers, remedy: '' })
  call.tt_init(0, 2, 0)
  expect(info.threads).toBe(1)
  const out = new Uint32Array(2)
  call.tt_alloc(out, 8 * MIB)
  call.tt_fill(out[0], 2 * MIB, 3, 0, 0)
  expect(new Float32Array(heap.read(out[0] + 8 * MIB - 4, 4).buffer)).toEqual(Float32Array.of(3))
  call.tt_free(out[0])
}, 60_000)

describe('a heap that is too small', () => {
  test('for the library', () => {
    const error = failure(() => open(whole, { heap: 65536 }))
    expect(error.code).toBe('E_MEMORY')
    expect(error.message).toContain('the library itself needs a heap of')
  })

  test('for a tensor, at once', () => {
    const device = open(whole, { heap: 32 * MIB })
    const before = device.memory().live
    expect(failure(() => empty([16 * MIB], { device })).message).toContain('are more than the heap can have')
    expect(failure(() => empty([2 ** 31], { device })).code).toBe('E_MEMORY')
    expect(device.memory().live).toBe(before)
  })

  test('for one tensor, which 32 bits count: none of less memory than it says', () => {
    const device = open(whole)
    // Their sizes in steps of an eighth: of the last step below 4 GiB the end is 2³².
    for (const bytes of [15 * 2 ** 27 + 4, 2 ** 31, 15 * 2 ** 28, 15 * 2 ** 28 + 4, 65535 * 65536]) {
      const error = failure(() => empty([bytes / 4], { device }))
      expect([error.code, error.message]).toEqual([
        'E_MEMORY',
        expect.stringContaining('are more than a tensor in WebAssembly can have (2013265920)'),
      ])
    }
    expect(device.memory().live).toBe(0)
  })

  test('for all tensors together; those that are there go on', () => {
    const device = open(whole, { heap: 32 * MIB })
    const kept = tensor([1, 2, 3], { device })
    const made = [kept]
    const error = failure(() => {
      for (;;) made.push(empty([MIB], { device }))
    })
    expect([error.code, made.length > 4]).toEqual(['E_MEMORY', true])
    expect(kept.toArray()).toEqual(Float32Array.of(1, 2, 3))
    for (const one of made) one.dispose()
    expect(device.memory().live).toBe(0)
    empty([MIB], { device }).dispose()
  })
})

test('a model that is larger than the heap can get: one error before it is read', () => {
  const device = open(whole, { heap: 10 * MIB })
  const model = fileURLToPath(new URL('../../../quickstart/model', import.meta.url))
  const grown = device.memory().growth
  const error = failure(() => loadModel(model, { device, dtype: 'f32' }))
  expect(error.code).toBe('E_MEMORY')
  expect(error.message).toMatch(/this model needs about 16\.0 MB, wasm has 10\.5 MB at most/)
  expect(device.memory()).toMatchObject({ live: 0, growth: grown })
})

test('what is written stays while the heap grows', () => {
  const device = open(whole)
  const first = tensor([1, 2, 3], { device })
  const large = Array.from({ length: 8 }, () => empty([8 * MIB], { device }))
  expect(first.toArray()).toEqual(Float32Array.of(1, 2, 3))
  for (const one of [first, ...large]) one.dispose()
  expect(device.memory().live).toBe(0)
})

test('one bit of the module says whether its memory is shared', () => {
  const alone = withSharedMemory(whole, false)
  const shared = withSharedMemory(whole, true)
  expect(alone.filter((byte, i) => byte !== shared[i])).toHaveLength(1)
  expect(importedPages(alone)).toEqual(importedPages(shared))
  const imports = (bytes: Uint8Array<ArrayBuffer>): string[] =>
    WebAssembly.Module.imports(new WebAssembly.Module(bytes)).map(
      ({ module, name, kind }) => `${module}.${name} ${kind}`,
    )
  expect(imports(alone).toSorted()).toEqual([
    'env.memory memory',
    'env.now function',
    'env.start_thread function',
  ])
})

/** The module with another number in the body of tt_abi_version: no locals, `i32.const`, `end`. */
function withAbi(bytes: Uint8Array, version: number): Uint8Array {
  const changed = Uint8Array.from(bytes)
  const body = [4, 0, 0x41, ABI_VERSION, 0x0b]
  for (let i = 0; i + body.length <= changed.length; i++)
    if (body.every((byte, j) => changed[i + j] === byte)) changed[i + 3] = version
  return changed
}
