/**
 * gpt2: learned positions, LayerNorm, one fused projection for q, k, v, weights stored as (in, out) (Radford et al. 2019).
 */
import { Disposables } from '../../../core/disposables.ts'
import {
  add,
  addLayerNorm,
  attention,
  type FloatDType,
  forwardLayer,
  gelu,
  layerNorm,
  type Layer,
  type Model,
  type ModelDefinition,
  normOf,
  reshape,
  slice,
  type Tensor,
  type TokenBatch,
  TrituneError,
  type WeightSource,
} from '../../../core/mod.ts'
import {
  booleanField,
  type ConfigJson,
  integerField,
  MOST_LAYERS,
  numberField,
  stringField,
} from '../_config.ts'
import { type Block as RunBlock, runBlocks } from '../decoder/blocks.ts'
import { collectWeights } from '../_weights.ts'
import { createLeadCache, openLead } from '../_lead.ts'
import { shiftedNorm } from '../decoder/norms.ts'
import type { LayerCache } from '../layer-cache.ts'

interface Block {
  readonly norm1: Layer
  readonly qkv: Layer
  readonly output: Layer
  readonly norm2: Layer
  readonly up: Layer
  readonly down: Layer
}

export const gpt2: ModelDefinition = { name: 'gpt2', create: createGpt2 }

