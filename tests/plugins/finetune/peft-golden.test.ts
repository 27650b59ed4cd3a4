/**
 * Thirty LoRA steps beside torch and PEFT: AdamW, cosine schedule with warm-up, clipping, accumulation, masked prompts.
 */
import { expect, test } from 'bun:test'
import { referenceDevice } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { absoluteError, measureTraining, sameBytes } from '../../_golden.ts'

const cpu = openCpu()

// The oracle feeds each document alone, so `packed` and `one` also prove that documents of a row do not see each other.
test.each(['packed', 'separate', 'one'] as const)('30 steps equal PEFT, documents laid out: %s', (layout) => {
  const errors = measureTraining(cpu, { layout })
  expect(errors.losses).toHaveLength(30)
  expect(errors.loss).toBeLessThanOrEqual(1e-4)
  expect(errors.gradNorm).toBeLessThanOrEqual(1e-4)
  expect(errors.weights).toBeLessThanOrEqual(1e-3)
})

test('packed and separate documents train to the same weights', () => {
  const packed = measureTraining(cpu, { layout: 'packed' })
  const separate = measureTraining(cpu, { layout: 'separate' })
  expect(absoluteError(packed.losses, separate.losses)).toBeLessThanOrEqual(1e-5)
  for (const [name, values] of packed.final)
    expect(absoluteError(values, separate.final.get(name) ?? []), name).toBeLessThanOrEqual(1e-4)
})

test('gradient checkpointing trains to the same bits', () => {
  const plain = measureTraining(cpu, { layout: 'packed' })
  const recomputed = measureTraining(cpu, { layout: 'packed', checkpointing: true })
  expect(recomputed.losses).toEqual(plain.losses)
  for (const [name, values] of plain.final)
    expect(sameBytes(values, recomputed.final.get(name) ?? new Float32Array()), name).toBe(true)
})

test('the same run twice gives the same bits', () => {
  const [first, second] = [0, 1].map(() => measureTraining(cpu, { layout: 'one' }))
  expect(second.losses).toEqual(first.losses)
  expect(second.final).toEqual(first.final)
})

test('the reference device takes the same first steps', () => {
  const reference = measureTraining(referenceDevice, { layout: 'packed', steps: 4 })
  expect(reference.loss).toBeLessThanOrEqual(1e-4)
  const native = measureTraining(cpu, { layout: 'packed', steps: 4 })
  for (const [name, values] of native.final)
    expect(absoluteError(values, reference.final.get(name) ?? []), name).toBeLessThanOrEqual(1e-4)
})
