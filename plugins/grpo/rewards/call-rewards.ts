/**
 * Asks the rewards, and judges what they answer: each fault is one error that names the reward and the row.
 */
import { showValue, TrituneError } from '../../../core/mod.ts'
import type { Reward, RewardContext, Rewards } from './reward.ts'

/** A reward of a run. */
export interface RunReward {
  readonly name: string
  readonly weight: number
  readonly reward: Reward
}

/** All of them at once; `seconds` is what each may take. Throws E_PLUGIN. A function that never returns to the loop cannot be stopped. */
export async function callRewards(
  rewards: readonly RunReward[],
  completions: readonly string[],
  context: Omit<RewardContext, 'signal'>,
  seconds: number,
): Promise<Rewards[]> {
  const ended = new AbortController()
  try {
    return await Promise.all(
      rewards.map((one) =>
        inTime(one, context, seconds, () => callOne(one, completions, { ...context, signal: ended.signal })),
      ),
    )
  } finally {
    ended.abort()
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function callOne(
  { name, reward }: RunReward,
  completions: readonly string[],
  context: RewardContext,
): Promise<Rewards> {
  let given: unknown
  try {
    given = await reward(completions, context)
  } catch (cause) {
    // Those that are built in know what is to be done.
    const own = cause instanceof TrituneError ? cause.remedy : undefined
    const said = cause instanceof Error ? cause.message : String(cause)
    throw fault(name, context, `threw: ${own === undefined ? said : said.split('\n')[0]}`, {
      remedy: own ?? 'give 0 or null for what cannot be judged',
      cause,
    })
  }
  if (!Array.isArray(given) && !ArrayBuffer.isView(given))
    throw fault(name, context, `gave ${showValue(given)}, expected a list of numbers`)
  const values: unknown[] = Array.from(given as ArrayLike<unknown>)
  if (values.length !== completions.length)
    throw fault(name, context, `gave ${values.length} numbers for ${completions.length} completions`)
  return values.map((value, row) => {
    if (value === null || value === undefined) return null
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw fault(name, context, `gave ${showNumber(value)} for row ${row}: ${shorten(completions[row])}`, {
      remedy: 'a reward is a finite number, or null where it does not apply',
    })
  })
}

function fault(
  name: string,
  { step }: Pick<RewardContext, 'step'>,
  what: string,
  more: { readonly remedy?: string; readonly cause?: unknown } = {},
): TrituneError {
  return new TrituneError('E_PLUGIN', `the reward ${name} ${what}`, { place: `step ${step + 1}`, ...more })
}

async function inTime<T>(
  { name }: RunReward,
  context: Pick<RewardContext, 'step'>,
  seconds: number,
  work: () => Promise<T>,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        fault(name, context, `has not answered for ${seconds} s`, {
          remedy: 'set trl.reward_timeout higher, or let it give null when it does not know in time',
        }),
      )
    }, seconds * 1000)
  })
  try {
    return await Promise.race([work(), late])
  } finally {
    clearTimeout(timer)
  }
}

/** NaN and Infinity as they are. */
function showNumber(value: unknown): string {
  return typeof value === 'number' ? String(value) : showValue(value)
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
