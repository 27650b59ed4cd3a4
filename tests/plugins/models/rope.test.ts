/**
 * Rotary frequencies of every scaling against transformers' ROPE_INIT_FUNCTIONS.
 */
import { expect, test } from 'bun:test'
import { referenceDevice } from '../../../core/mod.ts'
import { createRopeTables, readRopeConfig, ropeFrequencies } from '../../../plugins/models/mod.ts'
import { absoluteError, goldenJson } from '../../_golden.ts'

interface RopeCase {
  readonly name: string
  readonly headDim: number
  readonly maxPositionEmbeddings: number
  readonly ropeParameters: Readonly<Record<string, unknown>>
  readonly invFreq: readonly number[]
  readonly attentionFactor: number
  readonly sequenceLength?: number
}

const { cases } = goldenJson<{ cases: readonly RopeCase[] }>('ops', 'rope.json')

function configOf({ maxPositionEmbeddings, ropeParameters }: RopeCase): Record<string, unknown> {
  return { max_position_embeddings: maxPositionEmbeddings, rope_parameters: ropeParameters }
}

test.each(cases.map((one) => [one.name, one] as const))('frequencies of %s', (_, one) => {
  const { frequencies, attentionFactor } = ropeFrequencies(
    readRopeConfig(configOf(one), one.headDim),
    one.sequenceLength,
  )
  expect(frequencies).toHaveLength(one.headDim / 2)
  for (const [i, frequency] of frequencies.entries())
    expect(Math.abs(frequency - one.invFreq[i]) / one.invFreq[i]).toBeLessThanOrEqual(1e-6)
  expect(attentionFactor).toBeCloseTo(one.attentionFactor, 6)
})

test.each(cases.map((one) => [one.name, one] as const))('the older spelling of %s', (_, one) => {
  const { rope_theta, rope_type, ...scaling } = one.ropeParameters
  const older = {
    max_position_embeddings: one.maxPositionEmbeddings,
    rope_theta,
    rope_scaling: rope_type === 'default' ? null : { type: rope_type, ...scaling },
  }
  const { frequencies } = ropeFrequencies(readRopeConfig(older, one.headDim), one.sequenceLength)
  expect(absoluteError(frequencies, one.invFreq)).toBeLessThanOrEqual(1e-6)
})

test('there are cases of every scaling', () => {
  const types = new Set(cases.map(({ ropeParameters }) => ropeParameters.rope_type))
  expect([...types].toSorted()).toEqual(['default', 'dynamic', 'linear', 'llama3', 'yarn'])
})

test('another scaling is refused, with those that there are', () => {
  expect(() => readRopeConfig({ rope_scaling: { rope_type: 'proportional' } }, 8)).toThrow(
    'supported: default, linear, dynamic, llama3, yarn, longrope',
  )
})

test.each([
  [{ rope_scaling: { rope_type: 'twisted' } }, 'rope_scaling.rope_type: rope scaling "twisted"'],
  [{ rope_scaling: { type: 'twisted' } }, 'rope_scaling.type: rope scaling "twisted"'],
  [{ rope_parameters: { rope_type: 7 } }, 'rope_parameters.rope_type: rope scaling 7'],
  [{ rope_parameters: { factor: -1 } }, 'rope_parameters.factor: expected a number above 0, got -1'],
  [{ rope_theta: -1 }, 'config.json: rope_theta: expected a number above 0, got -1'],
])('%p: the error has the key as config.json has it', (config, message) => {
  expect(() => readRopeConfig(config, 8)).toThrow(message)
})

test('createRopeTables() holds cos and sin of position · frequency and grows', () => {
  const config = readRopeConfig({ rope_theta: 100, max_position_embeddings: 64 }, 8)
  using tables = createRopeTables(config, referenceDevice)
  const { frequencies } = ropeFrequencies(config)
  const { cos, sin } = tables.at(3)
  expect(cos.shape[1]).toBe(4)
  for (const position of [0, 1, 2]) {
    for (const [i, frequency] of frequencies.entries()) {
      expect(cos.toArray()[position * 4 + i]).toBeCloseTo(Math.cos(position * frequency), 6)
      expect(sin.toArray()[position * 4 + i]).toBeCloseTo(Math.sin(position * frequency), 6)
    }
  }
  const before = cos.toArray().slice(0, 12)
  const grown = tables.at(1000)
  expect(grown.cos.shape[0]).toBeGreaterThanOrEqual(1000)
  expect(grown.cos.toArray().slice(0, 12)).toEqual(before)
})
