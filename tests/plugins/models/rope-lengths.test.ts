/**
 * Scalings that go by the length of a text: each document of a batch turns by its own, however they are packed.
 */
import { expect, test } from 'bun:test'
import { headLogits, noGrad, tensorScope } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { createBatch, createRopeTables, loadModel, readRopeConfig } from '../../../plugins/models/mod.ts'
import { openGoldenModel, relativeError } from '../../_golden.ts'

const cpu = openCpu()

// Documents of 5, 20, 16, 17 and 1 tokens; from 17 on they are long.
const STARTS = [0, 5, 25, 41, 58, 59]

test.each(['phi3-longrope', 'llama-rope-dynamic'])('%s: packed documents are those alone', (name) => {
  const { folder, sequences } = openGoldenModel(name)
  using model = loadModel(folder, { device: cpu })
  const ids = Int32Array.from({ length: 59 }, (_, i) => sequences.ids[i % sequences.ids.length])
  const logitsOf = (from: number, to: number, offsets: readonly number[]): number[] => {
    using _scope = tensorScope()
    const batch = createBatch({ ids: ids.subarray(from, to), offsets }, cpu)
    return [...noGrad(() => headLogits(model.head, model.hidden(batch))).toArray()]
  }
  const alone = STARTS.slice(1).flatMap((end, d) => logitsOf(STARTS[d], end, [0, end - STARTS[d]]))
  expect(relativeError(logitsOf(0, 59, STARTS), alone)).toBeLessThanOrEqual(1e-5)
})

test('tables of a batch hold what turns each of its documents', () => {
  const config = readRopeConfig(
    {
      max_position_embeddings: 64,
      rope_scaling: {
        rope_type: 'longrope',
        short_factor: [1, 1],
        long_factor: [2, 4],
        original_max_position_embeddings: 4,
      },
    },
    4,
  )
  using tables = createRopeTables(config, cpu)
  using _scope = tensorScope()
  const offsets = [0, 4, 9]
  const { cos, positions } = tables.of(createBatch({ ids: new Int32Array(9), offsets }, cpu))
  const attention = Math.sqrt(1 + Math.log(16) / Math.log(4))
  const angle = (token: number): number =>
    Math.acos(cos.toArray()[2 * positions.toArray()[token]] / attention)
  expect(angle(3)).toBeCloseTo(3, 4)
  expect(angle(4 + 3)).toBeCloseTo(3 / 2, 4)
})

test.each([
  [{ short_factor: [1, 1], long_factor: [1] }, 'long_factor: expected a list of 2 numbers above 0, got [1]'],
  [{ short_factor: [1, 0], long_factor: [1, 1] }, 'short_factor: expected a list of 2 numbers above 0'],
  [{ long_factor: [1, 1] }, 'short_factor: expected a list of 2 numbers above 0, got nothing'],
])('longrope of %p names the list that does not fit', (factors, message) => {
  expect(() => readRopeConfig({ rope_scaling: { rope_type: 'longrope', ...factors } }, 4)).toThrow(message)
})
