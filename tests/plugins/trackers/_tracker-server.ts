/**
 * A server on this machine that speaks as much of the protocols of Weights & Biases and of MLflow as their own clients need for a run, and keeps what it is told.
 * It can be made slow, broken or refusing.
 */
import { gunzipSync } from 'node:zlib'

/** What a run of either was told, as a reader of that service would see it. */
export interface TrackedRun {
  readonly kind: 'wandb' | 'mlflow'
  readonly name: string
  readonly project: string
  readonly config: Readonly<Record<string, unknown>>
  /** Step → values that were told for it. */
  readonly history: ReadonlyMap<number, Readonly<Record<string, number | string>>>
  /** Of MLflow: RUNNING, FINISHED, FAILED, KILLED; of wandb: by its exit code. */
  readonly status: string
}

export interface TrackerServer extends Disposable {
  readonly url: string
  readonly requests: readonly {
    readonly method: string
    readonly path: string
    readonly auth: string | null
  }[]
  runs(): TrackedRun[]
  /** Answers from now on: `ok`, a status, or nothing at all. */
  answer: 'ok' | 'silence' | number
}

interface Kept {
  kind: 'wandb' | 'mlflow'
  name: string
  project: string
  config: Record<string, unknown>
  history: Map<number, Record<string, number | string>>
  status: string
  lines: string[]
  tags: Record<string, string>
}

