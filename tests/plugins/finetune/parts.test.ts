/**
 * Parts of a run that plugins provide: found by name, wrong ones refused with their place, and none of them can break the run.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import {
  type Capabilities,
  decimal,
  defineOptions,
  definePlugin,
  type GradientTransform,
  type Monitor,
  type ObjectiveResult,
  optional,
  type Plugin,
  type Provides,
  type RunEvent,
  scaleInPlace,
  type StepContext,
  type StepResult,
  tensor,
  type TokenizedExample,
  TrituneError,
} from '../../../core/mod.ts'
import { prepareRun, readFinetuneConfig, placeInConfig, train } from '../../../plugins/finetune/mod.ts'
import { type Changes, cpu, fileBytes, workspace, type Workspace } from './_run.ts'

const nothing = defineOptions({})

function provide(provides: Provides): Plugin {
  return definePlugin({ name: 'test', provides })
}

async function trainWith(space: Workspace, plugin: Plugin, changes: Changes): Promise<readonly RunEvent[]> {
  using run = await prepareRun(space.config(changes), { device: cpu, plugins: [plugin] })
  const events: RunEvent[] = []
  await train(run, { onEvent: (event) => events.push(event) })
  return events
}

function monitor(onEvent: Monitor['onEvent']): Plugin {
  return provide({ monitor: { mine: { name: 'mine', options: nothing, create: () => ({ onEvent }) } } })
}

function strategy(step: (context: StepContext, next: () => StepResult) => StepResult): Plugin {
  return provide({ strategy: { mine: { name: 'mine', options: nothing, create: () => ({ step }) } } })
}

function lossesOf(events: readonly RunEvent[]): number[] {
  return events.flatMap((event) => (event.type === 'step' ? [event.report.loss] : []))
}

function notesOf(events: readonly RunEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'note' ? [event.text] : []))
}

async function refusal(work: () => Promise<unknown>): Promise<TrituneError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('monitors', () => {
  test('get every kind of event, in order', async () => {
    using space = workspace()
    const seen: string[] = []
    const changes = {
      monitors: 'mine',
      val_set_size: 2,
      eval_steps: 3,
      save_strategy: undefined,
      save_steps: 3,
    }
    await trainWith(
      space,
      monitor(({ type }) => void seen.push(type)),
      { ...changes, save_total_limit: 9 },
    )
    expect(seen).toEqual('start step step step eval save step step step eval save end'.split(' '))
  })

  test.each<[string, Monitor['onEvent']]>([
    [
      'throws',
      () => {
        throw new Error('out of ink')
      },
    ],
    ['rejects', () => Promise.reject(new Error('out of ink'))],
  ])('one that %s is reported once and switched off; the run ends the same', async (_, onEvent) => {
    using space = workspace()
    let calls = 0
    const counting: Monitor['onEvent'] = (event) => {
      calls++
      return onEvent(event)
    }
    const events = await trainWith(space, monitor(counting), { monitors: ['mine'] })
    expect(notesOf(events)).toEqual(['the monitor mine is switched off, it failed: out of ink'])
    // The first event, and for a promise those before its rejection is seen.
    expect(calls).toBeLessThanOrEqual(2)
    const alone = await space.train({ output_dir: join(space.path, 'alone') })
    expect(lossesOf(events)).toEqual([...alone.losses])
  })

  test('the end of a failed run is told with its code', async () => {
    using space = workspace()
    const seen: RunEvent[] = []
    const broken = strategy(() => ({ loss: Number.NaN, metrics: {} }))
    const both = provide({ ...broken.provides, ...monitor((event) => void seen.push(event)).provides })
    const changes = {
      monitors: ['mine'],
      strategy: 'mine',
      loss_watchdog_threshold: 1e-9,
      loss_watchdog_patience: 1,
    }
    const failing = provide({ ...both.provides, ...strategy((_, next) => ({ ...next(), loss: 5 })).provides })
    const error = await refusal(() => trainWith(space, failing, changes))
    expect(error.code).toBe('E_NAN')
    expect(seen.at(-1)).toMatchObject({ type: 'error', code: 'E_NAN', message: error.message })
  })
})

describe('strategies', () => {
  test('one that takes the step apart gives the bits of the whole step', async () => {
    using space = workspace()
    const changes = { strategy: 'mine', lora_dropout: 0.2 }
    const apart = strategy(({ backward, update }) => {
      const loss = backward()
      return { loss, metrics: update() }
    })
    const losses = lossesOf(
      await trainWith(space, apart, { ...changes, output_dir: join(space.path, 'apart') }),
    )
    const whole = await space.train({ lora_dropout: 0.2 })
    expect(losses).toEqual([...whole.losses])
    const file = 'adapter_model.safetensors'
    expect(fileBytes(space.path, 'apart', file).equals(fileBytes(whole.outputDir, file))).toBe(true)
  })

  test('nest, the first in the list is the outermost', async () => {
    using space = workspace()
    const order: string[] = []
    const wrap = (name: string): Capabilities['strategy'] => ({
      name,
      options: nothing,
      create: () => ({
        step(_, next) {
          order.push(`${name} in`)
          const result = next()
          order.push(`${name} out`)
          return result
        },
      }),
    })
    const plugin = provide({ strategy: { a: wrap('a'), b: wrap('b') } })
    await trainWith(space, plugin, { strategy: ['a', { name: 'b' }], max_steps: 1 })
    expect(order).toEqual(['a in', 'b in', 'b out', 'a out'])
  })

  test('one that skips the update leaves the weights', async () => {
    using space = workspace()
    const skip = strategy(({ evaluate }) => ({ loss: evaluate(), metrics: { skipped: 1 } }))
    const events = await trainWith(space, skip, { strategy: 'mine', num_epochs: 2, max_steps: undefined })
    const losses = lossesOf(events)
    // The same examples in both epochs, with weights that never changed: the sums are the same.
    const half = losses.length / 2
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
    expect(Math.abs(sum(losses.slice(0, half)) - sum(losses.slice(half)))).toBeLessThan(1)
    const steps = events.flatMap((event) => (event.type === 'step' ? [event.report] : []))
    expect(steps.every(({ metrics, gradNorm }) => metrics['skipped'] === 1 && Number.isNaN(gradNorm))).toBe(
      true,
    )
  })

  test('one that returns no result is named', async () => {
    using space = workspace()
    const wrong: Plugin = provide({
      strategy: {
        mine: {
          name: 'mine',
          options: nothing,
          create: () => ({ step: () => JSON.parse('{"loss": "low"}') }),
        },
      },
    })
    const error = await refusal(() => trainWith(space, wrong, { strategy: 'mine' }))
    expect(error.code).toBe('E_PLUGIN')
    expect(error.message).toContain('the strategy mine returned no step result')
  })
})

describe('transforms', () => {
  const half: GradientTransform = {
    name: 'half',
    init: (parameters) => ({
      apply() {
        for (const { grad } of parameters.values()) if (grad) scaleInPlace(grad, 0.5)
      },
      tensors: () => new Map(),
      [Symbol.dispose]() {},
    }),
  }
  const plugin = provide({ transform: { half: { name: 'half', options: nothing, create: () => half } } })

  test('come before clipping, and twice is allowed', async () => {
    using space = workspace()
    const norms = (events: readonly RunEvent[]): number[] =>
      events.flatMap((event) => (event.type === 'step' ? [event.report.gradNorm] : []))
    const [plain] = norms((await space.train({ max_steps: 1 })).events)
    const [quarter] = norms(
      await trainWith(space, plugin, {
        max_steps: 1,
        transforms: ['half', { name: 'half' }, { name: 'clip' }],
      }),
    )
    expect(quarter).toBeCloseTo(plain / 4, 6)
  })
})

/** What plugins do wrong, and what is said of it. */
describe('mistakes of plugins', () => {
  const boom = (): never => {
    throw new TypeError('x is not a function')
  }
  const broken: Plugin = JSON.parse('{"name": "broken", "provides": {"monitor": {"mine": {"name": "mine"}}}}')
  const objective = (value: () => ObjectiveResult): Plugin =>
    provide({
      objective: {
        mine: { name: 'mine', options: nothing, create: () => ({ name: 'mine', loss: value }) },
      },
    })
  const dataset = (tokenize: () => TokenizedExample): Plugin =>
    provide({ dataset: { mine: { name: 'mine', tokenize } } })
  const example = (ids: number, labels: number): TokenizedExample => ({
    ids: new Int32Array(ids),
    labels: new Int32Array(labels),
    source: { file: 'x', line: 1 },
  })
  const stateless: Plugin = provide({
    optimizer: {
      mine: {
        name: 'mine',
        options: nothing,
        create: () => ({ name: 'mine', init: () => JSON.parse('{}') }),
      },
    },
  })
  test.each<[string, Plugin, Changes, string]>([
    [
      'a strategy throws',
      strategy(boom),
      { strategy: 'mine' },
      'the strategy mine failed: TypeError: x is not',
    ],
    ['no create()', broken, { monitors: ['mine'] }, 'the monitors mine of a plugin has no create()'],
    ['an objective throws', objective(boom), { objective: 'mine' }, 'the objective mine failed: TypeError'],
    [
      'an objective gives a tensor',
      objective(() => ({ loss: tensor([1, 2]) })),
      { objective: 'mine' },
      'the objective mine gave Tensor(2) f32 on reference as loss, expected one number',
    ],
    ['a state without methods', stateless, { optimizer: 'mine' }, 'has no apply, tensors, [Symbol.dispose]'],
    ['a dataset type throws', dataset(boom), {}, 'the dataset type mine failed: TypeError'],
    [
      'labels of another length',
      dataset(() => example(3, 1)),
      {},
      'the dataset type mine gave 3 ids and 1 labels',
    ],
    [
      'a metric of a name that is taken',
      strategy((_, next) => ({ ...next(), metrics: { step: 99 } })),
      { strategy: 'mine' },
      'a part of the run reports "step"',
    ],
    [
      'a metric that is no number',
      strategy((_, next) => ({ ...next(), metrics: JSON.parse('{"bad": "text"}') })),
      { strategy: 'mine' },
      'the strategy mine returned no step result',
    ],
  ])('%s: one error that names the part', async (what, plugin, changes, expected) => {
    using space = workspace()
    const datasets = [{ path: join(space.path, 'data.jsonl'), type: 'mine' }]
    const keys = /dataset|labels/.test(what) ? { ...changes, datasets } : changes
    const error = await refusal(() => trainWith(space, plugin, keys))
    expect(error.message).toContain(expected)
    if (/dataset|labels/.test(what)) expect(error.message).toContain('data.jsonl:1')
  })
})

