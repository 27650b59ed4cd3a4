/**
 * An adapter on another base than its own, in both directions: the error names the base that it was trained on, and not a damaged file.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { attachLora, loadAdapter, saveAdapter } from '../../../plugins/peft/mod.ts'
import { temporaryFolder } from '../../_golden.ts'
import { writeTinyModel } from '../../_tiny.ts'

const cpu = openCpu()

/** What is said of an adapter of one shape on a model of another. */
function errorOf(
  own: Record<string, unknown>,
  other: Record<string, unknown>,
  baseModel = 'org/its-base',
): TrituneError {
  using temporary = temporaryFolder()
  const [from, onto, adapter] = ['from', 'onto', 'adapter'].map((name) => join(temporary.path, name))
  writeTinyModel(from, own)
  writeTinyModel(onto, other)
  {
    using model = loadModel(from, { device: cpu })
    using lora = attachLora(model, { rank: 2, alpha: 4, targetModules: ['q_proj', 'v_proj'] })
    saveAdapter(adapter, lora, { baseModel })
  }
  using model = loadModel(onto, { device: cpu })
  try {
    loadAdapter(model, adapter)[Symbol.dispose]()
  } catch (error) {
    expect([...model.layers.values()].some(({ adapters }) => adapters.length > 0)).toBe(false)
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('the adapter was loaded')
}

test.each<[string, Record<string, unknown>, Record<string, unknown>, string]>([
  [
    'of more layers',
    { num_hidden_layers: 2 },
    { num_hidden_layers: 5 },
    'the adapter is of a model with 2 layers, this one has 5',
  ],
  ['of fewer layers', { num_hidden_layers: 5 }, { num_hidden_layers: 2 }, 'which the model lacks'],
  ['of another width', {}, { hidden_size: 64, intermediate_size: 64 }, 'has shape'],
  [
    'of more layers and another width',
    { num_hidden_layers: 2 },
    { num_hidden_layers: 5, hidden_size: 64, intermediate_size: 64 },
    'the adapter is of a model with 2 layers, this one has 5',
  ],
])('on a base %s', (_, own, other, said) => {
  const error = errorOf(own, other)
  expect(error.code).toBe('E_ADAPTER')
  expect(error.message).toContain(said)
  expect(error.remedy).toContain(
    'it was trained on "org/its-base" (base_model_name_or_path), and this is another base',
  )
  expect(error.remedy).not.toContain('copy both again')
})

test('an adapter that does not name its base', () => {
  const error = errorOf({ num_hidden_layers: 2 }, { num_hidden_layers: 5 }, '')
  expect(error.remedy).toBe(
    'name the base model that the adapter was trained on; if this is that one, copy the adapter again',
  )
})
