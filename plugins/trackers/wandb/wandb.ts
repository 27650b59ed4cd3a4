/**
 * The monitor `wandb`: tells a run to Weights & Biases, or a server that speaks its protocol, by the two requests that its own client makes: `UpsertBucket` over
 * GraphQL makes the run, `file_stream` takes its lines. No package, no process beside the run.
 *
 * Not there: system statistics, media, artifacts, sweeps, the binary log of offline runs.
 */
import { Buffer } from 'node:buffer'
import { hostname } from 'node:os'
import {
  ConfigError,
  defineOptions,
  type JsonValue,
  type Monitor,
  type MonitorContext,
  type MonitorDefinition,
  nullable,
  text,
  TrituneError,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import { createOutbox } from '../http/outbox.ts'
import { fieldOf, requestJson } from '../http/request-json.ts'
import { isTold, scalarsOf, withGroup } from '../scalars.ts'
import { recordOf, settingsOf } from '../record-of.ts'
import { expectAddress } from '../http/address.ts'
import { UPSERT } from './upsert-bucket.ts'
import { wandbKey } from './wandb-key.ts'

/** As axolotl's `wandb_*` keys; what is null is as the environment (`WANDB_PROJECT`, …) or the run says. */
export interface WandbOptions {
  readonly project: string | null
  readonly entity: string | null
  readonly name: string | null
  readonly run_id: string | null
}

const fields: ValidatableConfig<WandbOptions> = defineOptions<WandbOptions>({
  project: nullable(text('the name of a project')),
  entity: nullable(text('the name of a user or a team')),
  name: nullable(text('a name')),
  run_id: nullable(text('an id')),
})

/** `use_wandb: true` with `wandb_project` …, or `monitors: [{ name: wandb, project: … }]`; the key is `WANDB_API_KEY`, or stands in ~/.netrc. */
export const wandb: MonitorDefinition<WandbOptions> = {
  name: 'wandb',
  options: {
    ...fields,
    validate(input) {
      const options = fields.validate(input)
      // Before the first step, not at the first line.
      connection()
      return options
    },
  },
  create: createWandb,
}

/** Whether there is a key, in the environment or in ~/.netrc. */
export function hasWandbKey(): boolean {
  return wandbKey(hostOf(process.env['WANDB_BASE_URL'] || DEFAULT_BASE)) !== null
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const DEFAULT_BASE = 'https://api.wandb.ai'

function hostOf(address: string): string {
  return URL.canParse(address) ? new URL(address).hostname : ''
}

interface Connection {
  readonly base: string
  readonly authorization: string
}

function connection(): Connection {
  const base = expectAddress('WANDB_BASE_URL', process.env['WANDB_BASE_URL'] || DEFAULT_BASE)
  const key = wandbKey(hostOf(base))
  if (key === null)
    throw new ConfigError([
      {
        path: [],
        what: 'there is no key for Weights & Biases',
        remedy: 'set WANDB_API_KEY, or leave out use_wandb: metrics.jsonl has every number',
      },
    ])
  return { base, authorization: `Basic ${Buffer.from(`api:${key}`).toString('base64')}` }
}

/** A line of the history: one step with all that was told for it, as JSON. */
type Row = Record<string, number>

function createWandb(options: WandbOptions, { outputDir, loggingSteps }: MonitorContext): Monitor {
  const { base, authorization } = connection()
  const began = Date.now()
  let stream = ''
  let sent = 0
  let row: Row | null = null
  let summary: Row = {}

  const post = async (path: string, body: string): Promise<unknown> =>
    await requestJson({ url: `${base}${path}`, authorization, body })
  const register = async (): Promise<void> => {
    const { entity, project, name, lines } = await upsert(post, options, outputDir)
    stream = `/files/${[entity, project, name].map(encodeURIComponent).join('/')}/file_stream`
    sent = lines
  }
  const outbox = createOutbox<Row>({
    async send(rows) {
      if (stream === '') await register()
      summary = Object.assign({}, summary, ...rows)
      const files = {
        'wandb-history.jsonl': { offset: sent, content: rows.map(lineText) },
        'wandb-summary.json': { offset: 0, content: [lineText(summary)] },
      }
      await post(stream, JSON.stringify({ files }))
      sent += rows.length
    },
  })
  /** Only whole steps are sent: an evaluation comes after its step. */
  const close = (): void => {
    if (row !== null) outbox.add(row)
    row = null
  }
  const end = async (exitcode: number): Promise<void> => {
    close()
    await outbox.end()
    if (stream === '') await register()
    await post(stream, JSON.stringify({ complete: true, exitcode }))
  }
  return {
    onEvent(event) {
      if (event.type === 'end') return end(0)
      // Before the first step there is nothing to tell of.
      if (event.type === 'error') return row === null && stream === '' ? undefined : end(1)
      const scalars = isTold(event, loggingSteps) ? scalarsOf(event) : null
      if (scalars === null) return
      const { step, values } = scalars
      if (row !== null && row['_step'] !== step) close()
      const now = Date.now()
      row = { ...row, _step: step, _timestamp: now / 1000, _runtime: (now - began) / 1000 }
      for (const [name, value] of Object.entries(values)) row[withGroup(name)] = value
    },
  }
}

/** As Python writes JSON, and the service reads it: NaN and Infinity as such. */
function lineText(row: Row): string {
  const fields = Object.entries(row).map(([name, value]) => `${JSON.stringify(name)}:${String(value)}`)
  return `{${fields.join(',')}}`
}

interface Registered {
  readonly entity: string
  readonly project: string
  readonly name: string
  /** Lines that the service has of a run before, which goes on. */
  readonly lines: number
}

async function upsert(
  post: (path: string, body: string) => Promise<unknown>,
  options: WandbOptions,
  outputDir: string,
): Promise<Registered> {
  const run = recordOf(outputDir)
  const { env } = process
  const config = Object.fromEntries(
    Object.entries(settingsOf(run)).flatMap(([key, setting]) => {
      const value = withoutEmpty(setting)
      return value === undefined ? [] : [[key, { value }]]
    }),
  )
  const variables = {
    name: options.run_id ?? env['WANDB_RUN_ID'] ?? run.run_id,
    project: options.project ?? env['WANDB_PROJECT'] ?? 'uncategorized',
    entity: options.entity ?? env['WANDB_ENTITY'] ?? null,
    displayName: options.name ?? env['WANDB_NAME'] ?? run.run_name,
    commit: run.git_commit,
    host: hostname(),
    program: 'tritune',
    config: JSON.stringify(config),
  }
  const answer = await post(
    '/graphql',
    JSON.stringify({ query: UPSERT, variables, operationName: 'UpsertBucket' }),
  )
  const bucket = ['data', 'upsertBucket', 'bucket'] as const
  const [entity, name] = [
    fieldOf(answer, ...bucket, 'project', 'entity', 'name'),
    fieldOf(answer, ...bucket, 'name'),
  ]
  if (typeof entity !== 'string' || typeof name !== 'string') {
    const why = fieldOf(answer, 'errors', '0', 'message')
    throw new TrituneError(
      'E_NETWORK',
      `the run was not made: ${typeof why === 'string' ? why : 'no reason was given'}`,
      {
        place: 'wandb',
        remedy: 'look at wandb_entity and wandb_project, and at what the key may do',
      },
    )
  }
  const lines = fieldOf(answer, ...bucket, 'historyLineCount')
  return { entity, project: variables.project, name, lines: typeof lines === 'number' ? lines : 0 }
}

/** As its client has it: a mapping without entries is none. */
function withoutEmpty(value: JsonValue): JsonValue | undefined {
  if (typeof value !== 'object' || value === null || isList(value)) return value
  const kept = Object.entries(value).flatMap(([key, inner]) => {
    const left = withoutEmpty(inner)
    return left === undefined ? [] : [[key, left] as const]
  })
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
