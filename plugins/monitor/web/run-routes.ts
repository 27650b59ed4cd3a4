/**
 * What the page asks about runs: their list, a stream of what is new in some of them, and to pause, save or stop one.
 */
import { didYouMean } from '../../../core/errors.ts'
import { TrituneError } from '../../../core/mod.ts'
import { eventReply, HttpRefusal, jsonReply, type Route } from '../../http/mod.ts'
import {
  type Control,
  CONTROL_ACTIONS,
  eventText,
  type RunChange,
  sendControl,
  watchRun,
} from '../../runs/mod.ts'
import { bodyFields } from './body-fields.ts'
import { createEventQueue } from './event-queue.ts'
import type { JobList } from './jobs.ts'
import type { RunCatalogue } from './run-catalogue.ts'
import { restOf, type WantedRun, wantedRun } from './wanted-run.ts'

export interface RunRoutesOptions {
  readonly catalogue: RunCatalogue
  readonly jobs: JobList
}

/** Curves of more runs than these are no picture. */
const MOST_WATCHED = 16

export function runRoutes({ catalogue, jobs }: RunRoutesOptions): Route[] {
  return [
    { method: 'GET', path: '/api/runs', handle: () => jsonReply({ runs: catalogue.list() }) },
    {
      method: 'GET',
      path: '/api/watch',
      handle({ query, signal }) {
        const runs = (query.get('runs') ?? '').split(',').filter((one) => one !== '')
        if (runs.length > MOST_WATCHED)
          throw new HttpRefusal(400, `at most ${MOST_WATCHED} runs are watched at once, got ${runs.length}`, {
            remedy: 'watch fewer, or open a second stream',
          })
        return eventReply(watched(runs.map(wantedRun), signal, { catalogue, jobs }))
      },
    },
    {
      method: 'POST',
      path: '/api/runs/:run/control',
      async handle(request) {
        const folder = catalogue.folderOf(request.params.run)
        return jsonReply({ id: sendControl(folder, controlOf(await request.json())) })
      },
    },
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Told = { readonly event: string; readonly data: string }

const LIST_MS = 1000

/** `runs` and `jobs` when they changed, `change` of each run that is watched, `gone` of one that is there no more. */
async function* watched(
  wanted: readonly WantedRun[],
  signal: AbortSignal,
  { catalogue, jobs }: RunRoutesOptions,
): AsyncGenerator<Told> {
  const queue = createEventQueue<Told>(signal)
  const tell = (event: string, data: unknown): void => queue.push({ event, data: JSON.stringify(data) })
  const whenChanged = (event: string, get: () => unknown): (() => void) => {
    let before = ''
    return () => {
      const data = JSON.stringify(get())
      if (data === before) return
      before = data
      queue.push({ event, data })
    }
  }
  const lists = [whenChanged('runs', () => catalogue.list()), whenChanged('jobs', () => jobs.list())]
  const watches = wanted.map((run) => watchOne(run, catalogue, tell))
  const look = (): void => {
    for (const list of lists) list()
  }
  const timer = setInterval(look, LIST_MS)
  try {
    look()
    yield* queue
  } finally {
    clearInterval(timer)
    for (const watch of watches) watch?.[Symbol.dispose]()
  }
}

function watchOne(
  { id, known }: WantedRun,
  catalogue: RunCatalogue,
  tell: (event: string, data: unknown) => void,
): Disposable | null {
  const gone = (error: unknown): void =>
    tell('gone', { id, message: error instanceof Error ? error.message : String(error) })
  let isFirst = true
  const onChange = (change: RunChange): void => {
    tell('change', { id, ...inWords(isFirst ? restOf(change, known) : change) })
    isFirst = false
  }
  try {
    return watchRun(catalogue.folderOf(id), onChange, { onError: gone })
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    gone(error)
    return null
  }
}

/** The page is told what to say of each event: as everywhere else. A sample has a place of its own there. */
function inWords(change: RunChange): object {
  const events = change.events.map((event) =>
    event.type === 'sample' ? event : { ...event, said: eventText(event) },
  )
  return { ...change, events }
}

function controlOf(body: unknown): Control {
  const fields = bodyFields(body)
  const name = fields.text('action')
  const action = CONTROL_ACTIONS.find((known) => known === name)
  if (action === undefined)
    throw new HttpRefusal(400, `there is no action "${name}"`, {
      remedy: didYouMean(name, CONTROL_ACTIONS),
    })
  return action === 'set_learning_rate' ? { action, value: fields.number('value') } : { action }
}
