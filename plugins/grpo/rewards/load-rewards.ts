/**
 * The rewards of a run: those of the person's file, and the built-in ones, as `reward_funcs` lists them.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigError, type ConfigFailure, type ConfigPath, didYouMean } from '../../../core/mod.ts'
import type { GrpoOptions } from '../options.ts'
import { BUILT_IN_REWARDS } from './built-in.ts'
import type { RunReward } from './call-rewards.ts'
import type { Reward } from './reward.ts'

/** What a run's file says of rewards. */
export interface RewardSources extends Pick<GrpoOptions, 'reward_funcs' | 'reward_weights'> {
  /** The module of `rewards:`; null: none. */
  readonly file: string | null
  /** Where its path starts; null: the working folder. */
  readonly folder: string | null
}

/** Throws a `ConfigError` with all faults, with paths as they stand in the file of the run. */
export async function loadRewards({
  file,
  folder,
  reward_funcs,
  reward_weights,
}: RewardSources): Promise<RunReward[]> {
  const own = file === null ? new Map<string, Reward>() : await readFile(file, folder)
  const asked = reward_funcs ?? [...own.keys()].map((name) => ({ name, options: {} }))
  if (asked.length === 0)
    throw new ConfigError([
      {
        path: ['rewards'],
        what: file === null ? 'rl: grpo needs rewards' : `${file} exports no function`,
        remedy: `name a file that exports functions, or built-in ones under trl.reward_funcs: ${[...BUILT_IN_REWARDS.keys()].join(', ')}`,
      },
    ])
  if (reward_weights && reward_weights.length !== asked.length)
    throw new ConfigError([
      {
        path: ['trl', 'reward_weights'],
        what: `${reward_weights.length} weights for ${asked.length} rewards`,
      },
    ])
  const failures: ConfigFailure[] = []
  const rewards: RunReward[] = []
  for (const [i, { name, options }] of asked.entries()) {
    try {
      rewards.push({ name, weight: reward_weights?.[i] ?? 1, reward: await find(name, options, own) })
    } catch (error) {
      failures.push(...failuresAt(['trl', 'reward_funcs', i], error))
    }
  }
  if (failures.length > 0) throw new ConfigError(failures)
  return rewards
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function find(
  name: string,
  options: Readonly<Record<string, unknown>>,
  own: ReadonlyMap<string, Reward>,
): Reward | Promise<Reward> {
  const mine = own.get(name)
  if (mine) {
    if (Object.keys(options).length > 0)
      throw new ConfigError([{ path: [], what: `the reward ${name} of a file takes no options` }])
    return mine
  }
  const definition = BUILT_IN_REWARDS.get(name)
  if (definition) return definition.create(definition.options.validate(options))
  throw new ConfigError([
    {
      path: [],
      code: 'E_NAME',
      what: `there is no reward "${name}"; ${didYouMean(name, [...own.keys(), ...BUILT_IN_REWARDS.keys()])}`,
      remedy: own.size === 0 ? 'name the file that exports it: rewards: ./rewards.ts' : undefined,
    },
  ])
}

async function readFile(file: string, folder: string | null): Promise<Map<string, Reward>> {
  const path = resolve(folder ?? '.', file)
  const wrong = (what: string, remedy?: string): ConfigError =>
    new ConfigError([{ path: ['rewards'], what, ...(remedy === undefined ? {} : { remedy }) }])
  if (!existsSync(path)) throw wrong(`there is no file ${path}`, 'paths start where the YAML file lies')
  let module: Readonly<Record<string, unknown>>
  try {
    module = await import(pathToFileURL(path).href)
  } catch (error) {
    throw wrong(`${path} cannot be imported: ${error instanceof Error ? error.message : String(error)}`)
  }
  const functions = new Map<string, Reward>()
  for (const [name, value] of Object.entries(module))
    if (isReward(value)) functions.set(name === 'default' ? value.name || 'default' : name, value)
  return functions
}

function isReward(value: unknown): value is Reward {
  return typeof value === 'function'
}

function failuresAt(path: ConfigPath, error: unknown): ConfigFailure[] {
  if (!(error instanceof ConfigError)) throw error
  return error.failures.map((failure) => ({ ...failure, path: [...path, ...failure.path] }))
}
