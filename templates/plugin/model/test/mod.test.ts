import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headLogits, type Model, noGrad, scoped } from 'tritune/core'
import { openCpuOrReference } from 'tritune/plugins/cpu'
import { createBatch, loadModel } from 'tritune/plugins/models'
import { modelContract } from 'tritune/testing'
import { makeModel } from '../example/make-model.ts'
import { myModel, plugin } from '../src/mod.ts'
import { trainExample } from '../../common/test/train-example.ts'

const LLAMA = 'node_modules/tritune/quickstart/model'
const { device } = openCpuOrReference()

// What every model promises, as checks that come with tritune.
const config = {
  model_type: 'my-model',
  logit_scale: 0.5,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 40,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
  tie_word_embeddings: true,
}
for (const { name, run } of modelContract(myModel, { config })) test(name, run)

test('its logits are those of the Llama, scaled', () => {
  const scaled = logitsOf(loadModel(makeModel(), { device, models: { 'my-model': myModel } }))
  const plain = logitsOf(loadModel(LLAMA, { device }))
  assert.equal(scaled.length, plain.length)
  for (const [i, value] of plain.entries())
    assert.ok(
      Math.abs((scaled[i] ?? Number.NaN) - 0.5 * value) <= 1e-4 * Math.max(1, Math.abs(value)),
      `logit ${i}`,
    )
})

test('it trains, and a resumed run has the same losses to the last bit', { timeout: 60_000 }, async () => {
  makeModel()
  const { losses, resumed } = await trainExample(plugin)
  assert.ok(Math.min(...losses.slice(4)) < losses[0]!, `the loss does not fall: ${losses.join(' ')}`)
  assert.deepEqual(resumed, losses.slice(4))
})

/** Of three tokens; the model is closed. */
function logitsOf(model: Model): Float32Array {
  const arrays = {
    ids: Int32Array.of(1, 2, 3),
    positions: Int32Array.of(0, 1, 2),
    offsets: Int32Array.of(0, 3),
  }
  const logits = noGrad(() => scoped(() => headLogits(model.head, model.hidden(createBatch(arrays, device)))))
  const values = logits.toArray()
  logits.dispose()
  model[Symbol.dispose]()
  return values
}
