/**
 * One token after the other from a llama whose linear layers are ternary: ours, with packed weights and activations in int8, in turn with llama.cpp on
 * the same weights as TQ2_0, as node-llama-cpp brings it, which is installed once into a cache outside of the repository.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Model } from '../../../core/mod.ts'
import { absMean } from '../../../plugins/bitnet/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { exportModel } from '../../../plugins/export/mod.ts'
import { generate } from '../../../plugins/generate/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { packLayers } from '../../../plugins/qlora/mod.ts'
import { temporaryFolder } from '../../../tests/_golden.ts'
import { findLlamaCpp } from '../../oracle/_llama-cpp.ts'
import { numberIn, startChild } from '../_child.ts'
import { inTurn, median, medianRatio } from '../_measure.ts'
import { type LlamaShape, writeRandomModel } from '../_random-model.ts'
import type { BenchContext, Row } from '../_topic.ts'

const NAME = 'one token, llama.cpp TQ2_0'
/** 0.2 G parameters, nearly all of them in ternary layers; columns are multiples of 256, as TQ2_0 wants. */
const SHAPE: LlamaShape = {
  hidden_size: 1024,
  intermediate_size: 2816,
  num_hidden_layers: 16,
  num_attention_heads: 16,
  num_key_value_heads: 16,
  vocab_size: 4096,
  tie_word_embeddings: true,
}
const TOKENS = 48

export async function ternaryDecode(context: BenchContext): Promise<Row[]> {
  if (context.only !== null && !NAME.includes(context.only)) return []
  context.progress(NAME)
  using temporary = temporaryFolder()
  const folder = join(temporary.path, 'model')
  const file = join(temporary.path, 'model.gguf')
  writeRandomModel(folder, SHAPE)
  await exportModel(folder, { to: 'gguf', output: file, type: 'tq2_0', compare: false })
  const device = openCpu({ threads: context.threads })
  const pack = packLayers(absMean({ span: 'group', group: 256 }), 'f32')
  using model = loadModel(folder, { device, dtype: 'f32', pack })
  await using peer = await startChild('llama.cpp', [
    'node',
    fileURLToPath(new URL('llama_decode.mjs', import.meta.url)),
    findLlamaCpp(),
    file,
    String(context.threads || 2),
    String(TOKENS),
  ])
  const speeds = await inTurn(
    {
      ours: () => TOKENS / decode(model),
      peer: async () => {
        const answer = await peer.ask('decode')
        return numberIn(answer, 'made') / numberIn(answer, 'seconds')
      },
    },
    { repeat: context.quick ? 3 : 9 },
  )
  return [
    {
      name: NAME,
      ours: median(speeds.ours),
      peer: median(speeds.peer),
      unit: 'tokens/s',
      ratio: medianRatio(speeds.ours, speeds.peer),
      floor: null,
      goal: 1,
      better: 'higher',
      note: 'embedding and head are f32 here, Q4_K there',
    },
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Seconds of TOKENS tokens; what the prompt takes is not counted. */
function decode(model: Model): number {
  let started = 0
  let made = 0
  for (const _ of generate(model, [1, 2, 3, 4], { maxNewTokens: TOKENS + 1, temperature: 0 }))
    if (made++ === 0) started = performance.now()
  return (performance.now() - started) / 1000
}
