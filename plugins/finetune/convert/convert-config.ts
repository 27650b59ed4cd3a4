/**
 * A file of another tool as the file of a run: which tool it is told by its keys, and what becomes of each of them is accounted for. The result is checked as
 * any other file; what is wrong with it is said of the key that it came from.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { ConfigError, TrituneError } from '../../../core/mod.ts'
import { parseYaml, yamlValue } from '../../../core/files/yaml.ts'
import { resolveModelPart } from '../../hub/mod.ts'
import { readConfig } from '../../models/mod.ts'
import { finetuneConfig } from '../config/config.ts'
import type { Accounted, Converted } from './account.ts'
import type { DatasetInfo } from './dataset-info.ts'
import { DATASET_DIR, fromLlamaFactory } from './llama-factory.ts'
import { fromMlxLm } from './mlx-lm.ts'

/** The tools whose files are read. */
export const CONVERTED_TOOLS = ['mlx-lm', 'LLaMA-Factory'] as const

/** One of them. */
export type ConvertedTool = (typeof CONVERTED_TOOLS)[number]

/** A converted file: its text, and what became of each key. */
export interface ConvertedConfig {
  readonly tool: ConvertedTool
  /** YAML of a run. */
  readonly text: string
  readonly account: readonly Accounted[]
}

/** Options of `convertConfig()`: what the file does not say of itself. */
export interface ConvertConfigOptions {
  /** Not given: told by the keys. */
  readonly tool?: ConvertedTool
  /** The folder of dataset_info.json, instead of `dataset_dir`. */
  readonly datasetDir?: string
}

/**
 * The text of a YAML file of mlx-lm or LLaMA-Factory → that of a run. E_CONFIG when it is of neither.
 *
 * @example
 * ```ts
 * import { convertConfig } from 'tritune/plugins/finetune'
 *
 * const theirs = 'model: org/name\ndata: folder\niters: 100\nnum_layers: -1\n'
 * const { text, account } = await convertConfig(theirs, 'lora_config.yaml')
 * console.log(text.includes('max_steps: 100')) // → true
 * console.log(account.map(({ key, fate }) => `${key} ${fate}`).join(', '))
 * ```
 */
export async function convertConfig(
  text: string,
  path: string,
  { tool: given, datasetDir }: ConvertConfigOptions = {},
): Promise<ConvertedConfig> {
  const file = mappingOf(yamlValue(parseYaml(text, path)), path)
  const tool = given ?? toolOf(file, path)
  const converted =
    tool === 'mlx-lm'
      ? fromMlxLm(file, { layers: await layersOf(String(file['model'])) })
      : fromLlamaFactory(file, { info: readInfo(datasetDir ?? String(file['dataset_dir'] ?? DATASET_DIR)) })
  const account = [...converted.account, ...faultsOf(converted)]
  return { tool, text: textOf(converted, account), account }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Keys that only this tool has. */
const MARKS: Readonly<Record<ConvertedTool, readonly string[]>> = {
  'mlx-lm': ['iters', 'fine_tune_type', 'lora_parameters', 'steps_per_report', 'adapter_path', 'num_layers'],
  'LLaMA-Factory': ['model_name_or_path', 'finetuning_type', 'stage', 'cutoff_len', 'lora_rank', 'template'],
}

function mappingOf(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new TrituneError('E_CONFIG', 'expected a mapping of keys', { place: path })
}

function toolOf(file: Readonly<Record<string, unknown>>, path: string): ConvertedTool {
  const counts = CONVERTED_TOOLS.map(
    (tool) => [tool, MARKS[tool].filter((key) => Object.hasOwn(file, key)).length] as const,
  )
  const [[tool, most]] = counts.toSorted(([, a], [, b]) => b - a)
  if (most > 0) return tool
  throw new TrituneError(
    'E_CONFIG',
    'this is no file of mlx-lm or LLaMA-Factory: it has none of their keys',
    {
      place: path,
      remedy: `say whose it is with --from ${CONVERTED_TOOLS.join(' or ')}; files of axolotl are read as they are`,
    },
  )
}

/** Blocks of a model in a folder, or on the hub, where its config.json can be had. */
async function layersOf(model: string): Promise<number | null> {
  try {
    const folder = await resolveModelPart(model, 'config')
    if (folder === null) return null
    const { num_hidden_layers: layers } = readConfig(folder)
    return typeof layers === 'number' ? layers : null
  } catch (error) {
    if (error instanceof TrituneError) return null
    throw error
  }
}

function readInfo(folder: string): DatasetInfo | null {
  const path = join(folder, 'dataset_info.json')
  if (!existsSync(path)) return null
  try {
    const datasets: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof datasets === 'object' && datasets !== null) return { folder, datasets: { ...datasets } }
  } catch (cause) {
    throw new TrituneError('E_FORMAT', 'is no valid JSON', { place: resolve(path), cause })
  }
  throw new TrituneError('E_FORMAT', 'expected a mapping of names', { place: resolve(path) })
}

/** What is wrong with the result, apart from what was refused already. */
function faultsOf({ keys, account }: Converted): Accounted[] {
  const isRefused = (name: string): boolean =>
    account.some(({ fate }) => fate === 'refused') && !(name in keys)
  try {
    finetuneConfig.validate(keys)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.failures
      .filter(({ path }) => !isRefused(String(path[0])))
      .map(({ path, what }) => ({ key: path.join('.'), fate: 'refused', said: what }))
  }
}

function textOf({ tool, keys }: Converted, account: readonly Accounted[]): string {
  const of = (fate: Accounted['fate']): string[] =>
    account
      .filter((one) => one.fate === fate)
      .map(({ key, said }) => `#   ${key}: ${said.replaceAll('\n', ' ')}`)
  const [left, refused] = [of('no effect'), of('refused')]
  return [
    `# Made of a file of ${tool}.`,
    ...(left.length > 0 ? ['# Without effect here:', ...left] : []),
    ...(refused.length > 0 ? ['# NOT carried over:', ...refused] : []),
    '',
    stringify(keys, { lineWidth: 0 }),
  ].join('\n')
}
