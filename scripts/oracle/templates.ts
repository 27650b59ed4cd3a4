/**
 * `bun run oracle templates`: the chat templates that other tools ship, with random conversations: our text beside
 * transformers' `apply_chat_template`, our masks beside axolotl's and, where the template marks what the model writes,
 * beside transformers'. Differences that are not in `template-differences.ts` are failures.
 *
 * The templates come from wheels that tests/oracle/chat_templates.py unpacks into a folder outside of the repository.
 */
import { spawnSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { TrituneError, type TokenizerLike } from '../../core/mod.ts'
import { chatTemplate, datasetOptions, IGNORE, type DatasetOptions } from '../../plugins/data/mod.ts'
import { parseExactJson } from '../../plugins/jinja/mod.ts'
import { createChatRenderer, type ChatMessage } from '../../plugins/tokenizer/mod.ts'
import * as v from 'valibot'
import { temporaryFolder } from '../../tests/_golden.ts'
import { ROOT } from '../_setup.ts'
import { byteTokenizer } from './_byte-tokenizer.ts'
import { DIFFERENCES, type Difference } from './template-differences.ts'

export interface TemplateOracleOptions {
  readonly python: string
  /** Conversations per template. */
  readonly count: number
  readonly cache: string | undefined
}

/** What Python made of one template; see tests/oracle/chat_templates.py. */
interface TemplateCases {
  readonly name: string
  readonly template: string
  readonly eos: string
  readonly special: readonly string[]
  readonly cases: readonly Case[]
}

/** Number of tokens, and where runs of trained ones begin and end. */
type Mask = readonly [number, readonly number[]]

interface Case {
  readonly messages: readonly ChatMessage[]
  readonly tools: readonly unknown[] | null
  readonly prompt: boolean
  /** null: refused. */
  readonly text: string | null
  readonly masks: Mask | null
  readonly generations?: Mask | null
}

interface Tally {
  texts: number
  refusals: number
  masks: number
  marked: number
  readonly listed: Map<Difference, number>
  readonly failures: string[]
}

/** True when every difference is a listed one. */
export async function runTemplateOracle({ python, count, cache }: TemplateOracleOptions): Promise<boolean> {
  const folder = cache ?? join(homedir(), '.cache', 'tritune-oracle')
  runPython(python, ['fetch', folder])
  using space = temporaryFolder()
  const out = join(space.path, 'cases.jsonl')
  runPython(python, ['run', folder, out, String(count)])
  return judgeFile(out)
}

/** Judges what `chat_templates.py run` wrote, and prints the tally. True when every difference is a listed one. */
export async function judgeFile(path: string): Promise<boolean> {
  const tally: Tally = { texts: 0, refusals: 0, masks: 0, marked: 0, listed: new Map(), failures: [] }
  let templates = 0
  for await (const line of createInterface({ input: createReadStream(path, 'utf8') })) {
    judgeTemplate(readCases(line), tally)
    templates++
  }
  report(templates, tally)
  return tally.failures.length === 0 && templates >= 30
}

/** Numbers as Python wrote them: 1.0 is not 1 in a template. */
function readCases(line: string): TemplateCases {
  const cases = parseExactJson(line)
  if (isCases(cases)) return cases
  throw new TrituneError('E_FORMAT', `not the cases of a template: ${line.slice(0, 80)}`)
}

function isCases(value: unknown): value is TemplateCases {
  return typeof value === 'object' && value !== null && 'cases' in value && 'template' in value
}

function runPython(python: string, args: readonly string[]): void {
  const script = join(ROOT, 'tests/oracle/chat_templates.py')
  const env = { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_VERBOSITY: 'error' }
  const { status, error } = spawnSync(python, [script, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env,
  })
  if (status === 0) return
  throw new TrituneError(
    'E_USAGE',
    `${script} ${args[0]} failed${error === undefined ? '' : `: ${error.message}`}`,
    {
      place: python,
      remedy:
        '`pip install transformers jinja2` in a virtual environment, and name its python with --python or TRITUNE_PYTHON',
    },
  )
}

function judgeTemplate({ name, template, eos, special, cases }: TemplateCases, tally: Tally): void {
  const render = createChatRenderer(name, new Map([['default', template]]), {
    bos_token: '<s>',
    eos_token: eos,
  })
  const tokenizer = byteTokenizer(special, eos, render)
  const unmarked: TokenizerLike = { ...tokenizer, generationsOf: undefined }
  const chat = v.parse(datasetOptions, { path: 'cases.jsonl', type: 'chat_template' })
  for (const [index, item] of cases.entries()) {
    const place = `${name} #${index}`
    const tools = item.tools ?? undefined
    const text = attempt(() => {
      if (item.messages.length === 0) throw new TrituneError('E_DATA', 'no messages')
      return render(item.messages, { tools, addGenerationPrompt: item.prompt }).text
    })
    if (text.value === item.text) tally[item.text === null ? 'refusals' : 'texts']++
    else
      tally.failures.push(
        `${place}: text: ${text.error ?? JSON.stringify(text.value)}, not ${JSON.stringify(item.text)}`,
      )

    const mask = attempt(() => maskOf(item, unmarked, chat))
    judgeMask(place, name, 'axolotl', mask, item.masks, tally)
    if (item.generations === undefined) continue
    const marked = attempt(() => maskOf(item, tokenizer, { ...chat, train_on_eos: 'none' }))
    judgeMask(place, name, 'transformers', marked, item.generations, tally)
  }
}

function judgeMask(
  place: string,
  template: string,
  by: Difference['by'],
  ours: Attempt<Mask>,
  theirs: Mask | null,
  tally: Tally,
): void {
  if (JSON.stringify(ours.value) === JSON.stringify(theirs)) {
    tally[by === 'axolotl' ? 'masks' : 'marked']++
    return
  }
  const kind = ours.value === null ? 'refused here' : theirs === null ? 'refused there' : 'differs'
  const known = DIFFERENCES.find(
    (entry) =>
      entry.by === by &&
      entry.kind === kind &&
      (entry.templates?.test(template) ?? true) &&
      (entry.error?.test(ours.error ?? '') ?? true),
  )
  if (known !== undefined) tally.listed.set(known, (tally.listed.get(known) ?? 0) + 1)
  else
    tally.failures.push(
      `${place}: mask of ${by} ${kind}: ${ours.error ?? JSON.stringify(ours.value)}, not ${JSON.stringify(theirs)}`,
    )
}

function maskOf({ messages, tools }: Case, tokenizer: TokenizerLike, options: DatasetOptions): Mask {
  const record = {
    value: { messages, ...(tools === null ? {} : { tools }) },
    source: { file: 'cases.jsonl', line: 1 },
  }
  const { ids, labels } = chatTemplate.tokenize(record, {
    tokenizer,
    options,
    typeOptions: {},
    trainOnInputs: false,
    eotTokens: null,
    note: () => {},
  })
  const edges: number[] = []
  labels.forEach((label, i) => {
    if ((label !== IGNORE) !== (i > 0 && labels[i - 1] !== IGNORE)) edges.push(i)
  })
  if (edges.length % 2 === 1) edges.push(labels.length)
  return [ids.length, edges]
}

interface Attempt<T> {
  readonly value: T | null
  readonly error: string | undefined
}

/** Refusals are results here; anything else is a fault of ours and goes through. */
function attempt<T>(work: () => T): Attempt<T> {
  try {
    return { value: work(), error: undefined }
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    return { value: null, error: error.message }
  }
}

function report(templates: number, { texts, refusals, masks, marked, listed, failures }: Tally): void {
  console.log(`${templates} templates; same text ${texts}, both refuse ${refusals}`)
  console.log(`same masks as axolotl ${masks}, as the template marks them ${marked}`)
  for (const [{ by, kind, reason }, times] of listed)
    console.log(`${String(times).padStart(6)}  ${by}, ${kind}: ${reason}`)
  for (const failure of failures.slice(0, 20)) console.log(`FAIL  ${failure.slice(0, 600)}`)
  console.log(
    failures.length === 0
      ? 'no difference that is not listed'
      : `${failures.length} differences that are not listed`,
  )
}
