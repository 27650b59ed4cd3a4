/**
 * The README.md of a pushed folder: the metadata that the hub reads, how the model was made, and how to use it. Says what
 * is known and nothing else. https://huggingface.co/docs/hub/model-cards
 */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import type { PushKind } from './push-files.ts'
import { looksLikePath } from './reference.ts'

/** How a model was trained: what the card tells, in this order. */
export interface TrainingFacts {
  /** Name on the hub, or a path, of which the card tells the last part. */
  readonly baseModel?: string
  /** Names on the hub, or paths. */
  readonly datasets?: readonly string[]
  /** Name → value, as in the file of settings. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  readonly results?: Readonly<Record<string, string | number>>
  readonly trituneVersion?: string
  /** Of an adapter that PEFT does not know: its method, and the packages of the plugins that it needs. */
  readonly ownMethod?: { readonly name: string; readonly packages: readonly string[] }
}

/** What a model card tells; what is not given is left out. */
export interface ModelCardOptions extends TrainingFacts {
  readonly kind: PushKind
  /** `org/name`, for the snippet. */
  readonly repo: string
  /** Identifier of the hub, such as `apache-2.0`. */
  readonly license?: string
}

/**
 * The README.md of a repository: metadata that the hub reads, a snippet for Python, and tables of what is known. Names
 * that look like nobody's repository appear as their last part, so that no path of this machine is told.
 *
 * @example
 * ```ts
 * import { modelCard } from 'tritune/plugins/hub'
 *
 * const card = modelCard({ kind: 'adapter', repo: 'me/poems', baseModel: 'org/base', license: 'apache-2.0' })
 * console.log(card.includes('apache-2.0')) // → true
 * ```
 */
export function modelCard(options: ModelCardOptions): string {
  const { repo, baseModel, datasets = [], settings = {}, results = {}, trituneVersion } = options
  const base = baseModel === undefined ? undefined : nameOf(baseModel)
  const sections = [
    ...metadata(options),
    `# ${repo.split('/')[1]}`,
    `${title(options)}${base === undefined ? '' : ` of ${link(base, '')}`}, made with tritune${trituneVersion === undefined ? '' : ` ${trituneVersion}`}.`,
    ...use(options, base),
    ...(datasets.length > 0
      ? ['## Data', datasets.map((name) => `- ${link(nameOf(name), 'datasets/')}`).join('\n')]
      : []),
    ...table('Training', 'setting', settings),
    ...table('Results', 'measure', results),
  ]
  return `${sections
    .join('\n\n')
    .replace(/```(python|sh)\n\n/, '```$1\n')
    .replace(/\n\n```(?=\n|$)/, '\n```')}\n`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const KINDS: Readonly<Record<PushKind, string>> = {
  adapter: 'A PEFT adapter',
  model: 'A fine-tuned model',
  gguf: 'GGUF files',
}

function title({ kind, ownMethod }: ModelCardOptions): string {
  return ownMethod === undefined ? KINDS[kind] : `An adapter by the method \`${code(ownMethod.name)}\``
}

/** Nothing of PEFT's for what PEFT cannot read. */
function use({ kind, repo, ownMethod }: ModelCardOptions, base: string | undefined): string[] {
  if (kind === 'gguf') return []
  if (ownMethod === undefined) return ['## Use', '```python', snippet(kind, repo, base), '```']
  const { packages } = ownMethod
  const folder = repo.split('/')[1]
  const plugins = packages.length > 0 ? packages : ['./its-plugin.ts']
  const options = plugins.map((name) => ` --plugin ${name}`).join('')
  return [
    '## Use',
    `PEFT does not know this method: it is run by tritune with ${packages.length > 0 ? packages.map((name) => `\`${name}\``).join(', ') : 'the file of its plugin'}.`,
    '```sh',
    [
      `bun add ${['tritune', ...packages].join(' ')}`,
      `bunx tritune generate ${base ?? '<base model>'} --adapter ./${folder}${options} --prompt "…" # ./${folder}: the files of this repository`,
    ].join('\n'),
    '```',
  ]
}

function code(text: string): string {
  return text.replaceAll('`', '').replace(/\s+/g, ' ')
}

function metadata({ kind, baseModel, datasets = [], license, ownMethod }: ModelCardOptions): string[] {
  const library = ownMethod !== undefined ? 'tritune' : kind === 'adapter' ? 'peft' : 'transformers'
  const hubDatasets = datasets.filter(isHubName)
  const lines = [
    ...(license === undefined ? [] : [`license: ${JSON.stringify(license)}`]),
    ...(baseModel !== undefined && isHubName(baseModel) ? [`base_model: ${JSON.stringify(baseModel)}`] : []),
    ...(hubDatasets.length > 0
      ? ['datasets:', ...hubDatasets.map((name) => `- ${JSON.stringify(name)}`)]
      : []),
    ...(kind === 'gguf' ? [] : [`library_name: ${library}`]),
    'pipeline_tag: text-generation',
    'tags:',
    '- tritune',
    ...(library === 'peft' ? ['- peft'] : []),
    ...(kind === 'adapter' ? ['- adapter'] : []),
    ...(kind === 'gguf' ? ['- gguf'] : []),
  ]
  return [['---', ...lines, '---'].join('\n')]
}

function snippet(kind: PushKind, repo: string, base: string | undefined): string {
  const auto = kind === 'adapter' ? 'AutoPeftModelForCausalLM' : 'AutoModelForCausalLM'
  const from = kind === 'adapter' ? 'peft' : 'transformers'
  // The folder of a run has the tokenizer that it was trained with.
  const note = kind === 'adapter' && base !== undefined && !isHubName(base) ? `  # needs ${base}` : ''
  return [
    ...(from === 'peft'
      ? [`from peft import ${auto}`, 'from transformers import AutoTokenizer']
      : [`from transformers import ${auto}, AutoTokenizer`]),
    '',
    `model = ${auto}.from_pretrained("${repo}")${note}`,
    `tokenizer = AutoTokenizer.from_pretrained("${repo}")`,
  ].join('\n')
}

function table(title: string, column: string, values: Readonly<Record<string, unknown>>): string[] {
  const rows = Object.entries(values).map(([name, value]) => `| ${cell(name)} | ${cell(String(value))} |`)
  return rows.length === 0 ? [] : [`## ${title}`, [`| ${column} | value |`, '|---|---|', ...rows].join('\n')]
}

function cell(text: string): string {
  return text.replace(/[|\\<>`]/g, '\\$&').replace(/\s+/g, ' ')
}

function link(name: string, kind: string): string {
  return isHubName(name) ? `[${name}](https://huggingface.co/${kind}${name})` : `\`${code(name)}\``
}

/** A path says where somebody keeps his files: its last part is enough. */
function nameOf(name: string): string {
  return isHubName(name) ? name : basename(name.replaceAll('\\', '/'))
}

/** Whether a text has the form of a repository's name, `org/name`, and is no path, data file, or folder that is here. Asks nobody. */
export function isHubName(name: string): boolean {
  return (
    !looksLikePath(name) &&
    /^[\w.-]+\/[\w.-]+$/.test(name) &&
    !/\.(jsonl?|csv|txt|parquet|gguf)$/.test(name) &&
    !existsSync(name)
  )
}
