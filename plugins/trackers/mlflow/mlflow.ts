/**
 * The monitor `mlflow`: tells a run to an MLflow server by its REST interface. https://mlflow.org/docs/latest/rest-api.html
 *
 * Not there: artifacts, the model registry, folders instead of a server.
 */
import { Buffer } from 'node:buffer'
import { userInfo } from 'node:os'
import {
  ConfigError,
  defineOptions,
  type Monitor,
  type MonitorContext,
  type MonitorDefinition,
  nullable,
  text,
  TrituneError,
  type ValidatableConfig,
} from '../../../core/mod.ts'
import { expectAddress } from '../http/address.ts'
import { createOutbox } from '../http/outbox.ts'
import { fieldOf, placeOf, Refused, requestJson } from '../http/request-json.ts'
import { isTold, scalarsOf, type Scalars } from '../scalars.ts'
import { recordOf, settingsOf } from '../record-of.ts'

/** As axolotl's `mlflow_*` keys; what is null is as the environment (`MLFLOW_TRACKING_URI`, …) or the run says. */
export interface MlflowOptions {
  readonly tracking_uri: string | null
  readonly experiment_name: string | null
  readonly run_name: string | null
}

const fields: ValidatableConfig<MlflowOptions> = defineOptions<MlflowOptions>({
  tracking_uri: nullable(text('the address of a server')),
  experiment_name: nullable(text('a name')),
  run_name: nullable(text('a name')),
})

/** `use_mlflow: true` with `mlflow_tracking_uri` …, or `monitors: [{ name: mlflow, tracking_uri: … }]`. */
export const mlflow: MonitorDefinition<MlflowOptions> = {
  name: 'mlflow',
  options: {
    ...fields,
    validate(input) {
      const options = fields.validate(input)
      addressOf(options)
      return options
    },
  },
  create: createMlflow,
}

