/**
 * Adapters of other shapes than LoRA on linear layers, beside what PEFT computes with the same files: of the whole model, on
 * embedding and head, and several at once.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { type Checkpoint, openCheckpoint } from '../../../core/files/checkpoint.ts'
import {
  activateAdapters,
  backward,
  type Device,
  headCrossEntropy,
  headLogits,
  type Model,
  noGrad,
  referenceDevice,
  tensor,
  tensorScope,
} from '../../../core/mod.ts'
import { embeddingDelta } from '../../../docs/examples/embedding-delta.ts'
import { keyValuePrefix } from '../../../docs/examples/key-value-prefix.ts'
import { promptTokens } from '../../../docs/examples/prompt-tokens.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { generate } from '../../../plugins/generate/mod.ts'
import { createBatch, loadModel } from '../../../plugins/models/mod.ts'
import { attachAdapter, type AttachedAdapter, loadAdapter } from '../../../plugins/peft/mod.ts'
import { createHostlessDevice } from '../../cases/hostless-device.ts'
import { GOLDEN, goldenJson, readFloats, relativeError, sameBytes } from '../../_golden.ts'

const cpu = openCpu()
const DEFINITIONS = { 'prompt-tokens': promptTokens, 'key-value-prefix': keyValuePrefix }
const LENGTH = 11

interface Golden {
  readonly folder: string
  readonly base: string
  readonly loss: number
  readonly greedy: readonly number[]
  readonly effect: number
  readonly expected: Checkpoint
  readonly ids: Int32Array
}

function open(name: string): Golden {
  const folder = join(GOLDEN, 'peft-families', name)
  const info = goldenJson<Pick<Golden, 'base' | 'loss' | 'greedy' | 'effect'>>(
    'peft-families',
    name,
    'expected.json',
  )
  const expected = openCheckpoint(join(folder, 'expected.safetensors'))
  const entry = expected.entries.get('input_ids')
  if (!entry) throw new Error(`${name} has no input_ids`)
  const ids = new Int32Array(Uint8Array.from(expected.read(entry)).buffer)
  return { ...info, folder, base: join(folder, info.base), expected, ids }
}

/** Both sequences of the golden file as documents of one batch. */
const offsets = [0, LENGTH, 2 * LENGTH]

function logitsOf(model: Model, { ids }: Golden, documents: readonly number[] = offsets): Float32Array {
  return noGrad(() => {
    using _scope = tensorScope()
    return headLogits(
      model.head,
      model.hidden(createBatch({ ids, offsets: documents }, model.head.device)),
    ).toArray()
  })
}

/** The mean loss of the next token; gradients are added to the parameters. */
function lossOf(model: Model, { ids }: Golden, checkpointing: boolean): number {
  using _scope = tensorScope()
  const { device } = model.head
  const targets = ids.map((_, i) => (i % LENGTH === LENGTH - 1 ? -100 : ids[i + 1]))
  const hidden = model.hidden(createBatch({ ids, offsets }, device), { checkpointing })
  const loss = headCrossEntropy(model.head, hidden, tensor(targets, { dtype: 'i32', device }), {
    scale: 1 / (2 * (LENGTH - 1)),
  })
  backward(loss)
  return loss.item()
}

function gradOf({ parameters }: AttachedAdapter, name: string): Float32Array {
  return parameters.get(name)?.grad?.toArray() ?? new Float32Array()
}

/** The last one is like a GPU: its memory cannot be looked into. */
const devices: readonly Device[] = [cpu, referenceDevice, createHostlessDevice()]

