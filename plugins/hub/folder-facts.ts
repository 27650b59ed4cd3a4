/**
 * What the files of a folder tell of how it was made, for its model card: adapter_config.json, and tritune.json of plugins.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, fileError } from '../../core/files/files.ts'
import type { TrainingFacts } from './model-card.ts'

/** What the files of the folder say themselves. */
export function factsOfFolder(folder: string): TrainingFacts {
  const adapter = jsonOf(join(folder, 'adapter_config.json'))
  const baseModel = adapter['base_model_name_or_path']
  const pick = (names: readonly string[]): Record<string, string | number | boolean> =>
    Object.fromEntries(
      names.flatMap((name) => {
        const value = adapter[name]
        return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
          ? [[name, value]]
          : []
      }),
    )
  return {
    ...(typeof baseModel === 'string' && baseModel !== '' ? { baseModel } : {}),
    ...ownMethodOf(folder, adapter),
    settings: pick(['peft_type', 'r', 'lora_alpha', 'lora_dropout', 'use_rslora', 'use_dora']),
  }
}

/**
 * What a card tells of a folder: what the run told goes before what the files say. The rank has two names, that of PEFT (`r`) and that of a
 * run's file (`lora_r`): it is told once.
 */
export function cardFacts(files: TrainingFacts, run: TrainingFacts = {}): TrainingFacts {
  const { r, ...others } = files.settings ?? {}
  const own = r === undefined || Object.hasOwn(run.settings ?? {}, 'lora_r') ? others : files.settings
  return { ...files, ...run, settings: { ...own, ...run.settings } }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** As plugins/peft writes them: `tritune_adapter` where there is no PEFT type, and tritune.json. Names that npm would not take are left out. */
function ownMethodOf(
  folder: string,
  { peft_type: type, tritune_adapter: name }: Readonly<Record<string, unknown>>,
): Pick<TrainingFacts, 'ownMethod'> {
  if (typeof name !== 'string' || typeof type === 'string') return {}
  const { plugins } = jsonOf(join(folder, 'tritune.json'))
  const named = (Array.isArray(plugins) ? plugins : []).map((one: unknown) =>
    typeof one === 'object' && one !== null && 'package' in one ? one.package : undefined,
  )
  const packages = named.filter(
    (one): one is string => typeof one === 'string' && /^(@[\w.~-]+\/)?[\w.~-]+$/.test(one),
  )
  return { ownMethod: { name, packages } }
}

function jsonOf(path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return {}
    throw fileError(error, path, 'cannot read')
  }
}
