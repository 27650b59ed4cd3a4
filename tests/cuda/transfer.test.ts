/**
 * Tensors on a device that the host cannot look into: moving them, gradients across devices, weights out of a file.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import {
  backward,
  defineDispatch,
  type Device,
  matmul,
  mul,
  parameter,
  referenceDevice,
  sum,
  tensor,
  type Tensor,
  tensorScope,
} from '../../core/mod.ts'
import { openCpu } from '../../plugins/cpu/mod.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'
import { HAS_EMULATOR, openEmulated } from './_emulated.ts'

const cpu = openCpu()
const others: Device[] = [referenceDevice]
if (HAS_EMULATOR) others.push(openEmulated())

describe.each(others.map((device) => [device.name, device] as const))('between cpu and %s', (_, other) => {
  test.each([
    ['f32', [1.5, -2, 3e30, 0.1]],
    ['bf16', [1.5, -2, 2 ** 100, 0]],
    ['f16', [1.5, -2, 60000, 0]],
    ['i32', [1, -2, 2 ** 30, 0]],
    ['u8', [1, 255, 0, 7]],
    ['i8', [1, -128, 0, 7]],
  ] as const)('%s goes there and comes back as it was', (dtype, values) => {
    using _scope = tensorScope()
    const x = tensor(values, { shape: [2, 2], dtype, device: cpu })
    const there = x.to(other)
    const back = there.to(cpu)
    expect([there.device, back.device]).toEqual([other, cpu])
    expect([...there.toArray()]).toEqual([...x.toArray()])
    expect([...back.toArray()]).toEqual([...x.toArray()])
    expect(back.storage).not.toBe(x.storage)
    x.set([0, 0, 0, 0])
    expect([...there.toArray()]).toEqual([...back.toArray()])
  })

  test('a window of a tensor moves without the rest of it', () => {
    using _scope = tensorScope()
    const x = tensor([1, 2, 3, 4, 5, 6], { shape: [3, 2], device: cpu })
    const row = x.rowsView(1, 1).to(other)
    expect([...row.toArray()]).toEqual([3, 4])
    expect(row.storage.bytes).toBe(8)
    expect([...row.to(cpu).toArray()]).toEqual([3, 4])
  })

  test('to() of the device it is on shares the memory', () => {
    using _scope = tensorScope()
    const x = tensor([1, 2], { device: other })
    expect(x.to(other).storage).toBe(x.storage)
  })

  test('gradients come back to the device of the input', () => {
    using _scope = tensorScope()
    const w = parameter(tensor([2, 3], { device: cpu }))
    const y = mul(w.to(other).to(cpu), w)
    backward(sum(y))
    expect(w.grad?.device).toBe(cpu)
    expect([...(w.grad?.toArray() ?? [])]).toEqual([4, 6])
  })

  test('inputs on two devices are refused, with the way out', () => {
    using _scope = tensorScope()
    const a = tensor([1, 2], { shape: [1, 2], device: cpu })
    const b = tensor([1, 2], { shape: [2, 1], device: other })
    expect(() => matmul(a, b)).toThrow(`inputs on cpu and ${other.name}\n  → move one of them: b.to(device)`)
    expect([...matmul(a, b.to(cpu)).toArray()]).toEqual([5])
    expect([...matmul(a.to(other), b).toArray()]).toEqual([5])
  })
})

describe.if(HAS_EMULATOR)('a device without a host view', () => {
  test('host() is refused, with the ways out', () => {
    using x = tensor([1], { device: openEmulated() })
    expect(() => x.host()).toThrow('use toArray(), which copies, or to(device)')
  })

  test('dispatch() takes the GPU path for tensors that live there', () => {
    using _scope = tensorScope()
    const work = defineDispatch({
      name: 'where',
      deviceOf: (x: Tensor) => x.device,
      cpu: () => 'cpu',
      gpu: (_, device) => device.name,
    })
    const x = tensor([1], { device: cpu })
    expect(work.dispatch(x)).toBe('cpu')
    expect(work.dispatch(x.to(openEmulated()))).toBe('cuda-emulated')
  })
})

describe.if(HAS_EMULATOR)('weights on a device without a host view', () => {
  test.each(['f32', 'bf16'] as const)('are those of the file, as %s', (dtype) => {
    using folder = temporaryFolder()
    writeTinyModel(join(folder.path, 'model'))
    const device = openEmulated()
    const { live } = device.memory()
    {
      using there = loadModel(join(folder.path, 'model'), { device, dtype })
      using here = loadModel(join(folder.path, 'model'), { device: cpu, dtype })
      for (const [name, weight] of there.weights)
        expect([name, weight.dtype, weight.toArray()]).toEqual([
          name,
          dtype,
          here.weights.get(name)?.toArray() ?? new Float32Array(),
        ])
    }
    expect(device.memory().live).toBe(live)
  })
})
