/**
 * When GPUs talk to each other by NCCL, by what the processes tell: not where two share one, or one has none.
 */
import { describe, expect, test } from 'bun:test'
import { hostname } from 'node:os'
import { type Device, referenceDevice } from '../../../core/mod.ts'
import {
  ncclCollectives,
  type NcclFunctions,
  type NcclPeers,
} from '../../../plugins/distributed/nccl-collectives.ts'
import { thrownBy } from '../vsa-optim/_thrown.ts'

interface Seen {
  readonly calls: string[]
  readonly peers: NcclPeers
  readonly functions: NcclFunctions
}

/** The first of two processes; the other one says what it says, changed. */
function firstOfTwo(changed: (told: string) => string): Seen {
  const calls: string[] = []
  const called =
    (name: string, status = 1) =>
    (...all: readonly unknown[]): number => {
      calls.push(`${name} ${all.filter((one) => typeof one === 'number').join(' ')}`.trim())
      return status
    }
  return {
    calls,
    peers: {
      size: 2,
      localRank: 0,
      gather: (text) => [text, changed(text)],
      wait: (what) => void calls.push(`waits for ${what}`),
    },
    functions: {
      tt_dist_open_nccl: called('open', 0),
      tt_dist_nccl_library: () => 'NCCL 2.27.3',
      tt_dist_last_error: () => '',
      tt_dist_join_nccl: called('join'),
      tt_dist_gpu_sum: called('sum'),
      tt_dist_gpu_sum_part: called('part'),
      tt_dist_gpu_gather: called('gather'),
      tt_dist_gpu_broadcast: called('broadcast'),
    },
  }
}

const gpu: Device = { ...referenceDevice, name: 'cuda:3', kind: 'cuda' }
const otherGpu = (told: string): string => told.replace(`${hostname()} `, 'elsewhere ')
const array = { shape: [6], dtype: 'f32', size: 6, bytes: 24, address: 1024 } as const
const part = { shape: [3], dtype: 'f32', size: 3, bytes: 12, address: 2048 } as const

test('each has a GPU: its number is the one that is joined with, and calls are waited for', () => {
  const { functions, peers, calls } = firstOfTwo(otherGpu)
  const on = ncclCollectives(functions, gpu, peers)
  expect(on?.description).toBe('NCCL 2.27.3')
  on?.sum(array)
  on?.sum({ ...array, dtype: 'bf16' })
  on?.sumPart(array, part)
  on?.collect(part, array)
  on?.broadcast(array, 1)
  expect(calls.filter((call) => !call.startsWith('waits'))).toEqual([
    'open',
    'join 3',
    'sum 1024 6 0',
    'sum 1024 6 2',
    'part 1024 2048 3 0',
    'gather 2048 12 1024',
    'broadcast 1024 24 1',
  ])
  expect(calls.filter((call) => call.startsWith('waits'))).toHaveLength(6)
})

describe('through the host', () => {
  test.each<[string, (told: string) => string, Device]>([
    ['where two processes share a GPU', (told) => told, gpu],
    ['where another one has no NCCL', (told) => otherGpu(told).replace('"NCCL 2.27.3"', 'null'), gpu],
    ['where another one computes on the CPU', (told) => (told === 'cuda' ? 'cpu' : told), gpu],
    ['on the CPU', (told) => told, referenceDevice],
    ['where the GPU is emulated and no library is named', otherGpu, { ...gpu, name: 'cuda-emulated' }],
  ])('%s', (_, changed, device) => {
    const { functions, peers, calls } = firstOfTwo(changed)
    expect(ncclCollectives(functions, device, peers)).toBeNull()
    expect(calls.filter((call) => call.startsWith('join'))).toEqual([])
  })
})

test('another version, parts that are none, and numbers that cannot be added up are refused', () => {
  const odd = firstOfTwo((told) => otherGpu(told).replace('2.27.3', '2.20.5'))
  expect(thrownBy(() => ncclCollectives(odd.functions, gpu, odd.peers))).toEqual([
    'E_PEER',
    'process 1 of 2 has NCCL 2.20.5 where process 0 has NCCL 2.27.3',
  ])
  const { functions, peers } = firstOfTwo(otherGpu)
  const on = ncclCollectives(functions, gpu, peers)
  expect(thrownBy(() => on?.sumPart(array, array))).toEqual([
    'E_SHAPE',
    '6 values of f32 are not 2 parts of 6 of f32',
  ])
  expect(thrownBy(() => on?.collect({ ...part, dtype: 'bf16' }, array))[0]).toBe('E_SHAPE')
  expect(thrownBy(() => on?.sum({ ...array, dtype: 'u8' }))[0]).toBe('E_DTYPE')
})
