/**
 * The decoder that llama, mistral, qwen2, qwen3, bitnet and tritter share: pre-norm blocks of rotary attention and a gated MLP.
 *
 * Residual adds are fused with the norm that follows them, so a block takes and gives the pair (h, delta): the stream so
 * far and what the last part wants to add to it.
 */
import { Disposables } from '../../core/disposables.ts'
import {
  attention,
  currentNoise,
  type Device,
  dropout,
  type FloatDType,
  forwardLayer,
  type KvCache,
  type Layer,
  type Model,
  normOf,
  reshape,
  rmsNorm,
  rope,
  siteOf,
  type Tensor,
  type TokenBatch,
  type WeightSource,
} from '../../core/mod.ts'
import {
  booleanField,
  type ConfigJson,
  integerField,
  MOST_LAYERS,
  numberField,
  stringField,
} from './_config.ts'
import { type Block as RunBlock, runBlocks } from './_blocks.ts'
import { gatedActivation } from './_gated.ts'
import { collectWeights, type WeightCollector } from './_weights.ts'
import type { SparseMlp } from './_moe.ts'
import { BALANCE_LOSS, balanceOf } from './_router.ts'
import { headSize, keyValueHeads } from './model-size.ts'
import { createLeadCache, openLead } from './_lead.ts'
import { type NormKind, normsOf } from './_norms.ts'
import type { LayerCache } from './cache.ts'
import { scoreLabels, scoringArchitecture } from './_score.ts'
import { createRopeTables, readRopeConfig } from './rope.ts'

/** Where the family's members differ. */
export interface DecoderTraits {
  readonly type: string
  readonly architecture: string
  /** Biases on q, k, v; on o; in the MLP. */
  readonly qkvBias: boolean
  readonly outputBias: boolean
  readonly mlpBias: boolean
  /** RMSNorm of each head of q and k (qwen3). */
  readonly qkNorm: boolean
  /** Of the stream before each part and at the end; `rms_norm_eps` or `layer_norm_eps` is its ε. Default: rms. */
  readonly norm?: NormKind
  /** RMSNorm before the last linear layer of attention and MLP (bitnet). */
  readonly subNorms?: boolean
  /** Chance that training drops an element of what a part adds to the stream. */
  readonly dropout?: number
  /** Sliding window of a layer, 0 = none. */
  window(layer: number): number
  /** A mixture of experts in the place of the MLP `path` of a block; null: it has a plain one. */
  sparse?(weights: WeightCollector, path: string, layer: number): SparseMlp | null
  /** What the balance of the experts counts in the loss; null: nothing. */
  readonly balance?: number | null
}

interface Angles {
  readonly cos: Tensor
  readonly sin: Tensor
}

interface Block {
  readonly inputNorm: Layer
  readonly q: Layer
  readonly k: Layer
  readonly v: Layer
  readonly o: Layer
  readonly qNorm: Layer | null
  readonly kNorm: Layer | null
  readonly attnSubNorm: Layer | null
  readonly postNorm: Layer
  readonly mlp: DenseMlp | null
  readonly sparse: SparseMlp | null
}

interface DenseMlp {
  readonly gate: Layer
  readonly up: Layer
  readonly ffnSubNorm: Layer | null
  readonly down: Layer
}

