/**
 * The parts of the recipe that is trained by rewards: its questions, its rewards, its picture.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RewardContext } from '../../../../plugins/grpo/mod.ts'
import { readFinetuneConfig } from '../../../../plugins/finetune/mod.ts'
import { drawCurves } from '../../../../scripts/recipes/grpo-json/draw-curves.ts'
import { hasSum, isObject, isRight } from '../../../../scripts/recipes/grpo-json/rewards.ts'
import { promptRecords, questions, warmUpRecords } from '../../../../scripts/recipes/grpo-json/sums.ts'

const FOLDER = join(import.meta.dirname, '../../../../scripts/recipes/grpo-json')

test('few of the examples that warm up are what the rewards ask for', async () => {
  const records = warmUpRecords(4000, 1)
  expect(records).toEqual(warmUpRecords(4000, 1))
  const answers = new Map(questions().map(({ prompt, answer }) => [prompt, answer]))
  const texts = records.map(({ output }) => output)
  const context: RewardContext = {
    prompts: texts,
    records: records.map(({ instruction }) => ({ answer: answers.get(instruction) })),
    completionIds: [],
    ended: [],
    step: 0,
    signal: new AbortController().signal,
  }
  const share = async (reward: typeof isObject): Promise<number> => {
    const given = await reward(texts, context)
    return given.reduce<number>((sum, value) => sum + (value ?? 0), 0) / texts.length
  }
  const [object, sum, right] = [await share(isObject), await share(hasSum), await share(isRight)]
  expect(object).toBeGreaterThan(sum)
  expect(sum).toBeGreaterThan(right)
  expect(right).toBeGreaterThan(0.03)
  expect(0.25 * object + 0.25 * sum + 0.5 * right).toBeLessThan(0.2)
  expect(promptRecords(2)).toHaveLength(200)
})

test.each(['warm-up.yaml', 'grpo.yaml', 'smollm2.yaml'])('%s is a file that runs', (name) => {
  const config = readFinetuneConfig(readFileSync(join(FOLDER, name), 'utf8'), join(FOLDER, name))
  expect(config.notes).toEqual([])
})

test('curves are drawn from 0 to 1, each with its name', () => {
  const svg = drawCurves(
    [
      { name: 'reward', values: [0, 0.5, 1] },
      { name: 'other', values: [1, 1, 1] },
    ],
    'title',
    'footer',
  )
  expect(svg).toContain('M56.0 346.0L366.0 196.0L676.0 46.0')
  expect(svg.match(/stroke-width="2.5"/g)).toHaveLength(2)
  for (const word of ['reward', 'other', 'title', 'footer']) expect(svg).toContain(`>${word}<`)
})
