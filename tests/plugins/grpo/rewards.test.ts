/**
 * Rewards: what the built-in ones give, and one clear error for each way in which a reward can be wrong.
 */
import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, TrituneError } from '../../../core/mod.ts'
import {
  BUILT_IN_REWARDS,
  callRewards,
  loadRewards,
  type Reward,
  type RewardContext,
} from '../../../plugins/grpo/mod.ts'
import { temporaryFolder } from '../../_golden.ts'

type Fields = Readonly<Record<string, unknown>>

function contextOf(
  completions: readonly string[],
  records: readonly Fields[] = [],
): Omit<RewardContext, 'signal'> {
  return {
    prompts: completions.map(() => 'prompt'),
    records: completions.map((_, row) => records[row] ?? {}),
    completionIds: completions.map((text) => Array.from(text, (_, i) => i)),
    ended: completions.map(() => true),
    step: 4,
  }
}

async function give(
  name: string,
  options: Fields,
  completions: readonly string[],
  records: readonly Fields[] = [],
): Promise<unknown> {
  const [{ reward }] = await loadRewards({
    file: null,
    folder: null,
    reward_funcs: [{ name, options }],
    reward_weights: null,
  })
  const [given] = await callRewards(
    [{ name, weight: 1, reward }],
    completions,
    contextOf(completions, records),
    5,
  )
  return given
}

async function faultOf(work: () => Promise<unknown>): Promise<TrituneError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('no error')
}

describe('built in', () => {
  test('format: anywhere, or the whole', async () => {
    const texts = ['<think>a\nb</think> 4', 'no', '12']
    expect(await give('format', { pattern: '<think>.*</think>' }, texts)).toEqual([1, 0, 0])
    expect(await give('format', { pattern: '\\d+', whole: true }, texts)).toEqual([0, 0, 1])
  })

  test('json_schema: JSON, JSON of a form, part of the way', async () => {
    const texts = [' {"sum": 7} ', '{"sum": "7"}', '{"sum": 7', '[]']
    const schema = { type: 'object', properties: { sum: { type: 'integer' } }, required: ['sum'] }
    expect(await give('json_schema', {}, texts)).toEqual([1, 1, 0, 1])
    expect(await give('json_schema', { schema }, texts)).toEqual([1, 0, 0, 0])
    expect(await give('json_schema', { schema, json_part: 0.25 }, texts)).toEqual([1, 0.25, 0, 0.25])
  })

  test('exact_match and numeric_match: with the record', async () => {
    const records = [
      { answer: 'Paris', n: 1200 },
      { answer: 'Paris', n: '1,200' },
      { answer: 'Rome', n: 3.5 },
    ]
    expect(await give('exact_match', {}, [' Paris\n', 'paris', 'Rome'], records)).toEqual([1, 0, 1])
    expect(await give('exact_match', { ignore_case: true }, ['PARIS', 'paris', 'x'], records)).toEqual([
      1, 1, 0,
    ])
    const numbers = ['2 times 600 is 1,200.', 'it is 1200 of 1300', 'about 3.49']
    expect(await give('numeric_match', { field: 'n' }, numbers, records)).toEqual([1, 0, 0])
    expect(await give('numeric_match', { field: 'n', tolerance: 0.02 }, numbers, records)).toEqual([1, 0, 1])
    expect(await give('numeric_match', { field: 'n', which: 'first' }, numbers, records)).toEqual([0, 1, 0])
    expect(await give('numeric_match', { field: 'n', which: 'only' }, numbers, records)).toEqual([0, 0, 0])
    expect(await give('numeric_match', { field: 'n', pattern: 'is ([\\d,]+)' }, numbers, records)).toEqual([
      1, 1, 0,
    ])
    expect(await give('numeric_match', { field: 'n' }, ['none', '-', ''], records)).toEqual([0, 0, 0])
  })

  test('length: even outside of its limits', async () => {
    expect(
      await give('length', { min: 4, max: 6 }, ['12', '1234', '123456', '123456789', 'x'.repeat(20)]),
    ).toEqual([0.5, 1, 1, 0.5, 0])
    expect(await give('length', { max: 2, unit: 'words' }, ['a b', 'a b c', ''])).toEqual([1, 0.5, 1])
  })

  test('tool_calls: names, arguments, and calls that cannot be read', async () => {
    const call = (name: string, args: unknown): string =>
      `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`
    const tools = [{ type: 'function', function: { name: 'add', parameters: {} } }]
    const records = Array.from({ length: 4 }, () => ({
      tools,
      calls: [{ name: 'add', arguments: { a: 1, b: 2 } }],
    }))
    const texts = [call('add', { b: 2, a: 1 }), call('sub', {}), '<tool_call>{"name": </tool_call>', 'none']
    expect(await give('tool_calls', {}, texts, records)).toEqual([1, 0, 0, 0])
    expect(await give('tool_calls', { field: 'calls' }, texts, records)).toEqual([1, 0, 0, 0])
    const twice = [texts[0] + call('add', { a: 9, b: 9 }), texts[0], texts[0], texts[0]]
    expect(await give('tool_calls', { field: 'calls' }, twice, records)).toEqual([0.5, 1, 1, 1])
  })

  test('options that cannot be are refused under trl.reward_funcs', async () => {
    for (const [name, options] of [
      ['format', { pattern: '(' }],
      ['format', {}],
      ['json_schema', { schema: { type: 'nothing' } }],
      ['length', {}],
      ['length', { min: 5, max: 2 }],
      ['numeric_match', { pattern: '[' }],
      ['exact_match', { filed: 'x' }],
    ] as const) {
      const fault = await faultOf(() => give(name, options, ['x']))
      expect(fault).toBeInstanceOf(ConfigError)
      expect(fault.message).toContain('trl.reward_funcs[0]')
    }
    expect([...BUILT_IN_REWARDS.keys()]).toHaveLength(6)
  })

  test('a record without the field is an error that names it', async () => {
    const fault = await faultOf(() => give('exact_match', {}, ['x'], [{ anser: 1 }]))
    expect(fault.message).toContain('did you mean "anser"')
    const calls = (record: object): Promise<unknown> =>
      give('tool_calls', { field: 'calls' }, ['x'], [{ ...record }])
    expect((await faultOf(() => calls({ call: [] }))).message).toContain('did you mean "call"')
    // No calls are wanted.
    expect([await calls({ calls: null }), await calls({ calls: [] })]).toEqual([[1], [1]])
  })
})