/** Builds the model; throws E_MODEL for a config or checkpoint that does not fit. */
export function createDecoder(config: ConfigJson, source: WeightSource, traits: DecoderTraits): Model {
  const hiddenSize = integerField(config, 'hidden_size')
  const layerCount = integerField(config, 'num_hidden_layers', undefined, { max: MOST_LAYERS })
  const heads = integerField(config, 'num_attention_heads')
  const kvHeads = keyValueHeads(config, heads)
  const headDim = headSize(config, hiddenSize, heads)
  const vocabSize = integerField(config, 'vocab_size')
  const mlpSize = integerField(config, 'intermediate_size')
  const { norm: kind = 'rms', dropout: chance = 0 } = traits
  const eps =
    kind === 'rms' ? numberField(config, 'rms_norm_eps', 1e-6) : numberField(config, 'layer_norm_eps', 1e-5)
  const norms = normsOf(kind, eps)
  const tied = booleanField(config, 'tie_word_embeddings', false)
  const gated = gatedActivation(stringField(config, 'hidden_act', 'silu'))

  const angles = readRopeConfig(config, headDim)
  using guard = new Disposables()
  const collector = guard.use(collectWeights(source))
  const embed = collector.embedding('model.embed_tokens', vocabSize, hiddenSize)
  const blocks = Array.from({ length: layerCount }, (_, i) => loadBlock(collector, i))
  const finalNorm = norms.load(collector, 'model.norm', hiddenSize)
  const labels = scoreLabels(config)
  const head =
    labels === null ? collector.head('lm_head', embed, tied) : collector.score('score', hiddenSize, labels)
  const architecture = labels === null ? traits.architecture : scoringArchitecture(traits.architecture)
  const device: Device = embed.device
  const dtype = normOf(finalNorm).weight.dtype as FloatDType
  const tables = createRopeTables(angles, device)

  function loadBlock(weights: WeightCollector, index: number): Block {
    const path = `model.layers.${index}`
    const { qkvBias, outputBias, qkNorm, subNorms = false } = traits
    const attention = {
      inputNorm: norms.load(weights, `${path}.input_layernorm`, hiddenSize),
      q: weights.layer(`${path}.self_attn.q_proj`, hiddenSize, heads * headDim, { bias: qkvBias }),
      k: weights.layer(`${path}.self_attn.k_proj`, hiddenSize, kvHeads * headDim, { bias: qkvBias }),
      v: weights.layer(`${path}.self_attn.v_proj`, hiddenSize, kvHeads * headDim, { bias: qkvBias }),
      o: weights.layer(`${path}.self_attn.o_proj`, heads * headDim, hiddenSize, { bias: outputBias }),
      qNorm: qkNorm ? weights.norm(`${path}.self_attn.q_norm`, headDim) : null,
      kNorm: qkNorm ? weights.norm(`${path}.self_attn.k_norm`, headDim) : null,
      attnSubNorm: subNorms ? weights.norm(`${path}.self_attn.attn_sub_norm`, heads * headDim) : null,
      postNorm: norms.load(weights, `${path}.post_attention_layernorm`, hiddenSize),
    }
    const sparse = traits.sparse?.(weights, path, index) ?? null
    return { ...attention, sparse, mlp: sparse ? null : loadMlp(weights, `${path}.mlp`) }
  }

  function loadMlp(weights: WeightCollector, path: string): DenseMlp {
    const { mlpBias: bias, subNorms = false } = traits
    return {
      gate: weights.layer(`${path}.gate_proj`, hiddenSize, mlpSize, { bias }),
      up: weights.layer(`${path}.up_proj`, hiddenSize, mlpSize, { bias }),
      ffnSubNorm: subNorms ? weights.norm(`${path}.ffn_sub_norm`, mlpSize) : null,
      down: weights.layer(`${path}.down_proj`, mlpSize, hiddenSize, { bias }),
    }
  }

  /** x (T, C) → (T, C): attention of one block, without the residual. */
  function attend(
    block: Block,
    index: number,
    x: Tensor,
    batch: TokenBatch,
    angles: Angles,
    cache: Pick<LayerCache, 'extend'> | null,
  ): Tensor {
    const tokens = x.shape[0]
    const headsOf = (layer: Layer, count: number, norm: Layer | null): Tensor => {
      const projected = reshape(forwardLayer(layer, x), [tokens, count, headDim])
      return norm ? rmsNorm(projected, normOf(norm).weight, { eps }) : projected
    }
    const q = rope(headsOf(block.q, heads, block.qNorm), { ...angles, positions: batch.positions })
    const k = rope(headsOf(block.k, kvHeads, block.kNorm), { ...angles, positions: batch.positions })
    const v = headsOf(block.v, kvHeads, null)
    const past = cache?.extend(index, k, v)
    const mixed = attention(q, past?.k ?? k, past?.v ?? v, {
      offsetsQ: batch.offsets,
      offsetsK: past?.offsets ?? batch.offsets,
      scale: 1 / Math.sqrt(headDim),
      causal: true,
      window: traits.window(index),
    })
    return forwardLayer(block.o, subNorm(block.attnSubNorm, reshape(mixed, [tokens, heads * headDim])))
  }

  function subNorm(norm: Layer | null, x: Tensor): Tensor {
    return norm ? rmsNorm(x, normOf(norm).weight, { eps }) : x
  }

  /** What a part adds, some of it dropped in training. */
  function dropped(x: Tensor, path: string): Tensor {
    return chance > 0 && currentNoise() ? dropout(x, { p: chance, site: siteOf(path) }) : x
  }

  function forwardMlp({ gate, up, ffnSubNorm, down }: DenseMlp, x: Tensor): Tensor {
    const inner = gated(forwardLayer(gate, x), forwardLayer(up, x))
    return forwardLayer(down, subNorm(ffnSubNorm, inner))
  }

  /** What the MLP of a block adds; with `balanced` also the balance of the experts so far. */
  function mlpOf(
    { mlp, sparse }: Block,
    x: Tensor,
    balance: Tensor | undefined,
    balanced: boolean,
  ): Tensor[] {
    if (mlp) return balance ? [forwardMlp(mlp, x), balance] : [forwardMlp(mlp, x)]
    if (!sparse) return []
    if (!balanced) return [sparse.forward(x)]
    const both = sparse.forwardBalanced(x, balance)
    return [both.y, both.balance]
  }

  /** [h, delta, balance] → [h, delta, balance]: one block. There is no delta before the first one. */
  function forwardBlock(
    index: number,
    [h, delta, balance]: readonly Tensor[],
    batch: TokenBatch,
    angles: Angles,
    cache: Pick<LayerCache, 'extend'> | null,
    balanced: boolean,
  ): Tensor[] {
    const block = blocks[index]
    const path = `model.layers.${index}`
    const first = norms.add(block.inputNorm, h, delta)
    const attended = dropped(attend(block, index, first.y, batch, angles, cache), `${path}.self_attn`)
    model.probe?.(`${path}.self_attn`, attended)
    const second = norms.add(block.postNorm, first.h, attended)
    const [added, ...others] = mlpOf(block, second.y, balance, balanced)
    const out = dropped(added, `${path}.mlp`)
    model.probe?.(`${path}.mlp`, out)
    return [second.h, out, ...others]
  }

  const model: Model = {
    info: {
      type: traits.type,
      architecture,
      hiddenSize,
      layerCount,
      vocabSize,
      kvHeads,
      headSize: headDim,
      contextLength: integerField(config, 'max_position_embeddings', 2048),
      config: labels === null ? config : { ...config, architectures: [architecture] },
    },
    layers: collector.layers,
    weights: collector.weights,
    embedding: embed,
    head,
    scoreHead: labels === null ? null : head,
    adapters: [],
    probe: null,
    hidden(tokens, { cache, checkpointing = false, auxiliary } = {}) {
      const held = (cache ?? null) as LayerCache | null
      const { batch, expand, strip, past } = openLead(model, tokens, held)
      const angles = tables.at(batch.positionCount)
      const embedded = dropped(forwardLayer(embed, tokens.ids), 'model.embed_tokens')
      model.probe?.('model.embed_tokens', embedded)
      const coefficient = auxiliary ? (traits.balance ?? null) : null
      const forward: RunBlock = (i, stream) =>
        forwardBlock(i, stream, batch, angles, past, coefficient !== null)
      const [h, delta, balance] = runBlocks(expand(embedded), layerCount, forward, { checkpointing })
      held?.advance(batch.positions.size)
      if (coefficient !== null && balance) {
        const sparse = blocks.filter((block) => block.sparse).length
        auxiliary?.set(BALANCE_LOSS, balanceOf(balance, sparse * h.shape[0], coefficient))
      }
      return strip(norms.add(finalNorm, h, delta).y)
    },
    createCache: (capacity): KvCache =>
      createLeadCache(model, capacity, { layers: layerCount, kvHeads, headDim, dtype, device }),
    [Symbol.dispose]() {
      for (const { adapter } of model.adapters) adapter[Symbol.dispose]()
      tables[Symbol.dispose]()
      owned.dispose()
    },
  }
  const owned = guard.move()
  return model
}
