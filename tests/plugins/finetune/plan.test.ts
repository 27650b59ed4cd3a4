import { describe, expect, test } from 'bun:test'
import type { TrituneError } from '../../../core/mod.ts'
import { finetuneConfig } from '../../../plugins/finetune/config/config.ts'
import { createPlan, type Plan } from '../../../plugins/finetune/training/plan.ts'
import type { TokenizedExample } from '../../../plugins/data/mod.ts'
import { goldenJson } from '../../_golden.ts'

function examples(count: number, length = 4): TokenizedExample[] {
  const ids = Int32Array.from({ length }, (_, i) => i)
  return Array.from({ length: count }, (_, line) => ({ ids, labels: ids, source: { file: 'a', line } }))
}

function plan(count: number, keys: object): Plan {
  const minimal = { base_model: 'm', learning_rate: 1, datasets: [{ path: 'a' }] }
  return createPlan(finetuneConfig.validate({ ...minimal, ...keys }), examples(count))
}

interface Steps {
  readonly max_steps: number
  readonly num_epochs?: number
  readonly evals_per_epoch?: number
  readonly eval_steps?: number
  readonly every: number
}

describe('when a run evaluates and saves', () => {
  test.each(goldenJson<Steps[]>('trainer', 'steps.json').map(({ every, ...keys }) => [keys, every] as const))(
    'is counted in the steps that are run, as transformers rounds them: %j',
    (keys, every) => {
      const evaluating = plan(1000, { val_set_size: 2, ...keys })
      expect(evaluating.evalEvery).toBe(every)
      const { evals_per_epoch: saves_per_epoch, eval_steps: save_steps, ...rest } = keys
      expect(plan(1000, { ...rest, saves_per_epoch, save_steps }).saveEvery).toBe(every)
    },
  )

  test('is the end of each epoch when nothing is said or the strategy is epoch', () => {
    for (const keys of [{}, { eval_strategy: 'epoch', save_strategy: 'epoch' }]) {
      const found = plan(12, { val_set_size: 2, num_epochs: 3, micro_batch_size: 4, ...keys })
      expect([found.stepsPerEpoch, found.evalEvery, found.saveEvery]).toEqual([3, 3, 3])
    }
  })

  test('is never for 0 and for the strategy no', () => {
    expect(plan(12, { val_set_size: 2, evals_per_epoch: 0, save_strategy: 'no' })).toMatchObject({
      evalEvery: null,
      saveEvery: null,
    })
    expect(plan(12, { val_set_size: 2, eval_steps: 0, save_steps: 0 })).toMatchObject({
      evalEvery: null,
      saveEvery: null,
    })
  })

  test('a part of the epochs is not a step more because of rounding', () => {
    expect(plan(30, { num_epochs: 0.1 }).totalSteps).toBe(3)
    expect(plan(30, { eval_steps: 0.1, val_set_size: 1 }).evalEvery).toBe(3)
  })

  test('0 and -1 as max_steps leave the number of steps to the epochs', () => {
    for (const max_steps of [0, -1]) expect(plan(6, { max_steps }).totalSteps).toBe(6)
  })
})

describe('rows that do not fill the steps', () => {
  test('are spread over them, and a note says so', () => {
    const found = plan(7, { gradient_accumulation_steps: 4, num_epochs: 3 })
    expect(found.totalSteps).toBe(6)
    expect(found.batches(0).windows.map(({ rows }) => rows)).toEqual([4, 3])
    expect(found.notes).toEqual([
      '7 examples do not fill steps of 4: each epoch has 2 steps of 3 or 4, so that none counts much more than others',
    ])
    expect(plan(9, { micro_batch_size: 4 }).notes.join()).toContain('3 steps of 3,')
    expect(plan(8, { gradient_accumulation_steps: 4 }).notes).toEqual([])
  })

  test('are left out with dataloader_drop_last', () => {
    const found = plan(7, { gradient_accumulation_steps: 4, dataloader_drop_last: true })
    expect(found.totalSteps).toBe(1)
    expect(found.notes.join()).toStartWith('3 of 7 examples are left out of each epoch')
    let error: unknown
    try {
      plan(3, { gradient_accumulation_steps: 4, dataloader_drop_last: true })
    } catch (caught) {
      error = caught
    }
    expect(error).toMatchObject({ code: 'E_DATA' } satisfies Partial<TrituneError>)
    expect(String(error)).toContain('fewer than the 4 rows of a step')
  })

  test('packed rows are packed rows in the note', () => {
    const found = plan(5, { sample_packing: true, sequence_len: 8, gradient_accumulation_steps: 2 })
    expect(found.notes.join()).toContain('3 packed rows do not fill steps of 2')
  })
})

test('a warm-up that the run does not see the end of is said', () => {
  const notes = (keys: object): string => plan(12, { lr_scheduler: 'cosine', ...keys }).notes.join()
  expect(notes({ warmup_steps: 12 })).toBe(
    'the warm-up of 12 steps does not end in the 12 steps of the run, so that learning_rate is not reached',
  )
  expect(notes({ warmup_steps: 100, max_steps: 1 })).toContain('of 100 steps does not end in the 1 step')
  expect([
    notes({ warmup_steps: 11 }),
    notes({}),
    notes({ warmup_steps: 12, lr_scheduler: 'constant' }),
  ]).toEqual(['', '', ''])
})

test('a decay that is longer than the run is said', () => {
  const notes = (keys: object, num_decay_steps: number | null = null): string =>
    plan(12, {
      lr_scheduler: 'wsd',
      lr_scheduler_kwargs: { num_decay_steps },
      warmup_steps: 0,
      ...keys,
    }).notes.join()
  expect(notes({}, 100)).toStartWith('num_decay_steps 100 is more than the 12 steps of the run: ')
  expect(notes({ warmup_steps: 3 }, 10)).toStartWith(
    'num_decay_steps 10 and the warm-up of 3 are more than the 12 steps of the run: ',
  )
  expect(notes({ max_steps: 1 }, 2)).toContain('the 1 step of the run')
  expect([notes({}), notes({}, 12), notes({ warmup_steps: 3 }, 9)]).toEqual(['', '', ''])
})

test('one example is told in the singular', () => {
  expect(plan(1, { micro_batch_size: 4 }).notes).toEqual([
    '1 example does not fill steps of 4: each epoch has 1 step of 1, so that none counts much more than others',
  ])
})
