/**
 * How ops are done on a GPU: options of the caller, else of the environment.
 */
import { afterEach, describe, expect, test } from 'bun:test'
import { openLibrary } from '../../core/native/library.ts'
import { type CudaOptions, openCuda } from '../../plugins/cuda/mod.ts'
import { HAS_EMULATOR } from './_emulated.ts'

function optionsAfter(options: CudaOptions): Record<string, unknown> {
  openCuda({ emulated: true, ...options })
  return openLibrary('cuda-emulated').options()
}

describe.if(HAS_EMULATOR)('options of openCuda()', () => {
  afterEach(() => {
    delete process.env.TRITUNE_GEMM
    openCuda({ emulated: true, gemm: 'auto', attentionDq: 'deterministic', synchronous: false })
  })

  test('reach the library', () => {
    expect(optionsAfter({ gemm: 'mma', attentionDq: 'atomic', synchronous: true })).toMatchObject({
      gemm: 'mma',
      attention_dq: 'atomic',
      synchronous: true,
    })
  })

  test('go before the environment', () => {
    process.env.TRITUNE_GEMM = 'own'
    expect(optionsAfter({}).gemm).toBe('own')
    expect(optionsAfter({ gemm: 'mma' }).gemm).toBe('mma')
  })

  test('that are unknown are named with those that are known', () => {
    process.env.TRITUNE_GEMM = 'fast'
    expect(() => openCuda({ emulated: true })).toThrow(
      'gemm must be auto, own, mma, wgmma or cublaslt, got "fast"',
    )
  })
})