function createGpt2(config: ConfigJson, source: WeightSource): Model {
  const hiddenSize = integerField(config, 'n_embd')
  const layerCount = integerField(config, 'n_layer', undefined, { max: MOST_LAYERS })
  const heads = integerField(config, 'n_head')
  const vocabSize = integerField(config, 'vocab_size')
  const contextLength = integerField(config, 'n_positions')
  const mlpSize = integerField(config, 'n_inner', 4 * hiddenSize)
  const eps = numberField(config, 'layer_norm_epsilon', 1e-5)
  const headDim = hiddenSize / heads
  const scaled = booleanField(config, 'scale_attn_weights', true)
  const byLayer = booleanField(config, 'scale_attn_by_inverse_layer_idx', false)
  const activate = activation(stringField(config, 'activation_function', 'gelu_new'))

  // The original checkpoints leave the `transformer.` out.
  const bare = !source.has('transformer.wte.weight')
  using guard = new Disposables()
  const collector = guard.use(
    collectWeights(source, { fileName: (name) => (bare ? name.replace(/^transformer\./, '') : name) }),
  )
  const norm = (path: string): Layer => collector.norm(path, hiddenSize, { bias: true })
  const conv = (path: string, input: number, output: number): Layer =>
    collector.layer(path, input, output, { bias: true, transposed: true })
  const words = collector.embedding('transformer.wte', vocabSize, hiddenSize)
  const places = collector.embedding('transformer.wpe', contextLength, hiddenSize)
  const blocks: Block[] = Array.from({ length: layerCount }, (_, i) => {
    const path = `transformer.h.${i}`
    return {
      norm1: norm(`${path}.ln_1`),
      qkv: conv(`${path}.attn.c_attn`, hiddenSize, 3 * hiddenSize),
      output: conv(`${path}.attn.c_proj`, hiddenSize, hiddenSize),
      norm2: norm(`${path}.ln_2`),
      up: conv(`${path}.mlp.c_fc`, hiddenSize, mlpSize),
      down: conv(`${path}.mlp.c_proj`, mlpSize, hiddenSize),
    }
  })
  const finalNorm = norm('transformer.ln_f')
  const tied = booleanField(config, 'tie_word_embeddings', true)
  const head = collector.head('lm_head', words, tied)

  function attend(
    block: Block,
    index: number,
    x: Tensor,
    batch: TokenBatch,
    cache: Pick<LayerCache, 'extend'> | null,
  ): Tensor {
    const count = x.shape[0]
    const fused = forwardLayer(block.qkv, x)
    const part = (i: number): Tensor =>
      reshape(slice(fused, { axis: 1, start: i * hiddenSize, end: (i + 1) * hiddenSize }), [
        count,
        heads,
        headDim,
      ])
    const [q, k, v] = [part(0), part(1), part(2)]
    const past = cache?.extend(index, k, v)
    const mixed = attention(q, past?.k ?? k, past?.v ?? v, {
      offsetsQ: batch.offsets,
      offsetsK: past?.offsets ?? batch.offsets,
      scale: (scaled ? 1 / Math.sqrt(headDim) : 1) / (byLayer ? index + 1 : 1),
      causal: true,
    })
    return forwardLayer(block.output, reshape(mixed, [count, hiddenSize]))
  }

  function forwardBlock(
    index: number,
    [h, delta]: readonly Tensor[],
    batch: TokenBatch,
    cache: Pick<LayerCache, 'extend'> | null,
  ): [Tensor, Tensor] {
    const block = blocks[index]
    const [norm1, norm2] = [shiftedNorm(block.norm1), shiftedNorm(block.norm2)]
    const first = delta
      ? addLayerNorm(delta, h, norm1.weight, norm1.bias, { eps })
      : { h, y: layerNorm(h, norm1.weight, norm1.bias, { eps }) }
    const attended = attend(block, index, first.y, batch, cache)
    model.probe?.(`transformer.h.${index}.attn`, attended)
    const second = addLayerNorm(attended, first.h, norm2.weight, norm2.bias, { eps })
    const out = forwardLayer(block.down, activate(forwardLayer(block.up, second.y)))
    model.probe?.(`transformer.h.${index}.mlp`, out)
    return [second.h, out]
  }

  const model: Model = {
    info: {
      type: 'gpt2',
      architecture: 'GPT2LMHeadModel',
      hiddenSize,
      layerCount,
      vocabSize,
      kvHeads: heads,
      headSize: headDim,
      contextLength,
      config,
    },
    layers: collector.layers,
    weights: collector.weights,
    embedding: words,
    head,
    adapters: [],
    probe: null,
    hidden(tokens, { cache, checkpointing = false } = {}) {
      const held = (cache ?? null) as LayerCache | null
      const { batch, expand, strip, past } = openLead(model, tokens, held)
      if (batch.positionCount > contextLength) {
        throw new TrituneError(
          'E_SHAPE',
          `gpt2 has ${contextLength} positions, the batch needs ${batch.positionCount}`,
          { remedy: `set sequence_len to at most ${contextLength}` },
        )
      }
      const embedded = add(expand(forwardLayer(words, tokens.ids)), forwardLayer(places, batch.positions))
      model.probe?.('transformer.wte', embedded)
      const forward: RunBlock = (i, stream) => forwardBlock(i, stream, batch, past)
      const [h, delta] = runBlocks(embedded, layerCount, forward, { checkpointing })
      held?.advance(batch.positions.size)
      const { weight, bias } = shiftedNorm(finalNorm)
      return strip(addLayerNorm(delta, h, weight, bias, { eps }).y)
    },
    createCache: (capacity) =>
      createLeadCache(model, capacity, {
        layers: layerCount,
        kvHeads: heads,
        headDim,
        dtype: normOf(finalNorm).weight.dtype as FloatDType,
        device: words.device,
      }),
    [Symbol.dispose]() {
      for (const { adapter } of model.adapters) adapter[Symbol.dispose]()
      owned.dispose()
    },
  }
  const owned = guard.move()
  return model
}

function activation(name: string): (x: Tensor) => Tensor {
  if (name === 'gelu_new' || name === 'gelu_pytorch_tanh') return (x) => gelu(x, { approximate: 'tanh' })
  if (name === 'gelu') return (x) => gelu(x)
  throw new TrituneError('E_UNSUPPORTED', `config.json: activation_function "${name}" is not supported`, {
    remedy: 'supported: gelu_new, gelu',
  })
}
