/**
 * The CPU device with products by OpenBLAS: every op against the reference, LoRA steps against those of our kernels; and how the options
 * reach the library.
 */
import { afterAll, afterEach, describe, expect, test } from 'bun:test'
import type { Device } from '../../../core/mod.ts'
import { openLibrary } from '../../../core/native/library.ts'
import { type CpuOptions, openCpu } from '../../../plugins/cpu/mod.ts'
import { expectAsReference, resultsOn } from '../../../testing/ops/compare-devices.ts'
import { OP_CASES } from '../../../testing/ops/ops.ts'
import { blasProducts, OPENBLAS } from '../../native/_openblas.ts'
import { loraSteps, relativeDifference } from './_steps.ts'

const NAMED = process.env.TRITUNE_CPU_BLAS

function withBlas(): Device {
  return openCpu({ threads: 2, gemm: 'blas', blas: OPENBLAS ?? '' })
}

describe.skipIf(OPENBLAS === null)('products by a BLAS', () => {
  afterAll(() => void openCpu({ gemm: 'auto' }))

  describe('every op gives what the reference gives', () => {
    for (const op of OP_CASES.filter(({ dtypes }) => dtypes?.includes('f32') ?? true))
      test(`${op.name}, f32`, () => expectAsReference(withBlas(), op, 'f32'))

    test('the same run twice gives the same bits, and the products of matmul and linear went there', () => {
      const device = withBlas()
      const users = OP_CASES.filter((op) => {
        const before = blasProducts()
        const first = resultsOn(device, op, 'f32')
        const some = blasProducts() > before
        expect(resultsOn(device, op, 'f32')).toEqual(first)
        return some
      }).map(({ name }) => name)
      expect(users.some((name) => name.startsWith('matmul'))).toBe(true)
      expect(users.some((name) => name.startsWith('linear'))).toBe(true)
    })
  })

  test.each([0, 0.1])(
    'LoRA steps with dropout %p are those of our kernels, losses to 1e-5; twice: the same bits',
    (dropout) => {
      const expected = loraSteps(openCpu({ threads: 2, gemm: 'own' }), dropout)
      const before = blasProducts()
      const got = loraSteps(withBlas(), dropout)
      expect(blasProducts()).toBeGreaterThan(before)
      for (const [i, loss] of expected.losses.entries())
        expect(Math.abs(got.losses[i] / loss - 1)).toBeLessThan(1e-5)
      // Adam divides by the size of a gradient: where that is tiny, the last bits decide the sign of a step.
      for (const [name, values] of Object.entries(expected.weights))
        expect([name, relativeDifference(got.weights[name], values) < 1e-3]).toEqual([name, true])
      expect(loraSteps(withBlas(), dropout)).toEqual(got)
    },
    60_000,
  )
})

describe('options of openCpu()', () => {
  function after(options: CpuOptions): Record<string, unknown> {
    openCpu(options)
    return openLibrary('cpu').options()
  }

  afterEach(() => {
    delete process.env.TRITUNE_CPU_GEMM
    if (NAMED === undefined) delete process.env.TRITUNE_CPU_BLAS
    else process.env.TRITUNE_CPU_BLAS = NAMED
    openCpu()
  })

  test('reach the library, go before the environment, and do not stay', () => {
    process.env.TRITUNE_CPU_GEMM = 'own'
    expect(after({}).gemm).toBe('own')
    expect(after({ gemm: 'auto' }).gemm).toBe('auto')
    delete process.env.TRITUNE_CPU_GEMM
    expect(after({ gemm: 'own' }).gemm).toBe('own')
    expect(after({}).gemm).toBe('auto')
  })

  test.skipIf(OPENBLAS === null)('name the BLAS, which the device then names', () => {
    process.env.TRITUNE_CPU_BLAS = OPENBLAS ?? ''
    expect(after({ gemm: 'blas' })).toMatchObject({ gemm: 'blas', blas: OPENBLAS })
    expect(withBlas().description).toMatch(/^cpu \(.*, 2 threads, products by libopenblas/)
    if (process.platform !== 'darwin') expect(openCpu({ threads: 2 }).description).not.toContain('products')
  })

  test('that are unknown are named with those that are known', () => {
    process.env.TRITUNE_CPU_GEMM = 'fast'
    expect(() => openCpu()).toThrow('gemm must be auto, own or blas, got "fast"')
    delete process.env.TRITUNE_CPU_GEMM
    process.env.TRITUNE_CPU_BLAS = '/absent/libblas.so'
    expect(() => openCpu()).toThrow(/blas cannot be this library: .*\/absent\/libblas\.so/)
  })
})
