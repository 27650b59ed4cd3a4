/**
 * Whole runs from preferences: what they report, resuming, the reference, the split into micro-batches, and what is refused.
 */
import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/mod.ts'
import { checkRun } from '../../../plugins/finetune/mod.ts'
import {
  type Changes,
  fileBytes,
  metricsOf,
  type Trained,
  type Workspace,
  workspace,
} from '../finetune/_run.ts'

const ADAPTER = 'adapter_model.safetensors'

interface Row {
  readonly [key: string]: unknown
}

/** Twelve pairs: counting on is better than counting back. */
const PAIRS: readonly Row[] = Array.from({ length: 12 }, (_, i) => ({
  prompt: `${i} ${i + 1} `,
  chosen: `${i + 2} ${i + 3}`,
  rejected: `${i} ${i % 3} ${i}`,
}))

const ANSWERS: readonly Row[] = PAIRS.flatMap(({ prompt, chosen, rejected }) => [
  { prompt, completion: chosen, label: true },
  { prompt, completion: rejected, label: false },
])

function preferences(): Workspace & { write(name: string, rows: readonly Row[]): string } {
  const space = workspace()
  const write = (name: string, rows: readonly Row[]): string => {
    const path = join(space.path, name)
    writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    return path
  }
  write('pairs.jsonl', PAIRS)
  write('answers.jsonl', ANSWERS)
  return { ...space, write, [Symbol.dispose]: () => space[Symbol.dispose]() }
}

function at(space: Workspace, name: string, changes: Changes = {}): Changes {
  return {
    rl: 'dpo',
    datasets: [{ path: join(space.path, changes.rl === 'kto' ? 'answers.jsonl' : 'pairs.jsonl') }],
    warmup_steps: 0,
    output_dir: join(space.path, name),
    ...changes,
  }
}

