import { describe, expect, test } from 'bun:test'
import { ptxTarget, supportedGpus } from '../../scripts/native/cuda.ts'
import { kernelRows, readableName } from '../../scripts/native/kernel-table.ts'
import { parsePtxas, spillProblems } from '../../scripts/native/ptxas.ts'

const LOG = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z3gemv' for 'sm_80'
ptxas info    : Function properties for helper
    96 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Function properties for _Z3gemv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 8320 bytes smem, 352 bytes cmem[0]
ptxas info    : Compile time = 62.730 ms
ptxas info    : Compiling entry function '_Z3gemv' for 'sm_90a'
ptxas info    : Function properties for _Z3gemv
    32 bytes stack frame, 20 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers
native/cuda/a.cu(3): warning #177-D: variable "x" was declared but never referenced
`

describe('parsePtxas()', () => {
  test('`parsePtxas()` reads every kernel for every GPU, and leaves the warnings', () => {
    expect(parsePtxas(LOG)).toEqual({
      kernels: [
        { name: '_Z3gemv', gpu: 'sm_80', registers: 40, shared: 8320, stack: 0, spills: 0 },
        { name: '_Z3gemv', gpu: 'sm_90a', registers: 255, shared: 0, stack: 32, spills: 44 },
      ],
      others: 'native/cuda/a.cu(3): warning #177-D: variable "x" was declared but never referenced',
    })
  })
  test('`parsePtxas()` refuses statistics that are not complete', () => {
    expect(() => parsePtxas(LOG.split('\n').slice(0, 3).join('\n'))).toThrow(/did not finish.*_Z3gemv/)
    expect(() => parsePtxas('ptxas info    : Used 40 registers')).toThrow(/of no kernel/)
  })
  test('`spillProblems()` names what uses local memory, and only that', () => {
    const problems = spillProblems(parsePtxas(LOG).kernels)
    expect(problems).toEqual(['_Z3gemv for sm_90a: 32 bytes of stack, 44 bytes spilled, 255 registers'])
  })
})

describe('kernelRows()', () => {
  test('`readableName()` is the kernel with its template arguments', () => {
    const mangled = 'void tt::(anonymous namespace)::map<tt::bf16, tt::F<(int)3> >(tt::bf16*, unsigned long)'
    expect(readableName(mangled)).toBe('map<bf16, F<(int)3> >')
    expect(readableName('tt::(anonymous namespace)::fill(float*)')).toBe('fill')
  })
  test('`kernelRows()` has a kernel once, with a number for each GPU', () => {
    const { kernels } = parsePtxas(LOG)
    const names = new Map([['_Z3gemv', 'void tt::gemv()']])
    expect(kernelRows({ 'native/cuda/a.cu': kernels }, ['sm_90a', 'sm_80'], names)).toEqual([
      { source: 'a.cu', name: 'gemv', registers: [255, 40], shared: 8320, local: 76 },
    ])
  })
})

describe('targets', () => {
  const toolkit = {
    home: '/cuda',
    nvcc: '/cuda/bin/nvcc',
    version: '12.4.131',
    staticRuntime: '/cuda/lib64/libcudart_static.a',
    gpus: ['sm_80', 'sm_90'],
  }
  test('`supportedGpus()` leaves out what the toolkit does not know', () => {
    expect(supportedGpus(toolkit, ['sm_80', 'sm_90a', 'sm_100'])).toEqual(['sm_80', 'sm_90a'])
  })
  test('`ptxTarget()` is the newest GPU, without features that only that one has', () => {
    expect(ptxTarget(['sm_80', 'sm_90a'])).toBe('compute_90')
    expect(ptxTarget(['sm_80', 'sm_120'])).toBe('compute_120')
  })
})
