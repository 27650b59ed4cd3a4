/**
 * What is compared with a tuned AdamW: the guesses of `strategy: hybrid`, what a sceptic would ask for beside them, and what others have built.
 */
import type { HybridOptions } from '../../../plugins/hybrid/mod.ts'
import { hybridOptions } from '../../../plugins/hybrid/options.ts'
import { createHybrid } from '../../../plugins/hybrid/strategy.ts'
import { lion, muon, soap } from '../../../plugins/optim/mod.ts'
import { gradientLineStrategy, stepsForBackwards } from './baselines/gradient-line.ts'
import { linUcbHybrid } from './baselines/lin-ucb.ts'
import { placeboArm } from './baselines/placebo.ts'
import type { Method } from './method.ts'

export { ADAMW } from './method.ts'

/** Measures from early on and all the time, and needs no proof that it helps. */
const EAGER = { warmup: 12, every: 8, exploration: 1 } as const

const STRATEGY = pathOf('../../../plugins/hybrid/strategy.ts')

/** The no-op of the eager one: what hybrid is withdrawn for where it does as well. */
export const NO_OP = 'hybrid, eager, all guesses refused'
export const HYBRID = 'hybrid'
export const EAGER_HYBRID = 'hybrid, eager'
export const GRADIENT_LINE = 'gradient line, 5 + 20 (vsa-optim-rs)'

/** Of the optimizers each is one line. */
const OPTIMIZERS: readonly Method[] = [
  optimizer('muon', muon),
  optimizer('soap', soap),
  optimizer('lion', lion, { rateFactor: 1 / 8 }),
]

export const METHODS: readonly Method[] = [
  hybrid(EAGER_HYBRID, EAGER),
  {
    name: 'batch / 4',
    settings: { optimizer: 'adamw', parts: 4 },
    sources: [],
    parts: 4,
  },
  { ...hybrid(HYBRID, {}), floor: 0.98 },
  hybrid(NO_OP, { ...EAGER, confidence: 1e9 }),
  {
    name: 'placebo, eager',
    settings: { strategy: 'hybrid', options: { ...EAGER }, arms: 'placebo' },
    sources: [pathOf('baselines/placebo.ts'), STRATEGY],
    strategy: (run) =>
      createHybrid(hybridOptions.validate(EAGER), run, { arms: () => [placeboArm(run.seed)] }),
  },
  hybrid('last update again, eager', { ...EAGER, arm: 'reuse' }),
  ...OPTIMIZERS,
  {
    name: GRADIENT_LINE,
    settings: { strategy: 'gradient line' },
    sources: [pathOf('baselines/gradient-line.ts')],
    strategy: (run) => gradientLineStrategy(run),
    stepsFor: stepsForBackwards,
    rateFactor: 1 / 8,
  },
  {
    name: 'gradient line, slope 0',
    settings: { strategy: 'gradient line', isFlat: true },
    sources: [pathOf('baselines/gradient-line.ts')],
    strategy: (run) => gradientLineStrategy(run, { isFlat: true }),
    stepsFor: stepsForBackwards,
    rateFactor: 1 / 4,
  },
  {
    name: 'LinUCB for Thompson sampling, eager (hybrid-predict-trainer-rs)',
    settings: { strategy: 'hybrid', options: { ...EAGER }, bandit: 'lin-ucb' },
    sources: [pathOf('baselines/lin-ucb.ts')],
    strategy: (run) => linUcbHybrid(hybridOptions.validate(EAGER), run),
  },
  hybrid('window, eager', { ...EAGER, arm: 'window' }),
  hybrid('linear, eager', { ...EAGER, arm: 'linear' }),
]

// ---- helpers ----------------------------------------------------------------------------------------------------

function pathOf(relative: string): string {
  return new URL(relative, import.meta.url).pathname
}

function optimizer(
  name: string,
  create: NonNullable<Method['optimizer']>,
  more: Pick<Method, 'rateFactor'> = {},
): Method {
  const sources = [pathOf(`../../../plugins/optim/${name}.ts`)]
  return { name, settings: { optimizer: name }, sources, optimizer: () => create(), ...more }
}

function hybrid(name: string, options: Partial<HybridOptions>): Method {
  return {
    name,
    settings: { strategy: 'hybrid', options: { ...options } },
    sources: [STRATEGY],
    strategy: (run) => createHybrid(hybridOptions.validate(options), run),
  }
}
