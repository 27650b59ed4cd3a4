/**
 * Models built of their config alone: the layers of the ones with weights, and what config.json cannot be.
 */
import { expect, test } from 'bun:test'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { shapeDevice } from '../../../plugins/finetune/memory/shape-device.ts'
import { loadModel, openHollowModel } from '../../../plugins/models/mod.ts'
import { GOLDEN, MODEL_CASES, temporaryFolder } from '../../_golden.ts'

const device = shapeDevice({ kind: 'cpu', name: 'cpu' })

const shapesOf = ({ layers }: NonNullable<ReturnType<typeof openHollowModel>>): readonly string[] =>
  [...layers.values()].map(({ path, inputs, outputs }) => `${path} ${inputs} ${outputs}`)

test.each(MODEL_CASES)('%s has the layers that it has with weights', (name) => {
  using space = temporaryFolder()
  copyFileSync(join(GOLDEN, 'models', name, 'config.json'), join(space.path, 'config.json'))
  using hollow = openHollowModel(space.path, { device })
  using whole = loadModel(join(GOLDEN, 'models', name))
  if (hollow === null) throw new Error('a built-in model')
  expect(shapesOf(hollow)).toEqual(shapesOf(whole))
})

test('more tokens, and scores', () => {
  using grown = openHollowModel(join(GOLDEN, 'models', 'llama'), { device, vocabSize: 1000 })
  expect(grown?.info.vocabSize).toBe(1000)
  using scoring = openHollowModel(join(GOLDEN, 'models', 'llama'), { device, labels: 3 })
  expect(scoring?.scoreHead?.outputs).toBe(3)
  expect(() => openHollowModel(join(GOLDEN, 'models', 'gpt2'), { device, labels: 3 })).toThrow(
    'cannot score texts',
  )
})

test('more experts for a token than there are', () => {
  using space = temporaryFolder()
  const config: unknown = JSON.parse(
    readFileSync(join(GOLDEN, 'moe-models', 'qwen3_moe', 'config.json'), 'utf8'),
  )
  writeFileSync(
    join(space.path, 'config.json'),
    JSON.stringify({ ...Object(config), num_experts_per_tok: 99 }),
  )
  expect(() => openHollowModel(space.path, { device })).toThrow('num_experts_per_tok is 99')
})
