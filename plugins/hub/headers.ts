/**
 * A model without its weights: a folder with config and tokenizer, and files as long as those of the weights that have their headers and nothing else. The
 * headers of a model on the hub come by range requests; what is on this machine is used as it is.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { type HubFile, fetchCommit } from './api.ts'
import { isNeeded, weightFiles, WEIGHTS_INDEX } from './plan.ts'
import { looksLikePath, parseReference } from './reference.ts'
import { hubGet, networkError, RetryableError, withRetries } from './request.ts'
import { resolveModel } from './resolve.ts'
import { type HubOptions, type HubSettings, hubSettings } from './settings.ts'

/** Where the headers are; disposed, what was made for them is gone. */
export interface ModelHeaders extends Disposable {
  readonly path: string
}

/** More would be no header. */
const MOST = 100 * 2 ** 20
const LENGTH = 8

/**
 * The folder of a model of which only the headers of the weights need to be right.
 *
 * @throws as `resolveModel()`; E_UNSUPPORTED for one GGUF file of a repository
 * @example
 * ```ts
 * import { resolveModelHeaders } from 'tritune/plugins/hub'
 * import { readConfig } from 'tritune/plugins/models'
 *
 * using headers = await resolveModelHeaders('HuggingFaceTB/SmolLM2-135M-Instruct')
 * console.log(readConfig(headers.path).model_type) // → llama
 * ```
 */
export async function resolveModelHeaders(
  reference: string,
  options: HubOptions = {},
): Promise<ModelHeaders> {
  if (existsSync(reference) || looksLikePath(reference))
    return { path: await resolveModel(reference, options), [Symbol.dispose]() {} }
  const wanted = parseReference(reference, options.revision)
  if (wanted.file !== undefined)
    throw new TrituneError(
      'E_UNSUPPORTED',
      'of a GGUF file on the hub there are no headers to be had alone',
      {
        place: reference,
        remedy: 'download the file and name its path',
      },
    )
  const settings = hubSettings(options, process.env)
  const cached = await whole(reference, options)
  if (cached !== null) return { path: cached, [Symbol.dispose]() {} }
  const small = await resolveModel(reference, { ...options, only: 'small' })
  const commit = await fetchCommit(wanted, settings)
  const index = (): string => readFileSync(join(small, WEIGHTS_INDEX), 'utf8')
  const names = weightFiles(
    commit.files.map(({ path }) => path),
    reference,
    index,
  )
  const folder = mkdtempSync(join(tmpdir(), 'tritune-headers-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    for (const name of readdirSync(small))
      if (isNeeded(name) && !name.endsWith('.safetensors'))
        copyFileSync(join(small, name), join(folder, name))
    for (const name of names) {
      const file = commit.files.find(({ path }) => path === name)
      if (file === undefined)
        throw new TrituneError('E_HUB', `the repository has no file ${name}`, { place: reference })
      const url = `${settings.endpoint}/${wanted.repo}/resolve/${commit.sha}/${name.split('/').map(encodeURIComponent).join('/')}`
      writeHollow(join(folder, name), file, await headerOf(url, `${wanted.repo}/${name}`, settings))
    }
    return { path: folder, [Symbol.dispose]: remove }
  } catch (error) {
    remove()
    throw error
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The folder in the cache, where all of the model is there already; asks nobody. */
async function whole(reference: string, options: HubOptions): Promise<string | null> {
  try {
    return await resolveModel(reference, { ...options, offline: true })
  } catch (error) {
    if (error instanceof TrituneError && error.code === 'E_HUB' && options.offline !== true) return null
    throw error
  }
}

/** The length of the header, then the header. */
async function headerOf(url: string, what: string, settings: HubSettings): Promise<Uint8Array> {
  const length = new DataView((await rangeOf(url, 0, LENGTH, what, settings)).buffer).getBigUint64(0, true)
  if (length > BigInt(MOST))
    throw new TrituneError('E_FORMAT', `a header of ${length} bytes is none`, { place: what })
  return await rangeOf(url, 0, LENGTH + Number(length), what, settings)
}

async function rangeOf(
  url: string,
  start: number,
  length: number,
  what: string,
  settings: HubSettings,
): Promise<Uint8Array<ArrayBuffer>> {
  return await withRetries(settings, async () => {
    const range = `bytes=${start}-${start + length - 1}`
    const { response, alive, close } = await hubGet(url, settings, { what, range })
    try {
      const bytes = new Uint8Array(length)
      let filled = 0
      // A server that knows no ranges sends all of it: the rest is not waited for.
      for await (const piece of response.body ?? []) {
        alive()
        const part = piece.subarray(0, length - filled)
        bytes.set(part, filled)
        filled += part.length
        if (filled === length) break
      }
      if (filled < length)
        throw new TrituneError('E_HUB', `the file ends after ${filled} bytes`, { place: what })
      return bytes
    } catch (error) {
      if (error instanceof TrituneError) throw error
      throw new RetryableError(networkError(error, what, settings))
    } finally {
      close()
    }
  })
}

/** As long as the file, with holes that take no room on the disk. */
function writeHollow(path: string, { bytes }: HubFile, header: Uint8Array): void {
  const file = openSync(path, 'wx')
  try {
    writeSync(file, header)
    ftruncateSync(file, bytes)
  } finally {
    closeSync(file)
  }
}
