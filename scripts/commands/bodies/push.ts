/**
 * The body of ../push.ts, loaded only when there is something to do.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { counted } from '../../../core/counted.ts'
import { TrituneError } from '../../../core/errors.ts'
import { formatBytes, readRunFacts } from '../../../plugins/finetune/mod.ts'
import {
  cardFacts,
  factsOfFolder,
  isHubName,
  modelCard,
  planPush,
  pushFolder,
  type PushOptions,
  type PushPlan,
} from '../../../plugins/hub/mod.ts'
import { stopOnSignals } from '../../terminal/stop-signals.ts'
import { err, out } from '../../terminal/streams.ts'

export interface PushCommand {
  readonly folder: string
  readonly repo: string
  readonly license: string | undefined
  readonly dryRun: boolean
  readonly options: PushOptions
}

export async function pushCommand({ folder, repo, license, dryRun, options }: PushCommand): Promise<void> {
  const { kind } = planPush(folder, repo)
  const told = factsOfFolder(folder)
  const base = kind === 'gguf' && told.baseModel === undefined ? await baseOfFiles(folder) : null
  const own = base === null ? told : { ...told, baseModel: base }
  const facts = cardFacts(own, readRunFacts(folder))
  const card = modelCard({
    ...facts,
    kind,
    repo,
    ...(license === undefined ? {} : { license }),
  })
  const plan = planPush(folder, repo, { ...options, card })
  // What the run told is whole: from another folder, the name in adapter_config.json may look like one of the hub.
  const isLocal = [own.baseModel, facts.baseModel].some((name) => name !== undefined && !isHubName(name))
  if (kind === 'adapter' && isLocal)
    err.write(
      `adapter_config.json names a base model on this machine (${own.baseModel ?? facts.baseModel}): others cannot load it by that name\n`,
    )
  if (dryRun) return tell(plan)
  using stop = await stopOnSignals()
  const { url, commit, created, bytes, files } = await pushFolder(folder, repo, {
    ...options,
    card,
    signal: stop.signal,
    onNote: (text) => err.write(`${text}\n`),
  })
  out.write(
    `${created ? 'new repository; ' : ''}${counted(files.length, 'file')}, ${formatBytes(bytes)}, checked; commit ${commit.slice(0, 8)}\n${url}\n`,
  )
}

/** Of GGUF files that say it, such as an exported LoRA; null where none does, or they do not say the same. */
async function baseOfFiles(folder: string): Promise<string | null> {
  const { ggufBase, openGguf } = await import('../../../plugins/gguf/mod.ts')
  const files = readdirSync(folder).filter((name) => name.endsWith('.gguf'))
  const bases = new Set(
    files.map((name) => {
      try {
        return ggufBase(openGguf(join(folder, name)))
      } catch (error) {
        // One that tritune does not read can be given away all the same.
        if (error instanceof TrituneError) return null
        throw error
      }
    }),
  )
  const [base] = bases
  return bases.size === 1 ? base : null
}

function tell({ files, left, bytes, repo }: PushPlan): void {
  for (const { path, bytes } of files) out.write(`${formatBytes(bytes).padStart(10)}  ${path}\n`)
  for (const name of left) out.write(`${'stays'.padStart(10)}  ${name}\n`)
  out.write(`${counted(files.length, 'file')}, ${formatBytes(bytes)}, for ${repo}; nothing was sent\n`)
}