async function refusal(work: Promise<unknown>): Promise<TrituneError> {
  try {
    await work
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('a run of DPO', () => {
  test('begins at ln 2, prefers the better answers, and reports under the names of trl', async () => {
    using space = preferences()
    const { losses, outputDir } = await space.train(
      at(space, 'out', { max_steps: 8, val_set_size: 4, eval_steps: 4, learning_rate: 1e-2 }),
    )
    expect(losses[0]).toBeCloseTo(Math.LN2, 5)
    expect(losses[7]).toBeLessThan(losses[0])
    const lines = metricsOf(outputDir)
    expect(lines[0]).toMatchObject({ 'rewards/chosen': 0, 'rewards/margins': 0, 'rewards/accuracies': 0 })
    const evaluation = lines.find((line) => Object.hasOwn(Object(line), 'eval_loss'))
    expect(Object.keys(Object(evaluation)).toSorted()).toEqual([
      'eval_logps/chosen',
      'eval_logps/rejected',
      'eval_loss',
      'eval_rewards/accuracies',
      'eval_rewards/chosen',
      'eval_rewards/margins',
      'eval_rewards/rejected',
      'step',
    ])
  })

  test.each([
    ['LoRA', { lora_dropout: 0.2 }],
    ['all weights', { adapter: 'none', lora_r: null, lora_alpha: null, lora_target_linear: null }],
  ])('stopped and resumed gives the same bits: %s', async (name, changes) => {
    using space = preferences()
    const file = name === 'LoRA' ? ADAPTER : 'model.safetensors'
    const saving = { ...changes, save_strategy: undefined, save_steps: 2 }
    const whole = await space.train(at(space, 'whole', saving))
    const controller = new AbortController()
    await space.train(at(space, 'parts', saving), {
      signal: controller.signal,
      onEvent: (event) => event.type === 'step' && event.report.step === 3 && controller.abort(),
    })
    const rest = await space.train(at(space, 'parts', saving), { resume: 'newest' })
    expect(rest.losses).toEqual(whole.losses.slice(-rest.losses.length))
    expect(fileBytes(space.path, 'parts', file).equals(fileBytes(space.path, 'whole', file))).toBe(true)
  })

  test('takes the reference of an earlier run from dataset_prepared_path, unless it is damaged', async () => {
    using space = preferences()
    const folder = join(space.path, 'prepared')
    const changes = { dataset_prepared_path: folder, max_steps: 2 }
    const first = await space.train(at(space, 'first', changes))
    const [file] = readdirSync(folder).filter((name) => name.startsWith('reference-'))
    const path = join(folder, file)
    const again = await space.train(at(space, 'again', changes))
    expect(again.losses).toEqual(first.losses)
    const numbers = readFileSync(path)
    // Another reference with its own checksum is taken as it is: the first loss is no longer ln 2.
    const other = Buffer.from(Float32Array.from({ length: 24 }, (_, i) => -i).buffer)
    writeFileSync(path, Buffer.concat([other, createHash('sha256').update(other).digest()]))
    const taken = await space.train(at(space, 'taken', changes))
    expect(Math.abs(taken.losses[0] - Math.LN2)).toBeGreaterThan(1e-3)
    writeFileSync(path, numbers.subarray(4))
    const mended = await space.train(at(space, 'mended', changes))
    expect(mended.losses).toEqual(first.losses)
    expect(readFileSync(path).equals(numbers)).toBe(true)
  })

  test('packed pairs stay together: the same first loss', async () => {
    using space = preferences()
    const ipo = { rl: 'ipo', max_steps: 1, micro_batch_size: 12, gradient_accumulation_steps: 1 }
    const plain = await space.train(at(space, 'plain', ipo))
    const packed = await space.train(at(space, 'packed', { ...ipo, sample_packing: true }))
    expect(packed.losses[0]).toBeCloseTo(plain.losses[0], 3)
  })

  test('that goes on with an adapter has the adapter for its reference', async () => {
    using space = preferences()
    await space.train(at(space, 'first', { max_steps: 3 }))
    const { losses } = await space.train(
      at(space, 'second', {
        max_steps: 1,
        lora_model_dir: join(space.path, 'first'),
        lora_r: null,
        lora_alpha: null,
        lora_target_linear: null,
      }),
    )
    expect(losses[0]).toBeCloseTo(Math.LN2, 5)
  })
})

test('a run of KTO whose labels have changed is not resumed', async () => {
  using space = preferences()
  const path = space.write('labels.jsonl', ANSWERS)
  const changes = { rl: 'kto', datasets: [{ path }], save_strategy: undefined, save_steps: 1, max_steps: 3 }
  const controller = new AbortController()
  await space.train(at(space, 'out', changes), {
    signal: controller.signal,
    onEvent: (event) => event.type === 'step' && controller.abort(),
  })
  space.write(
    'labels.jsonl',
    ANSWERS.map((row) => ({ ...row, label: row['label'] !== true })),
  )
  const { code } = await refusal(space.train(at(space, 'out', changes), { resume: 'newest' }))
  expect(code).toBe('E_RESUME')
})

describe('the split into micro-batches changes nothing of the first two losses', () => {
  test.each(['dpo', 'ipo', 'orpo', 'kto', 'simpo', 'cpo', 'reward_model'])('%s', async (rl) => {
    using space = preferences()
    const asked = rl === 'reward_model' ? { rl: null, reward_model: true } : { rl }
    const run = async (name: string, micro: number, steps: number): Promise<Trained> =>
      await space.train(
        at(space, name, {
          ...asked,
          max_steps: 2,
          micro_batch_size: micro,
          gradient_accumulation_steps: steps,
          // Groups of mismatched answers are groups of records, whatever the batches are.
          ...(rl === 'kto' ? { kto_desirable_weight: 1.1 } : {}),
        }),
      )
    const one = await run('one', 6, 1)
    const many = await run('many', rl === 'kto' ? 3 : 1, rl === 'kto' ? 2 : 6)
    expect(many.losses[0]).toBeCloseTo(one.losses[0], 4)
    if (rl !== 'kto') expect(many.losses[1]).toBeCloseTo(one.losses[1], 3)
  })
})

test('micro_batch_size: auto, with fewer steps than examples', async () => {
  using space = preferences()
  const { losses } = await space.train(
    at(space, 'out', { micro_batch_size: 'auto', gradient_accumulation_steps: 2, max_steps: 1 }),
  )
  expect(losses[0]).toBeCloseTo(Math.LN2, 5)
})

describe('refused is', () => {
  test.each([
    [
      'a key of another method',
      { rl: 'dpo', orpo_alpha: 0.1 },
      'orpo_alpha: is for rl: orpo, not for rl: dpo',
    ],
    ['a key without a method', { rl: null, rl_beta: 0.1 }, 'none of them is set'],
    ['an objective beside rl', { objective: 'orpo' }, 'give either objective or rl: dpo, not both'],
    ['a reward model beside rl', { reward_model: true }, 'give either it or rl: dpo, not both'],
    ['a loss that is not there', { dpo_loss_type: ['sigmoyd'] }, 'dpo_loss_type'],
    [
      'weights for other losses',
      { dpo_loss_weights: [1, 2] },
      'dpo_loss_weights: expected one for each loss',
    ],
    ['GRPO’s name under this key', { rl: 'ppo' }, 'rl'],
    ['a stream', { streaming: true }, 'streaming: is not for rl: dpo'],
    ['noise on embeddings', { neftune_noise_alpha: 5 }, 'neftune_noise_alpha: is not for rl: dpo'],
    ['distillation without a teacher', { rl: null, kd_trainer: true }, 'needs kd_teacher'],
    ['single documents', { datasets: [{ path: 'x.jsonl', type: 'completion' }] }, 'takes pairs of answers'],
  ])('%s', async (_name, changes, says) => {
    using space = preferences()
    expect((await refusal(space.train(at(space, 'out', changes)))).message).toContain(says)
  })

  test('pairs that are to be streamed', async () => {
    using space = preferences()
    const datasets = [{ path: join(space.path, 'pairs.jsonl'), streaming: true }]
    const { message } = await refusal(space.train(at(space, 'out', { datasets })))
    expect(message).toContain('are not streamed')
  })

  test('a KTO whose answers all have one label', async () => {
    using space = preferences()
    const path = space.write(
      'good.jsonl',
      ANSWERS.filter(({ label }) => label === true),
    )
    const { code, message } = await refusal(
      space.train(at(space, 'out', { rl: 'kto', datasets: [{ path }] })),
    )
    expect(code).toBe('E_DATA')
    expect(message).toContain('every answer is good')
  })

  test('a dataset of which many pairs have equal answers; few are left out and counted', async () => {
    using space = preferences()
    const same = (count: number): string =>
      space.write(
        `same-${count}.jsonl`,
        PAIRS.map((row, i) => (i < count ? { ...row, rejected: row['chosen'] } : row)),
      )
    const { message } = await refusal(space.train(at(space, 'many', { datasets: [{ path: same(6) }] })))
    expect(message).toContain('6 of 12 records (50.0 %) have nothing to learn')
    expect(message).toContain('both answers are the same')
    let summary = ''
    await space.train(at(space, 'few', { max_steps: 1, datasets: [{ path: same(1) }] }), {
      onEvent(event) {
        if (event.type === 'start') summary = event.summary.join('\n')
      },
    })
    expect(summary).toContain('nothing to learn in 1: both answers are the same')
  })

  test('a teacher with other tokens, or none', async () => {
    using space = preferences()
    const teach = (kd_teacher: string): Changes => ({
      rl: null,
      kd_teacher,
      datasets: [{ path: join(space.path, 'data.jsonl'), type: 'completion' }],
    })
    const none = await refusal(space.train(at(space, 'none', teach(join(space.path, 'nothing')))))
    expect(none.message).toContain('kd_teacher')
    const other = await refusal(space.train(at(space, 'other', teach('quickstart/model'))))
    expect(other.message).toContain('other tokens')
    // Also by who looks at no weights.
    const checked = await refusal(checkRun(space.config(at(space, 'other', teach('quickstart/model')))))
    expect(checked.message).toContain('other tokens')
  })
})

test('a student that is its own teacher begins with no divergence, and learns the tokens', async () => {
  using space = preferences()
  const { losses, outputDir } = await space.train(
    at(space, 'out', {
      rl: null,
      kd_teacher: join(space.path, 'model'),
      kd_ce_alpha: 1,
      datasets: [{ path: join(space.path, 'data.jsonl'), type: 'completion' }],
    }),
  )
  const [first, ...rest] = metricsOf(outputDir).map((line) => Number(Reflect.get(Object(line), 'kd_loss')))
  expect(first).toBeCloseTo(0, 6)
  expect(rest.every((value) => value > 0)).toBe(true)
  expect(losses[losses.length - 1]).toBeLessThan(losses[0])
})

test('the reward model is saved with its head', async () => {
  using space = preferences()
  const { outputDir } = await space.train(at(space, 'out', { rl: null, reward_model: true, max_steps: 2 }))
  const config: unknown = JSON.parse(readFileSync(join(outputDir, 'adapter_config.json'), 'utf8'))
  expect(config).toMatchObject({ task_type: 'SEQ_CLS', modules_to_save: ['score'] })
})