/** Whether the environment names a server. */
export function hasMlflowServer(): boolean {
  return (process.env['MLFLOW_TRACKING_URI'] ?? '') !== ''
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function addressOf({ tracking_uri: given }: MlflowOptions): string {
  const address = given ?? process.env['MLFLOW_TRACKING_URI']
  if (address === undefined || address === '')
    throw new ConfigError([
      {
        path: [],
        what: 'there is no address of an MLflow server',
        remedy: 'set mlflow_tracking_uri, or MLFLOW_TRACKING_URI in the environment',
      },
    ])
  return expectAddress(given === null ? 'MLFLOW_TRACKING_URI' : 'tracking_uri', address)
}

/** As MLflow's own client: a token, or a name and a password. */
function authorizationOf(): string | undefined {
  const {
    MLFLOW_TRACKING_TOKEN: token,
    MLFLOW_TRACKING_USERNAME: user,
    MLFLOW_TRACKING_PASSWORD: password,
  } = process.env
  if (token) return `Bearer ${token}`
  return user ? `Basic ${Buffer.from(`${user}:${password ?? ''}`).toString('base64')}` : undefined
}

/** Of one request: https://mlflow.org/docs/latest/rest-api.html#request-limits */
const METRICS_AT_ONCE = 1000
const PARAMETERS_AT_ONCE = 100
const LONGEST_VALUE = 6000

interface Told extends Scalars {
  readonly time: number
}

function createMlflow(options: MlflowOptions, { outputDir, loggingSteps }: MonitorContext): Monitor {
  const base = `${addressOf(options)}/api/2.0/mlflow/`
  const authorization = authorizationOf()
  let runId: string | null = null
  let hasTold = false
  let isResumed = false

  const post = async (called: string, body: object): Promise<unknown> =>
    await requestJson({ url: `${base}${called}`, authorization, body: JSON.stringify(body) })
  const open = async (): Promise<string> =>
    (runId ??= await openRun({ base, authorization, post }, options, { outputDir, isResumed }))
  const outbox = createOutbox<Told>({
    async send(told) {
      const id = await open()
      const metrics = told.flatMap(({ step, values, time }) =>
        Object.entries(values).map(([key, value]) => ({
          key: nameOf(key),
          value: numberOf(value),
          timestamp: time,
          step,
        })),
      )
      for (let i = 0; i < metrics.length; i += METRICS_AT_ONCE)
        await post('runs/log-batch', { run_id: id, metrics: metrics.slice(i, i + METRICS_AT_ONCE) })
    },
  })
  const end = async (status: 'FINISHED' | 'KILLED' | 'FAILED'): Promise<void> => {
    await outbox.end()
    await post('runs/update', { run_id: await open(), status, end_time: Date.now() })
  }
  return {
    onEvent(event) {
      if (event.type === 'start') isResumed = event.step > 0
      if (event.type === 'end') return end(event.result.stopped ? 'KILLED' : 'FINISHED')
      // Before the first step there is nothing to tell of.
      if (event.type === 'error') return hasTold ? end('FAILED') : undefined
      const scalars = isTold(event, loggingSteps) ? scalarsOf(event) : null
      if (scalars === null) return
      hasTold = true
      outbox.add({ ...scalars, time: Date.now() })
    },
  }
}

/** The tag by which a resumed run finds what it began. */
const RUN_TAG = 'tritune.run_id'

interface Server {
  readonly base: string
  readonly authorization: string | undefined
  post(called: string, body: object): Promise<unknown>
}

/** The id of the run on the server: a new one, or the one that was begun before. */
async function openRun(
  server: Server,
  options: MlflowOptions,
  { outputDir, isResumed }: { readonly outputDir: string; readonly isResumed: boolean },
): Promise<string> {
  const run = recordOf(outputDir)
  const experiment = options.experiment_name ?? (process.env['MLFLOW_EXPERIMENT_NAME'] || 'Default')
  const experiment_id = await experimentId(server, experiment)
  const begun = isResumed ? await findRun(server, experiment_id, run.run_id) : null
  if (begun !== null) {
    await server.post('runs/update', { run_id: begun, status: 'RUNNING' })
    return begun
  }
  const name = options.run_name ?? (process.env['MLFLOW_RUN_NAME'] || run.run_name)
  const user = userInfo().username
  const answer = await server.post('runs/create', {
    experiment_id,
    user_id: user,
    run_name: name,
    start_time: Date.now(),
    tags: [
      { key: 'mlflow.user', value: user },
      { key: 'mlflow.source.name', value: 'tritune' },
      { key: 'mlflow.source.type', value: 'LOCAL' },
      { key: 'mlflow.runName', value: name },
      { key: RUN_TAG, value: run.run_id },
      ...(run.git_commit === null ? [] : [{ key: 'mlflow.source.git.commit', value: run.git_commit }]),
    ],
  })
  const id = fieldOf(answer, 'run', 'info', 'run_id')
  if (typeof id !== 'string')
    throw new TrituneError('E_NETWORK', 'the server made no run', { place: placeOf(server.base) })
  const params = Object.entries(settingsOf(run)).map(([key, value]) => ({
    key: nameOf(key),
    value: (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, LONGEST_VALUE),
  }))
  for (let i = 0; i < params.length; i += PARAMETERS_AT_ONCE)
    await server.post('runs/log-batch', { run_id: id, params: params.slice(i, i + PARAMETERS_AT_ONCE) })
  return id
}

async function findRun({ post }: Server, experimentId: string, ownId: string): Promise<string | null> {
  const found = await post('runs/search', {
    experiment_ids: [experimentId],
    filter: `tags.\`${RUN_TAG}\` = '${ownId.replaceAll("'", '')}'`,
    max_results: 1,
  })
  const id = fieldOf(found, 'runs', '0', 'info', 'run_id')
  return typeof id === 'string' ? id : null
}

async function experimentId({ base, authorization, post }: Server, name: string): Promise<string> {
  const url = `${base}experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`
  const found = await requestJson({ method: 'GET', url, authorization }).catch((error: unknown) => {
    if (error instanceof Refused && error.status === 404) return null
    throw error
  })
  const known = fieldOf(found, 'experiment', 'experiment_id')
  if (typeof known === 'string') return known
  const made = fieldOf(await post('experiments/create', { name }), 'experiment_id')
  if (typeof made === 'string') return made
  throw new TrituneError('E_NETWORK', `the server made no experiment "${name}"`, {
    place: placeOf(base),
  })
}

/** Other characters are refused by the server. */
function nameOf(key: string): string {
  return key.replaceAll(/[^\w\-. :/]/g, '_')
}

/** JSON has none of them; protocol buffers as JSON have these words. */
function numberOf(value: number): number | string {
  return Number.isFinite(value) ? value : String(value)
}