describe.each(['prompt', 'prompt-gpt2', 'prefix', 'prefix-gpt2'])('%s', (name) => {
  const golden = open(name)

  test.each(devices.map((device) => [device.name, device] as const))(
    'logits, loss and gradient of PEFT on %s',
    (_, device) => {
      using model = loadModel(golden.base, { device })
      const plain = logitsOf(model, golden)
      {
        using adapter = loadAdapter(model, golden.folder, { definitions: DEFINITIONS })
        const logits = logitsOf(model, golden)
        expect(relativeError(logits, readFloats(golden.expected, 'logits'))).toBeLessThanOrEqual(1e-5)
        expect(relativeError(logits, plain)).toBeCloseTo(golden.effect, 3)
        for (const checkpointing of [false, true]) {
          for (const parameter of adapter.parameters.values())
            parameter.grad?.set(new Float32Array(parameter.size))
          expect(lossOf(model, golden, checkpointing)).toBeCloseTo(golden.loss, 4)
          const gradient = gradOf(adapter, 'prompt_embeddings')
          expect(
            relativeError(gradient, readFloats(golden.expected, 'grad.prompt_embeddings')),
          ).toBeLessThanOrEqual(1e-4)
        }
      }
      expect(sameBytes(logitsOf(model, golden), plain)).toBe(true)
    },
  )

  test('documents do not see each other, and each one gets its own', () => {
    using model = loadModel(golden.base, { device: referenceDevice })
    using _adapter = loadAdapter(model, golden.folder, { definitions: DEFINITIONS })
    const vocabulary = model.info.vocabSize
    const together = logitsOf(model, golden, [0, 3, 4, LENGTH, 2 * LENGTH])
    const alone = logitsOf(model, { ...golden, ids: golden.ids.slice(4, LENGTH) }, [0, LENGTH - 4])
    expect(relativeError(together.slice(4 * vocabulary, LENGTH * vocabulary), alone)).toBeLessThanOrEqual(
      1e-6,
    )
  })

  test('the tokens that PEFT generates, through the cache', () => {
    using model = loadModel(golden.base, { device: cpu })
    using _adapter = loadAdapter(model, golden.folder, { definitions: DEFINITIONS })
    const prompt = Array.from(golden.ids.slice(0, LENGTH))
    expect([...generate(model, prompt, { maxNewTokens: 8 })]).toEqual([...golden.greedy])
    activateAdapters(model, [])
    expect([...generate(model, prompt, { maxNewTokens: 8 })]).not.toEqual([...golden.greedy])
  })
})

test('LoRA on the output head: logits, loss and gradients of PEFT', () => {
  const golden = open('head')
  for (const device of devices) {
    using model = loadModel(golden.base, { device })
    using adapter = loadAdapter(model, golden.folder)
    expect([...adapter.adapters.keys()]).toContain('lm_head')
    expect(relativeError(logitsOf(model, golden), readFloats(golden.expected, 'logits'))).toBeLessThanOrEqual(
      1e-5,
    )
    expect(lossOf(model, golden, true)).toBeCloseTo(golden.loss, 4)
    for (const factor of ['lm_head.lora_A.weight', 'lm_head.lora_B.weight'])
      expect(
        relativeError(gradOf(adapter, factor), readFloats(golden.expected, `grad.${factor}`)),
      ).toBeLessThanOrEqual(1e-4)
  }
})

test('LoRA on the token embedding: logits, loss and gradients of PEFT', () => {
  const golden = open('embedding')
  using model = loadModel(golden.base, { device: cpu })
  using adapter = attachAdapter(
    model,
    embeddingDelta,
    { rank: 4, alpha: 8 },
    { targetModules: ['embed_tokens'] },
  )
  const saved = openCheckpoint(join(golden.folder, 'adapter_model.safetensors'))
  for (const [name, target] of adapter.tensors) target.set(readFloats(saved, name))
  expect(adapter.tensors.size).toBe(saved.entries.size)
  expect(relativeError(logitsOf(model, golden), readFloats(golden.expected, 'logits'))).toBeLessThanOrEqual(
    1e-5,
  )
  expect(lossOf(model, golden, false)).toBeCloseTo(golden.loss, 4)
  for (const name of adapter.parameters.keys())
    expect(
      relativeError(gradOf(adapter, name), readFloats(golden.expected, `grad.${name}`)),
    ).toBeLessThanOrEqual(1e-4)
})

test('two LoRAs at once: the logits of PEFT with both active, whichever came first', () => {
  const golden = open('pair')
  const folders = [golden.folder, join(golden.folder, 'second')]
  const logits = [folders, folders.toReversed()].map((order) => {
    using model = loadModel(golden.base, { device: cpu })
    using stack = new DisposableStack()
    for (const [i, folder] of order.entries()) stack.use(loadAdapter(model, folder, { name: `number ${i}` }))
    return logitsOf(model, golden)
  })
  for (const one of logits)
    expect(relativeError(one, readFloats(golden.expected, 'logits'))).toBeLessThanOrEqual(1e-5)
})
