/**
 * Both bundled modules: of these sources, with the functions of the header, asking the host for nothing else; and the one without relaxed
 * SIMD computes too.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SYMBOLS } from '../../../core/native/symbols.ts'
import { openWasmNow } from '../../../plugins/wasm/device.ts'
import { openWasmBytes } from '../../../plugins/wasm/mod.ts'
import { TARGETS } from '../../../scripts/native/targets.ts'
import { nativeSourceHash } from '../../../scripts/native/source-hash.ts'
import { expectAsReference } from '../../../testing/ops/compare-devices.ts'
import { OP_CASES } from '../../../testing/mod.ts'

const ROOT = join(import.meta.dir, '../../..')

describe.each([
  ['wasm', 'simd128'],
  ['wasm-relaxed', 'relaxed simd'],
] as const)('%s', (target, isa) => {
  const path = join(ROOT, TARGETS[target].output)
  const bytes = new Uint8Array(readFileSync(path))

  test('is of these sources, and small', () => {
    expect(readFileSync(path).includes(nativeSourceHash('cpu'))).toBe(true)
    expect(statSync(path).size).toBeLessThan(1.5e6)
  })

  test('exports the header and what threads need; imports memory, a clock and threads', () => {
    const module = new WebAssembly.Module(bytes)
    expect(
      WebAssembly.Module.exports(module)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(
      [
        ...Object.keys(SYMBOLS),
        '_initialize',
        '__stack_pointer',
        '__wasm_init_tls',
        'tritune_thread',
      ].toSorted(),
    )
    expect(
      WebAssembly.Module.imports(module)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(['memory', 'now', 'start_thread'])
  })

  test('says what it is', async () => {
    const device = await openWasmBytes({ bytes, place: path, threads: 1 })
    expect(device.description).toBe(`wasm (${isa}, 1 thread)`)
    expect(device.memory().live).toBe(0)
  })
})

describe('without relaxed SIMD', () => {
  const path = join(ROOT, TARGETS.wasm.output)
  const device = openWasmNow({ bytes: readFileSync(path), place: path, threads: 2 })
  for (const op of OP_CASES.filter((_, i) => i % 5 === 0))
    for (const dtype of op.dtypes ?? (['f32', 'bf16'] as const))
      test(`${op.name}, ${dtype}`, () => {
        expectAsReference(device, op, dtype)
        expect(device.memory().live).toBe(0)
      })
})
