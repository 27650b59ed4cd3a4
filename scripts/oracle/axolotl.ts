/**
 * `bun run oracle axolotl`: how many of axolotl's example files would train here, from committed facts (tests/golden/axolotl, written by
 * tests/oracle/axolotl_facts.py): the keys and values of each example, and the keys of axolotl's schema. No Python and no network.
 *
 * A file would train when its keys and values are taken, its dataset types are there, and what is known of its checkpoint can be read. The
 * datasets themselves, names on the hub, are not looked at, and a value such as `<your-hub-model-id>` is taken as filled in.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, createHost, type Host, TrituneError } from '../../core/mod.ts'
import { datasetTypeOf } from '../../plugins/data/mod.ts'
import {
  builtInPlugins,
  datasetKeyEffect,
  exampleKind,
  finetuneConfig,
  type KeyEffect,
  keyEffect,
} from '../../plugins/finetune/mod.ts'
import { MODELS } from '../../plugins/models/mod.ts'
import { ROOT } from '../_setup.ts'

const FACTS = join(ROOT, 'tests/golden/axolotl')

/** What a committed line says of an example. */
interface Example {
  readonly file: string
  /** `model_type` of its model, `media` where it needs images or sound, `none` without a model. */
  readonly family: string
  /** Why axolotl's own schema refuses it. */
  readonly refused?: string
  readonly keys?: Readonly<Record<string, unknown>>
}

export interface Verdict extends Pick<Example, 'file' | 'family' | 'refused'> {
  /** Why it would not train; empty: it would. */
  readonly reasons: readonly string[]
}

/** Part of the schema → key → what becomes of it. */
export type KeyEffects = ReadonlyMap<string, ReadonlyMap<string, KeyEffect>>

/** Checkpoints whose weights are stored in a form that nobody reads here. */
const UNREADABLE: Readonly<Record<string, string>> = {}

export function readExamples(): readonly Example[] {
  return readFileSync(join(FACTS, 'examples.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line): Example => JSON.parse(line))
}

/** Of the examples with texts alone whose model family is here. */
export function verdicts(examples: readonly Example[]): readonly Verdict[] {
  using host = createHost({ plugins: builtInPlugins })
  return examples.flatMap(({ keys, ...example }) =>
    keys !== undefined && Object.hasOwn(MODELS, example.family)
      ? [{ ...example, reasons: reasonsOf(keys, host) }]
      : [],
  )
}

/** Every key of axolotl's schema. */
export function keyEffects(): KeyEffects {
  const parts: Readonly<Record<string, readonly string[]>> = JSON.parse(
    readFileSync(join(FACTS, 'keys.json'), 'utf8'),
  )
  return new Map(
    Object.entries(parts).map(([where, keys]) => {
      const effect = where === 'file' ? keyEffect : datasetKeyEffect
      return [where, new Map(keys.map((key) => [key, effect(key)]))]
    }),
  )
}

/** The share of them that must train. */
export const FLOOR = 0.9

/** Prints both; true when enough would train and no key is unknown. */
export async function runAxolotlOracle(): Promise<boolean> {
  const unknown: string[] = []
  for (const [where, keys] of keyEffects()) {
    const counts = new Map<KeyEffect, number>()
    for (const [key, effect] of keys) {
      counts.set(effect, (counts.get(effect) ?? 0) + 1)
      if (effect === 'unknown') unknown.push(`${where}: ${key}`)
    }
    const said = [...counts].map(([effect, count]) => `${count} ${effect}`).join(', ')
    console.log(`${where.padEnd(26)} ${String(keys.size).padStart(3)} keys: ${said}`)
  }
  for (const key of unknown) console.log(`FAIL  ${key} is unknown`)
  const examples = readExamples()
  const judged = verdicts(examples)
  console.log(
    `\n${examples.length} examples: ${judged.length} with texts alone and a model family that is here`,
  )
  for (const { file, reasons, refused } of judged) {
    if (reasons.length === 0) continue
    console.log(`no    ${file}${refused === undefined ? '' : ' (axolotl refuses it too)'}`)
    for (const reason of reasons) console.log(`        ${reason}`)
  }
  const { trains, share, takenShare, taken } = tally(judged)
  console.log(
    `\n${trains} of ${judged.length} would train: ${percent(share)} (floor ${percent(FLOOR)}); of the ${taken} that axolotl's schema takes: ${percent(takenShare)}`,
  )
  return share >= FLOOR && unknown.length === 0
}

/** How many would train, also among those that axolotl itself takes. */
export function tally(judged: readonly Verdict[]): {
  readonly trains: number
  readonly share: number
  readonly taken: number
  readonly takenShare: number
} {
  const trains = (list: readonly Verdict[]): number =>
    list.filter(({ reasons }) => reasons.length === 0).length
  const taken = judged.filter(({ refused }) => refused === undefined)
  return {
    trains: trains(judged),
    share: trains(judged) / judged.length,
    taken: taken.length,
    takenShare: trains(taken) / taken.length,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function reasonsOf(keys: Readonly<Record<string, unknown>>, host: Host): string[] {
  const model = String(keys['base_model'])
  const reasons = Object.hasOwn(UNREADABLE, model) ? [`base_model: ${UNREADABLE[model]}`] : []
  try {
    const config = finetuneConfig.validate(filledIn(keys))
    for (const [index, options] of [...config.datasets, ...config.test_datasets].entries()) {
      try {
        datasetTypeOf(options, host.all('dataset'), exampleKind(config, host))
      } catch (error) {
        if (!(error instanceof TrituneError)) throw error
        reasons.push(`datasets[${index}]: ${error.message.split('\n')[0]}`)
      }
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    reasons.push(...error.failures.map(({ path, what }) => `${path.join('.')}: ${what}`))
  }
  return reasons
}

/** What stands in <angle brackets> is for the reader to fill in. */
function filledIn(keys: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(keys).map(([key, value]) => [
      key,
      typeof value === 'string' && /^<your-.*>$/.test(value) ? 'org/name' : value,
    ]),
  )
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
