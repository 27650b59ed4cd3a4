/**
 * What the page on which one fine-tunes asks for: choices, the file of a run, its data as tokens, what it takes, and to start it. The answers are those of
 * `tritune init`, `preview`, `estimate` and `finetune`, which run as processes of their own.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve, sep } from 'node:path'
import { writeFileAtomic } from '../../../core/files/atomic.ts'
import { TrituneError } from '../../../core/mod.ts'
import { HttpRefusal, type HttpRequest, jsonReply, type Route } from '../../http/mod.ts'
import { readFinetuneConfig } from '../../finetune/mod.ts'
import { isRun } from '../../runs/mod.ts'
import { bodyFields } from './body-fields.ts'
import { type Choices, findChoices } from './choices.ts'
import type { Job, JobList } from './jobs.ts'
import { type CommandLine, runCommand, withoutPath } from './json-command.ts'
import { MOST_BYTES, receiveFile } from './receive-file.ts'

export interface FinetuneRoutesOptions {
  readonly jobs: JobList
  /** The words that start the command. */
  readonly tritune: readonly string[]
  /** Where new runs go, and the page finds them. */
  readonly root: string
  readonly offered: Pick<Choices, 'models' | 'files'>
}

export function finetuneRoutes(options: FinetuneRoutesOptions): Route[] {
  const { offered } = options
  const helpers = limited(MOST_HELPERS)
  const post = (name: string, answer: (request: HttpRequest) => Promise<unknown>): Route => ({
    method: 'POST',
    path: `/api/finetune/${name}`,
    handle: async (request) => jsonReply(await answer(request)),
  })
  return [
    {
      method: 'GET',
      path: '/api/finetune/choices',
      handle: async () => jsonReply(await findChoices(offered)),
    },
    {
      method: 'POST',
      path: '/api/finetune/data/:name',
      handle: async (request) =>
        jsonReply({ path: await receiveFile(options.root, request.params.name, request.bytes(MOST_BYTES)) }),
    },
    post('draft', async (request) => await helpers(async () => await draft(request, options))),
    post('preview', async (request) =>
      helpers(async () => ({ examples: await onFile(request, options, ['preview', '--count', '3']) })),
    ),
    post('estimate', async (request) =>
      helpers(async () =>
        (await onFile(request, options, ['estimate'])).find(({ type }) => type === 'estimate'),
      ),
    ),
    post('start', async (request) => start(bodyFields(await request.json()), options)),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Each takes memory and cores from the runs that are under way. */
const MOST_HELPERS = 2

function limited(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  let busy = 0
  return async (work) => {
    if (busy >= most)
      throw new HttpRefusal(429, 'others are being answered', {
        code: 'E_BUSY',
        remedy: 'ask again in a moment',
        headers: { 'retry-after': '2' },
      })
    busy++
    try {
      return await work()
    } finally {
      busy--
    }
  }
}

type Fields = ReturnType<typeof bodyFields>

/** A name that is a folder of its own wherever it is put. */
function nameOf(fields: Fields): string {
  const name = fields.text('name')
  if (/^[A-Za-z0-9][\w.-]{0,63}$/.test(name) && !name.endsWith('.')) return name
  throw new HttpRefusal(400, `name: expected letters, digits and . _ - , got "${name.slice(0, 80)}"`, {
    remedy: 'begin with a letter or digit, take at most 64, and end in no point',
  })
}

/** So that one sees what it learns. */
const SAMPLES = 'generate_samples: true # at each evaluation the model writes something\n'

async function draft(request: HttpRequest, { tritune, root }: FinetuneRoutesOptions): Promise<unknown> {
  const fields = bodyFields(await request.json())
  const name = nameOf(fields)
  return await withFolder(async (folder) => {
    const file = join(folder, `${name}.yaml`)
    // With `=`, so that a value which begins with a dash is one.
    const args = [
      `--model=${fields.text('model')}`,
      `--data=${fields.text('data')}`,
      `--adapter=${fields.text('adapter')}`,
      `--output-dir=${join(root, name).replaceAll('\\', '/')}`,
    ]
    await withoutFolder(folder, async () =>
      runCommand([...tritune, 'init', file, ...args, '--yes'], { signal: request.signal }),
    )
    // Its comments tell of a file that is gone by then.
    const text = readFileSync(file, 'utf8').replace(/^# yaml-language-server.*\n\n?/, '')
    return { text: `${text.replaceAll(folder, '.')}${SAMPLES}` }
  })
}

/** The lines of a command that reads the file of a run. */
async function onFile(
  request: HttpRequest,
  { tritune }: FinetuneRoutesOptions,
  [command, ...args]: readonly string[],
): Promise<CommandLine[]> {
  const fields = bodyFields(await request.json())
  const name = nameOf(fields)
  return await withFolder(async (folder) => {
    const file = join(folder, `${name}.yaml`)
    writeFileSync(file, fields.text('text'))
    return await withoutFolder(folder, async () =>
      runCommand([...tritune, command, file, ...args, '--json'], { signal: request.signal }),
    )
  })
}

function start(fields: Fields, { jobs, root }: FinetuneRoutesOptions): Job {
  const name = nameOf(fields)
  const text = fields.text('text')
  const file = join(root, `${name}.yaml`)
  const { output_dir: outputDir } = readFinetuneConfig(text, file)
  if (relative(resolve(root), resolve(outputDir)).startsWith('..'))
    throw new TrituneError(
      'E_CONFIG',
      `output_dir: expected a folder in ${root}, where this page looks for runs`,
      {
        place: file,
        remedy: `output_dir: ${join(root, name).replaceAll('\\', '/')}`,
      },
    )
  if (jobs.isBusy())
    throw new HttpRefusal(409, 'a run that was started here is under way', {
      code: 'E_BUSY',
      remedy: 'wait for its end, or stop it',
    })
  if (isRun(outputDir) || existsSync(file))
    throw new TrituneError('E_FILE', 'there is a run of this name', {
      place: outputDir,
      remedy: 'take another name',
    })
  writeFileAtomic(file, text)
  return jobs.start({
    name,
    file,
    outputDir,
    // One that never began leaves nothing behind, so that the same name can be tried again.
    onEnd: ({ state }) => {
      if (state === 'failed' && !isRun(outputDir)) rmSync(file, { force: true })
    },
  })
}

async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'tritune-page-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Errors name the file as the page knows it. */
async function withoutFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    throw withoutPath(error, folder + sep)
  }
}
