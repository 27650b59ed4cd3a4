/**
 * The decoder that all families but gpt2 share: blocks of rotary attention and an MLP, a norm at the end, and the head.
 *
 * Where families differ is in the traits, each of which is a thing of its own: the form of a block, its attention, its MLP, its norms, how
 * positions turn.
 */
import { Disposables } from '../../../core/disposables.ts'
import {
  affine,
  currentNoise,
  type Device,
  dropout,
  type FloatDType,
  forwardLayer,
  type KvCache,
  type Model,
  normOf,
  rounded,
  siteOf,
  type Tensor,
  type WeightSource,
  type WrittenModel,
} from '../../../core/mod.ts'
import { booleanField, type ConfigJson, numberField } from '../_config.ts'
import { createLeadCache, openLead } from '../_lead.ts'
import { collectWeights } from '../_weights.ts'
import type { LayerCache } from '../layer-cache.ts'
import { scoreLabels, scoringArchitecture } from '../_score.ts'
import { BALANCE_LOSS, balanceOf } from '../moe/router.ts'
import { readRopeConfig } from '../rope/mod.ts'
import { type AttentionTraits, loadAttention } from './attention.ts'
import { type BlockForm, preNorm, type RunBlock } from './block-forms.ts'
import { type Block, runBlocks } from './blocks.ts'
import { gatedMlp, type LoadMlp } from './mlp.ts'
import { type NormKind, normsOf } from './norms.ts'
import type { Part } from './pass.ts'
import { createRotary, type RotaryTraits } from './rotary.ts'
import { decoderSizes } from './sizes.ts'

/** Where the family's members differ. */
export interface DecoderTraits extends AttentionTraits, RotaryTraits {
  readonly type: string
  readonly architecture: string
  /** What stands before the names of blocks, embedding and last norm; default: `model`. */
  readonly prefix?: string
  /** Under which name the file has a weight; default: its own. */
  fileName?(name: string): string
  /** How the model is written, where that is not as it was read. */
  readonly written?: WrittenModel
  /** Where norms stand; default: before each part. */
  readonly block?: BlockForm
  /** Of the stream; `rms_norm_eps` or `layer_norm_eps` is its ε. Default: rms. */
  readonly norm?: NormKind
  /** Default: a gated one. */
  readonly mlp?: LoadMlp
  /** Biases in a gated MLP. */
  readonly mlpBias?: boolean
  /** Chance that training drops an element of what a part adds to the stream. */
  readonly dropout?: number
  /** What the rows of the embedding are multiplied by, adapters on it included. */
  readonly embeddingScale?: number
  /** What the whole stream before the first block is multiplied by, virtual tokens included. */
  readonly streamScale?: number
  /** What each part's addition to the stream is multiplied by. */
  readonly residualScale?: number
  /** What the logits are multiplied by; it is put on the last hidden states. */
  readonly logitScale?: number
  /** cap·tanh(logit/cap); 0: none. */
  readonly logitSoftcap?: number
  /** What the balance of experts counts in the loss; null: nothing. */
  readonly balance?: number | null
}

