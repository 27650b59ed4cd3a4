/**
 * The monitor as a web page: runs while they go, several over each other, and a page on which one fine-tunes.
 *
 * It reads the folders of runs and asks them by their control.jsonl, so it watches runs of any process, and a run knows nothing of it.
 */
import type { TrituneError } from '../../../core/mod.ts'
import {
  fileRoutes,
  type FileSource,
  type HttpServerOptions,
  newToken,
  openHttpServer,
} from '../../http/mod.ts'
import type { Choices } from './choices.ts'
import { finetuneRoutes } from './finetune-routes.ts'
import { type JobList, openJobs } from './jobs.ts'
import { CommandError } from './json-command.ts'
import { pageFiles } from './page-files.ts'
import { openRunCatalogue } from './run-catalogue.ts'
import { runRoutes } from './run-routes.ts'

/** What a monitor shows, and where. */
export interface WebMonitorOptions extends Pick<
  HttpServerOptions,
  'host' | 'port' | 'allowedHosts' | 'onBug'
> {
  /** Folders that are looked through for runs; new ones go into the first. */
  readonly roots: readonly [string, ...string[]]
  /** The words that start the command `tritune`, for runs that are started from the page. */
  readonly tritune: readonly string[]
  /** Default: a new one. */
  readonly token?: string
  /** What the page offers first, beside what it finds. */
  readonly offered?: Pick<Choices, 'models' | 'files'>
  /** The page, where it is elsewhere than in this package. */
  readonly page?: FileSource
}

/** A monitor that runs. */
export interface WebMonitor extends AsyncDisposable {
  /** Address with the token, for whoever started it. */
  readonly url: string
  readonly port: number
  readonly token: string
  /** Runs that were started from the page. */
  readonly jobs: JobList
  /** Asks runs that were started here to stop after their step, waits for them, and ends. */
  close(): Promise<void>
}

/**
 * Opens the page on this machine.
 *
 * @throws E_BUSY when the port is taken, E_USAGE for an address that is none, E_FILE for a root that is no folder or cannot be read
 * @example
 * ```ts
 * import { openWebMonitor } from 'tritune/plugins/monitor'
 *
 * await using monitor = await openWebMonitor({
 *   roots: ['./outputs'],
 *   tritune: ['npx', 'tritune'],
 *   onBug: console.error,
 * })
 * console.log(monitor.url.startsWith('http://127.0.0.1:')) // → true
 * const runs = `http://127.0.0.1:${monitor.port}/api/runs`
 * console.log((await fetch(runs)).status) // → 401
 * ```
 */
export async function openWebMonitor({
  roots,
  tritune,
  token = newToken(),
  offered = { models: [], files: [] },
  page,
  ...server
}: WebMonitorOptions): Promise<WebMonitor> {
  const catalogue = openRunCatalogue(roots)
  // What cannot be looked through is told before the page is there.
  catalogue.list()
  const jobs = openJobs(tritune)
  const { url, port, close } = await openHttpServer({
    ...server,
    token,
    routes: [
      ...fileRoutes(page ?? (await pageFiles())),
      ...runRoutes({ catalogue, jobs }),
      ...finetuneRoutes({ jobs, tritune, root: roots[0], offered }),
    ],
    errorBody,
  })
  const end = async (): Promise<void> => {
    await Promise.all([close(), jobs.close()])
  }
  return { url: `${url}/#token=${token}`, port, token, jobs, close: end, [Symbol.asyncDispose]: end }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** With every fault of a file, where a command told them. */
function errorBody(error: TrituneError): unknown {
  const { what, place = null, remedy = null, message } = error
  const line = error instanceof CommandError ? error.line : null
  return {
    error: {
      code: line?.['code'] ?? error.code,
      what,
      where: place,
      remedy,
      message,
      faults: line?.['faults'] ?? [],
    },
  }
}