describe('names and options', () => {
  test('every fault of the file is told at once, each with its place', async () => {
    using space = workspace()
    const yaml = `base_model: ${join(space.path, 'model')}
adapter: lora
lora_target_linear: true
datasets: [{ path: ${join(space.path, 'data.jsonl')}, type: completion }]
learning_rate: 1e-3
output_dir: ${join(space.path, 'out')}
optimizer: adamv
strategy: { name: mine, threshold: high }
objective: cross_entrpy
monitors:
  - nobody
`
    const typed = provide({
      strategy: {
        mine: {
          name: 'mine',
          options: defineOptions<{ readonly threshold: number }>({ threshold: optional(decimal(), 1) }),
          create: () => ({ step: (_context, next) => next() }),
        },
      },
    })
    const error = await refusal(async () => {
      try {
        using _run = await prepareRun(readFinetuneConfig(yaml, 'run.yaml'), { device: cpu, plugins: [typed] })
      } catch (cause) {
        throw placeInConfig(cause, yaml, 'run.yaml')
      }
    })
    expect(error.code).toBe('E_CONFIG')
    for (const text of [
      'run.yaml:7:1 optimizer: there is no optimizer "adamv"',
      'run.yaml:8:25 strategy[0].threshold: expected a number, got "high"',
      'run.yaml:9:1 objective: there is no objective "cross_entrpy"',
      'run.yaml:11:5 monitors[0]: there is no monitor "nobody"',
    ])
      expect(error.message).toContain(text)
  })

  test('a dataset type that nobody provides is told with its place and the nearest names', async () => {
    using space = workspace()
    const datasets = [{ path: join(space.path, 'data.jsonl'), type: 'completio' }]
    const error = await refusal(() => trainWith(space, provide({}), { datasets }))
    expect(error.message).toContain('datasets[0].type: there is no dataset type "completio"')
    expect(error.message).toContain('"completion"')
  })

  test('a sampler that forgets examples is refused', async () => {
    using space = workspace()
    const lazy: Plugin = provide({
      sampler: {
        mine: { name: 'mine', options: nothing, create: () => ({ order: () => Int32Array.of(0, 0) }) },
      },
    })
    const error = await refusal(() => trainWith(space, lazy, { sampler: 'mine' }))
    expect(error.message).toContain('the sampler gave no permutation of the 12 examples')
  })

  test('state that JSON cannot hold is refused when it is saved', async () => {
    using space = workspace()
    const plugin: Plugin = provide({
      strategy: {
        mine: {
          name: 'mine',
          options: nothing,
          create: () => ({ step: (_context, next) => next(), saveState: () => ({ mean: Number.NaN }) }),
        },
      },
    })
    const changes = { strategy: 'mine', save_strategy: undefined, save_steps: 1 }
    const error = await refusal(() => trainWith(space, plugin, changes))
    expect(error.message).toContain('the state of strategy.0.mine cannot be saved: it.mean is NaN')
  })
})