/** Builds the model; throws E_MODEL for a config or checkpoint that does not fit. */
export function createDecoder(config: ConfigJson, source: WeightSource, traits: DecoderTraits): Model {
  const sizes = decoderSizes(config)
  const { norm: kind = 'rms', block: form = preNorm, dropout: chance = 0, residualScale = 1 } = traits
  const { prefix = 'model', fileName, written } = traits
  const eps = kind.startsWith('rms')
    ? numberField(config, 'rms_norm_eps', 1e-6)
    : numberField(config, 'layer_norm_eps', 1e-5)
  const norms = normsOf(kind, eps)
  const tied = booleanField(config, 'tie_word_embeddings', false)
  const loadMlp = traits.mlp ?? gatedMlp(config, { bias: traits.mlpBias, subNorm: traits.subNorms })
  const sharedRope = traits.rope ? null : readRopeConfig(config, sizes.headDim)

  using guard = new Disposables()
  const collector = guard.use(collectWeights(source, fileName ? { fileName } : {}))
  const embed = collector.embedding(`${prefix}.embed_tokens`, sizes.vocab, sizes.hidden, {
    rowScale: traits.embeddingScale,
  })
  let sparse = 0
  const blocks = Array.from({ length: sizes.layers }, (_, layer) => loadBlock(layer))
  const finalNorm = norms.load(collector, `${prefix}.norm`, sizes.hidden)
  const labels = scoreLabels(config)
  const head =
    labels === null
      ? collector.head('lm_head', embed, tied, { softcap: traits.logitSoftcap })
      : collector.score('score', sizes.hidden, labels)
  const architecture = labels === null ? traits.architecture : scoringArchitecture(traits.architecture)
  const device: Device = embed.device
  const dtype = normOf(finalNorm).weight.dtype as FloatDType
  const rotary = guard.use(
    createRotary({ ...traits, rope: traits.rope ?? (() => sharedRope) }, sizes.layers, device),
  )

  function loadBlock(layer: number): RunBlock {
    const path = `${prefix}.layers.${layer}`
    return form({
      norms,
      norm: (name) => norms.load(collector, `${path}.${name}`, sizes.hidden),
      attention: () =>
        added(
          `${path}.self_attn`,
          loadAttention(collector, { path: `${path}.self_attn`, layer, sizes, eps }, traits),
        ),
      mlp() {
        const mlp = loadMlp(collector, { block: path, layer, sizes, eps })
        if (mlp.balanced) sparse++
        return added(`${path}.mlp`, (x, pass) => mlp.forward(x, pass))
      },
    })
  }

  /** What a part adds, as it is added: scaled, some of it dropped in training. */
  function added(path: string, part: Part): Part {
    return (x, pass) => {
      const sum = dropped(scaled(part(x, pass), residualScale), path)
      model.probe?.(path, sum)
      return sum
    }
  }

  function dropped(x: Tensor, path: string): Tensor {
    return chance > 0 && currentNoise() ? dropout(x, { p: chance, site: siteOf(path) }) : x
  }

  const model: Model = {
    info: {
      type: traits.type,
      architecture,
      hiddenSize: sizes.hidden,
      layerCount: sizes.layers,
      vocabSize: sizes.vocab,
      kvHeads: sizes.kvHeads,
      headSize: sizes.headDim,
      contextLength: sizes.context,
      config: labels === null ? config : { ...config, architectures: [architecture] },
      ...(written ? { written } : {}),
    },
    layers: collector.layers,
    weights: collector.weights,
    embedding: embed,
    head,
    expertParameters: collector.expertParameters,
    scoreHead: labels === null ? null : head,
    adapters: [],
    probe: null,
    hidden(tokens, { cache, checkpointing = false, auxiliary } = {}) {
      const held = (cache ?? null) as LayerCache | null
      const { batch, expand, strip, past } = openLead(model, tokens, held)
      const pass = { batch, cache: past, turn: rotary.open(batch) }
      // transformers keeps this factor in the dtype of the weights.
      const rows = scaled(forwardLayer(embed, tokens.ids), rounded(dtype, embed.rowScale ?? 1))
      const embedded = dropped(rows, `${prefix}.embed_tokens`)
      model.probe?.(`${prefix}.embed_tokens`, embedded)
      const coefficient = auxiliary ? (traits.balance ?? null) : null
      const forward: Block = (i, [before, change, sum]) => {
        const balance = coefficient === null ? null : { sum }
        const next = blocks[i](change ? [before, change] : [before], { ...pass, balance })
        return balance?.sum ? [...next, balance.sum] : next
      }
      const start = scaled(expand(embedded), traits.streamScale ?? 1)
      const [h, delta, balance] = runBlocks(start, sizes.layers, forward, { checkpointing })
      held?.advance(batch.positions.size)
      if (coefficient !== null && balance)
        auxiliary?.set(BALANCE_LOSS, balanceOf(balance, sparse * h.shape[0], coefficient))
      const logitScale = labels === null ? (traits.logitScale ?? 1) : 1
      return strip(scaled(norms.add(finalNorm, h, delta).y, logitScale))
    },
    createCache: (capacity): KvCache =>
      createLeadCache(model, capacity, {
        layers: sizes.layers,
        kvHeads: sizes.kvHeads,
        headDim: sizes.headDim,
        dtype,
        device,
      }),
    [Symbol.dispose]() {
      for (const { adapter } of model.adapters) adapter[Symbol.dispose]()
      owned.dispose()
    },
  }
  const owned = guard.move()
  return model
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function scaled(x: Tensor, scale: number): Tensor {
  return scale === 1 ? x : affine(x, { scale })
}
