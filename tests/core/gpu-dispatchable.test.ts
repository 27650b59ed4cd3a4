/**
 * Work goes where its inputs live, and says why it cannot.
 */
import { expect, test } from 'bun:test'
import { defineDispatch, type Device, referenceDevice } from '../../core/mod.ts'

const gpu: Device = { ...referenceDevice, name: 'cuda:0', kind: 'cuda' }

test('dispatch() runs on the CPU for inputs that are not on a GPU', () => {
  const work = defineDispatch({
    name: 'double',
    deviceOf: () => referenceDevice,
    cpu: (x: number) => 2 * x,
    gpu: () => 0,
  })
  expect(work.dispatch(21)).toBe(42)
})

test('dispatch() hands GPU inputs and their device to the GPU path', () => {
  const work = defineDispatch({
    name: 'name',
    deviceOf: () => gpu,
    cpu: () => 'cpu',
    gpu: (x: string, device) => `${x} on ${device.name}`,
  })
  expect(work.dispatch('work')).toBe('work on cuda:0')
  expect(work.dispatchCpu('work')).toBe('cpu')
})

test('dispatch() refuses GPU inputs without a GPU path instead of copying them', () => {
  const work = defineDispatch({ name: 'double', deviceOf: () => gpu, cpu: (x: number) => 2 * x })
  expect(() => work.dispatch(1)).toThrow('double has no GPU path and its inputs are on cuda:0')
})