export function trackerServer(): TrackerServer {
  const runs = new Map<string, Kept>()
  const requests: { method: string; path: string; auth: string | null }[] = []
  const experiments: string[] = []
  const state: { answer: TrackerServer['answer'] } = { answer: 'ok' }
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request, server) {
      const { pathname, searchParams } = new URL(request.url)
      requests.push({ method: request.method, path: pathname, auth: request.headers.get('authorization') })
      if (state.answer === 'silence') {
        server.timeout(request, 0)
        return await new Promise<Response>(() => {})
      }
      if (state.answer !== 'ok')
        return new Response('{"error_code":"X","message":"told to refuse"}', { status: state.answer })
      const bytes = new Uint8Array(await request.arrayBuffer())
      const text = new TextDecoder().decode(
        request.headers.get('content-encoding') === 'gzip' ? gunzipSync(bytes) : bytes,
      )
      if (pathname === '/graphql')
        return Response.json({ data: graphql(JSON.parse(text), server.url.origin, runs) })
      const stream = /^\/files\/[^/]+\/[^/]+\/([^/]+)\/file_stream$/.exec(pathname)
      if (stream) return Response.json(fileStream(runs.get(`wandb ${stream[1]}`), JSON.parse(text)))
      const called = /^\/api\/2\.0\/mlflow\/(.*)$/.exec(pathname)?.[1]
      if (called !== undefined)
        return mlflow(called, text === '' ? Object.fromEntries(searchParams) : JSON.parse(text), {
          runs,
          experiments,
        })
      return Response.json({})
    },
  })
  return {
    url: server.url.origin,
    requests,
    runs: () => [...runs.values()],
    get answer() {
      return state.answer
    },
    set answer(value) {
      state.answer = value
    },
    [Symbol.dispose]: () => void server.stop(true),
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Json = ReturnType<typeof JSON.parse>

function graphql({ query, variables }: Json, origin: string, runs: Map<string, Kept>): Json {
  if (/UpsertBucket/.test(query)) {
    const key = `wandb ${variables.name}`
    const run = runs.get(key) ?? {
      ...newRun('wandb'),
      name: variables.displayName,
      project: variables.project,
    }
    runs.set(key, run)
    const config = JSON.parse(variables.config ?? '{}')
    for (const [name, entry] of Object.entries<Json>(config))
      if (name !== '_wandb') run.config[name] = entry.value
    const project = {
      id: 'P',
      name: variables.project,
      entity: { id: 'E', name: variables.entity ?? 'somebody' },
    }
    const bucket = {
      id: 'B',
      name: variables.name,
      displayName: run.name,
      description: '',
      config: '{}',
      sweepName: null,
    }
    return {
      upsertBucket: { bucket: { ...bucket, historyLineCount: run.lines.length, project }, inserted: true },
    }
  }
  if (/CreateRunFiles/.test(query)) {
    const files = variables.files.map((name: string) => ({ name, uploadUrl: `${origin}/upload/${name}` }))
    return { createRunFiles: { runID: 'B', uploadHeaders: [], files } }
  }
  if (/query Viewer/.test(query))
    return {
      viewer: {
        id: 'V',
        entity: 'somebody',
        username: 'somebody',
        email: '',
        flags: '{}',
        teams: { edges: [] },
      },
    }
  return {}
}

function fileStream(run: Kept | undefined, { files = {}, complete, exitcode }: Json): Json {
  if (!run) return {}
  const { offset = 0, content = [] } = files['wandb-history.jsonl'] ?? {}
  // As the service does: lines have a place, and come again when an answer was lost.
  content.forEach((line: string, i: number) => (run.lines[offset + i] = line))
  for (const line of run.lines) {
    const { _step: step, ...values } = JSON.parse(line.replaceAll(/:(NaN|-?Infinity)/g, ':"$1"'))
    for (const name of ['_runtime', '_timestamp', '_wandb']) delete values[name]
    run.history.set(step, { ...run.history.get(step), ...values })
  }
  if (complete === true) run.status = exitcode === 0 ? 'FINISHED' : 'FAILED'
  return { exitcode: null, limits: {} }
}

function mlflow(
  called: string,
  body: Json,
  { runs, experiments }: { readonly runs: Map<string, Kept>; readonly experiments: string[] },
): Response {
  const infoOf = (id: string): Json => ({
    run_id: id,
    run_uuid: id,
    experiment_id: '0',
    status: 'RUNNING',
    start_time: 1,
    lifecycle_stage: 'active',
    artifact_uri: 'mlflow-artifacts:/0',
    run_name: runs.get(`mlflow ${id}`)?.name,
  })
  const missing = Response.json(
    { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'no such experiment' },
    { status: 404 },
  )
  const experiment = (id: number): Response =>
    Response.json({
      experiment: { experiment_id: String(id), name: experiments[id], lifecycle_stage: 'active' },
    })
  const run = runs.get(`mlflow ${body.run_id}`)
  switch (called) {
    case 'experiments/get-by-name':
      return experiments.includes(body.experiment_name)
        ? experiment(experiments.indexOf(body.experiment_name))
        : missing
    case 'experiments/create':
      return Response.json({ experiment_id: String(experiments.push(body.name) - 1) })
    case 'experiments/get':
      return experiment(Number(body.experiment_id))
    case 'runs/create': {
      const id = `run${runs.size}`
      runs.set(`mlflow ${id}`, {
        ...newRun('mlflow'),
        name: body.run_name,
        project: experiments[Number(body.experiment_id)],
        tags: Object.fromEntries((body.tags ?? []).map(({ key, value }: Json) => [key, value])),
      })
      return Response.json({ run: { info: infoOf(id), data: {} } })
    }
    case 'runs/search': {
      const [, name, value] = /^tags\.`([\w.]+)` = '([^']*)'$/.exec(body.filter) ?? []
      const found = [...runs].find(([, { tags }]) => name !== undefined && tags[name] === value)
      return Response.json(found ? { runs: [{ info: infoOf(found[0].split(' ')[1]) }] } : {})
    }
    case 'runs/get':
      return Response.json({ run: { info: infoOf(body.run_id), data: {} } })
    case 'runs/log-batch':
      for (const { key, value } of body.params ?? []) if (run) run.config[key] = value
      for (const { key, value, step } of body.metrics ?? [])
        run?.history.set(step, { ...run.history.get(step), [key]: value })
      return Response.json({})
    case 'runs/update':
      if (run) run.status = body.status
      return Response.json({ run_info: infoOf(body.run_id) })
    default:
      return Response.json({})
  }
}

function newRun(kind: Kept['kind']): Kept {
  return {
    kind,
    name: '',
    project: '',
    config: {},
    history: new Map(),
    status: 'RUNNING',
    lines: [],
    tags: {},
  }
}
