/**
 * `bench predictive`: guessed steps, searched learning rates and what others have built, beside a tuned AdamW. The frontier of AdamW comes first: at each budget its
 * learning rate is chosen by rows that are not reported. Then every method has as many tries, and is judged by what AdamW needs for the loss that it reaches, on
 * annealed runs alone. Finished runs are kept, so that a bench can be cut and continued.
 */
import { join } from 'node:path'
import { cacheFolder } from '../../../core/files/cache-folder.ts'
import { MODEL } from '../../recipes/tiny-llama/paths.ts'
import type { BenchContext, Row, Topic } from '../_topic.ts'
import { readRows } from '../compression/task.ts'
import { autotuned, DEFAULT_RATE } from './autotune.ts'
import { equalSeconds, longerSteps } from './controls.ts'
import { forecastRows } from './forecast-rows.ts'
import { ADAMW, EAGER_HYBRID, GRADIENT_LINE, HYBRID, METHODS, NO_OP } from './methods.ts'
import { createRunCache, MissingRun } from '../runs/run-cache.ts'
import { compare, type Compared, comparedRow, frontierOf, frontierRows, type TunedBudget } from './rows.ts'
import { versionOfModel, versionOfRows } from '../runs/source-version.ts'
import { OUTCOME, unitsOf } from './train-once.ts'
import { type Setting, tuned } from './tuning.ts'
import { sentence, withdrawn } from './verdict.ts'

/** Tokens of a row, steps of the frontier, of the methods and of what is searched for, and how often. */
const FULL = {
  tokens: 32,
  frontier: [25, 50, 100, 200, 400],
  steps: 100,
  searched: 214,
  seeds: [1, 2, 3, 4, 5],
  tries: 4,
}
/** Long enough that something is guessed. */
const QUICK = { tokens: 32, frontier: [8, 32], steps: 32, searched: null, seeds: [1], tries: 1 }

/** Where the search for a rate begins; larger models take lower ones. */
const RATES = { bundled: 4e-3, given: 1e-3 }

export const predictive: Topic = {
  name: 'predictive',
  async run(context) {
    const { frontier: budgets, steps, searched, ...plan } = context.quick ? QUICK : FULL
    const setting = settingOf(context, plan)
    const missing: string[] = []
    const ifThere = async <T>(name: string, work: () => T | Promise<T>): Promise<T | null> => {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof MissingRun)) throw error
        missing.push(name)
        return null
      }
    }
    const frozen: TunedBudget[] = []
    for (const budget of budgets) {
      const found = await ifThere(`adamw, ${budget} steps`, () => tuned(setting, ADAMW, budget))
      if (found !== null) frozen.push({ steps: budget, ...found })
    }
    const frontier = frontierOf(frozen)
    const compared = new Map<string, Compared>()
    const rows: Row[] = []
    for (const method of METHODS) {
      if (context.only !== null && !method.name.includes(context.only)) continue
      const found = await ifThere(method.name, () => tuned(setting, method, steps))
      if (found === null) continue
      const one = compare(method.name, found, frontier)
      compared.set(method.name, one)
      rows.push(comparedRow(one, method))
      context.progress(sentence(one))
    }
    const plain = frozen.find((budget) => budget.steps === steps)
    for (const name of [EAGER_HYBRID, GRADIENT_LINE])
      for (const control of [longerSteps, equalSeconds]) {
        const of = compared.get(name)
        if (of === undefined || plain === undefined) continue
        const found = await ifThere(`a control of ${name}`, () => control(setting, { plain, of, steps }))
        if (found !== null) rows.push(comparedRow(compare(found.name, found.tuned, frontier)))
      }
    if (context.only === null) {
      if (searched !== null)
        rows.push(
          ...((await ifThere('learning_rate: auto', () => autotuneRows(setting, searched, frontier))) ?? []),
        )
      if (plain !== undefined) rows.push(...forecastRows(plain.outcomes))
      rows.push(...verdictRows(compared))
    }
    if (missing.length > 0) rows.push(missingRow(missing))
    for (const { settings, version, isNew, outcome } of setting.cache.runs) {
      const { losses: _losses, gradNorms: _norms, ...told } = outcome
      context.list({ ...settings, version, isNew, ...told })
    }
    // After so few steps as of --quick nothing is judged.
    return [...frontierRows(frozen), ...rows].map((row): Row =>
      context.quick ? { ...row, floor: null, goal: null } : row,
    )
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function settingOf(
  context: BenchContext,
  {
    tokens,
    seeds,
    tries,
  }: { readonly tokens: number; readonly seeds: readonly number[]; readonly tries: number },
): Setting {
  const base = context.model ?? MODEL
  const rows = readRows(base, tokens)
  return {
    context,
    base,
    rows,
    versions: { model: versionOfModel(base), data: versionOfRows(rows) },
    firstRate: context.model === null ? RATES.bundled : RATES.given,
    seeds,
    tries,
    cache: createRunCache(context.cache ?? join(cacheFolder(), 'bench-predictive'), {
      outcome: OUTCOME,
      isComplete: context.finished,
    }),
  }
}

function missingRow(missing: readonly string[]): Row {
  return {
    name: 'not run yet',
    ours: missing.length,
    peer: null,
    unit: 'rows',
    ratio: null,
    floor: null,
    goal: null,
    better: 'lower',
    note: missing.join('; '),
  }
}

async function autotuneRows(
  setting: Setting,
  steps: number,
  frontier: ReturnType<typeof frontierOf>,
): Promise<Row[]> {
  const { untuned, searched, rates } = await autotuned(setting, steps)
  const plain = compare(`adamw at ${DEFAULT_RATE}, ${steps} steps`, untuned, frontier)
  const auto = compare(`learning_rate: auto, ${steps} steps and its search`, searched, frontier)
  const row = comparedRow(auto)
  const share = searched.outcomes.map((one, i) => unitsOf(one) / unitsOf(untuned.outcomes[i]) - 1)
  return [
    comparedRow(plain),
    {
      ...row,
      note: `${row.note}; found ${rates.join(', ')}; the search is ${(100 * Math.max(...share)).toFixed(1)} % more passes`,
    },
    {
      ...row,
      name: 'learning_rate: auto, beside a rate that nobody tuned',
      ours: auto.speed.mean / plain.speed.mean,
      unit: '× adamw',
      floor: 2,
      goal: 3,
      note: 'by what the tuned AdamW needs for each loss; the search is counted',
    },
  ]
}

/** 1: it stands. */
function verdictRows(compared: ReadonlyMap<string, Compared>): Row[] {
  const floor = METHODS.find(({ name }) => name === HYBRID)?.floor ?? 0
  const row = (name: string, why: readonly string[]): Row => ({
    name,
    ours: why.length === 0 ? 1 : 0,
    peer: null,
    unit: 'stands',
    ratio: null,
    floor: null,
    goal: null,
    better: 'higher',
    note: why.join('; '),
  })
  return [HYBRID, EAGER_HYBRID].flatMap((name) => {
    const hybrid = compared.get(name)
    const noOp = name === EAGER_HYBRID ? (compared.get(NO_OP) ?? null) : null
    return hybrid ? [row(`${name} as an accelerator`, withdrawn({ hybrid, noOp, floor }))] : []
  })
}
