/**
 * Texts in batches beside one text at a time, on one model: tokens a second of 16 rows over those of one row, prompts included. The rows have
 * one prompt, as the rollouts of a group have, and seeds of their own.
 */
import type { Model } from '../../../core/mod.ts'
import { openCpu } from '../../../plugins/cpu/mod.ts'
import { generateBatch } from '../../../plugins/generate/mod.ts'
import { loadModel } from '../../../plugins/models/mod.ts'
import { expectModel } from '../_expect-model.ts'
import { inTurn, median, medianRatio, seconds } from '../_measure.ts'
import type { Row, Topic } from '../_topic.ts'

const ROWS = 16
const PROMPT = 40
const NEW = 32
/** What the batch must give at least. */
const FLOOR = 4
const DTYPES = ['f32', 'bf16'] as const

export const generateTopic: Topic = {
  name: 'generate',
  async run(context) {
    const folder = expectModel(context, 'generate')
    const rows: Row[] = []
    for (const dtype of DTYPES) {
      if (!nameOf(dtype).includes(context.only ?? '')) continue
      context.progress(`${dtype}: loading`)
      using model = loadModel(folder, { device: openCpu({ threads: context.threads }), dtype })
      const times = await inTurn(
        { batch: () => secondsOf(model, ROWS), one: () => secondsOf(model, 1) },
        { repeat: context.quick ? 3 : 7 },
      )
      rows.push(rowOf(dtype, times))
    }
    return rows
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function nameOf(dtype: string): string {
  return `${ROWS} texts at once over one, ${dtype}`
}

function secondsOf(model: Model, rows: number): number {
  const prompt = Array.from({ length: PROMPT }, (_, i) => (i * 37) % model.info.vocabSize)
  const prompts = Array.from({ length: rows }, () => prompt)
  const seeds = prompts.map((_, row) => row)
  return seconds(() => {
    for (const _ of generateBatch(model, prompts, { maxNewTokens: NEW, temperature: 1, seeds }));
  })
}

function rowOf(dtype: string, { batch, one }: Record<'batch' | 'one', number[]>): Row {
  const speeds = batch.map((time) => (ROWS * NEW) / time)
  const alone = one.map((time) => NEW / time)
  return {
    name: nameOf(dtype),
    ours: median(speeds),
    peer: median(alone),
    unit: 'tokens/s',
    ratio: medianRatio(speeds, alone),
    floor: FLOOR,
    goal: null,
    better: 'higher',
  }
}