describe('of a file', () => {
  const completions = ['a', 'bb', 'ccc']
  const faultBy = async (reward: Reward | (() => unknown), seconds = 5): Promise<string> => {
    const rewards = [{ name: 'mine', weight: 1, reward: reward as Reward }]
    const fault = await faultOf(() => callRewards(rewards, completions, contextOf(completions), seconds))
    expect(fault.code).toBe('E_PLUGIN')
    return fault.message
  }

  test('sync and async; null where it does not apply', async () => {
    const rewards = [
      { name: 'sync', weight: 1, reward: ((texts) => texts.map(({ length }) => length)) satisfies Reward },
      { name: 'async', weight: 1, reward: (async () => [null, 0.5, -1]) satisfies Reward },
    ]
    expect(await callRewards(rewards, completions, contextOf(completions), 5)).toEqual([
      [1, 2, 3],
      [null, 0.5, -1],
    ])
  })

  test('one that throws, gives NaN, too few, no list, or never answers: which reward, and which row', async () => {
    expect(
      await faultBy(() => {
        throw new Error('no network')
      }),
    ).toContain('the reward mine threw: no network')
    const advised = await faultBy(() => {
      throw new TrituneError('E_DATA', 'no field', { remedy: 'give it' })
    })
    expect(advised).toBe('step 5: the reward mine threw: no field\n  → give it')
    expect(await faultBy(async () => await Promise.reject(new Error('later')))).toContain('threw: later')
    expect(await faultBy(() => [1, Number.NaN, 1])).toContain(
      'step 5: the reward mine gave NaN for row 1: "bb"',
    )
    expect(await faultBy(() => [1, 1, Infinity])).toContain('gave Infinity for row 2')
    expect(await faultBy(() => [1, 'x', 1])).toContain('for row 1')
    expect(await faultBy(() => [1, 1])).toContain('gave 2 numbers for 3 completions')
    expect(await faultBy(() => 7)).toContain('gave 7, expected a list of numbers')
    expect(await faultBy(() => new Promise(() => {}), 0.05)).toContain(
      'step 5: the reward mine has not answered for 0.05 s',
    )
  })

  test('is imported, and its functions found by name', async () => {
    using folder = temporaryFolder()
    const file = join(folder.path, 'rewards.ts')
    writeFileSync(
      file,
      'export const short = (texts: string[]): number[] => texts.map((t) => -t.length)\nexport const other = () => [0]\nexport const N = 3\n',
    )
    const sources = { file: 'rewards.ts', folder: folder.path, reward_weights: null }
    const all = await loadRewards({ ...sources, reward_funcs: null })
    expect(all.map(({ name, weight }) => [name, weight])).toEqual([
      ['other', 1],
      ['short', 1],
    ])
    const mixed = await loadRewards({
      ...sources,
      reward_funcs: [
        { name: 'short', options: {} },
        { name: 'json_schema', options: {} },
      ],
      reward_weights: [2, 0.5],
    })
    expect(mixed.map(({ name, weight }) => [name, weight])).toEqual([
      ['short', 2],
      ['json_schema', 0.5],
    ])
    for (const [wrong, text] of [
      [{ ...sources, file: 'none.ts', reward_funcs: null }, 'there is no file'],
      [{ ...sources, reward_funcs: [{ name: 'shrot', options: {} }] }, 'did you mean "short"'],
      [{ ...sources, reward_funcs: [{ name: 'short', options: { a: 1 } }] }, 'takes no options'],
      [{ ...sources, reward_funcs: null, reward_weights: [1] }, '1 weights for 2 rewards'],
      [{ ...sources, file: null, reward_funcs: null }, 'rl: grpo needs rewards'],
    ] as const)
      expect((await faultOf(() => loadRewards(wrong))).message).toContain(text)
    writeFileSync(join(folder.path, 'broken.ts'), 'export const x = (\n')
    expect(
      (await faultOf(() => loadRewards({ ...sources, file: 'broken.ts', reward_funcs: null }))).message,
    ).toContain('cannot be imported')
  })
})
