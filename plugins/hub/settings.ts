/**
 * Where models are cached and how the hub is reached: options first, then the environment variables of huggingface_hub,
 * then its defaults. https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
 */

import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { errorCode, fileError } from '../../core/files/files.ts'

/** How far the download of one file has come. */
export interface HubProgress {
  /** Path in the repository. */
  readonly file: string
  /** Bytes of this file that are on the disk, and all it has. */
  readonly received: number
  readonly total: number
}

/**
 * How the hub is reached and where models are cached; the environment variables of huggingface_hub are the defaults.
 */
export interface HubOptions {
  /** Branch, tag or commit; default `main`. */
  readonly revision?: string
  /** Access token; `false` sends none. Default: HF_TOKEN, then the file that `hf auth login` wrote; none with HF_HUB_DISABLE_IMPLICIT_TOKEN. */
  readonly token?: string | false
  /** Use only what is cached. Default: HF_HUB_OFFLINE, then TRANSFORMERS_OFFLINE. */
  readonly offline?: boolean
  /** Default: HF_HUB_CACHE, then HF_HOME/hub, then ~/.cache/huggingface/hub. */
  readonly cacheDir?: string
  /** Default: HF_ENDPOINT, then https://huggingface.co. */
  readonly endpoint?: string
  readonly onProgress?: (progress: HubProgress) => void
  /** Told what takes time: who is waited for, what is checked, when the hub is asked again. */
  readonly onNote?: (text: string) => void
  /** Download only config.json, or only the small files; see `resolveModelPart()`. */
  readonly only?: 'config' | 'small'
  /** Further attempts after a failure that may pass (network, 429, 5xx, broken bodies); default 5. */
  readonly retries?: number
  /** Wait before the first further attempt, doubled each time; default 500. */
  readonly retryDelayMs?: number
}

export interface HubSettings {
  readonly token: string | undefined
  readonly offline: boolean
  readonly cacheDir: string
  readonly endpoint: string
  readonly onProgress: (progress: HubProgress) => void
  readonly onNote: (text: string) => void
  /** Links in the cache, as they are usual; HF_HUB_DISABLE_SYMLINKS makes copies. */
  readonly symlinks: boolean
  /** A connection without data for so long is given up; HF_HUB_DOWNLOAD_TIMEOUT. */
  readonly silenceMs: number
  readonly retries: number
  readonly retryDelayMs: number
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The folders are huggingface_hub's on every system: ~/.cache/huggingface, also on macOS and Windows.
 * @throws E_HUB for an endpoint or a token that cannot be one; E_FILE when the token's file cannot be read
 */
export function hubSettings(
  options: HubOptions,
  env: Environment,
  platform: string = process.platform,
): HubSettings {
  const expand = (path: string): string => expandPath(path, env, platform)
  const home = expand(
    env['HF_HOME'] || join(env['XDG_CACHE_HOME'] || join(homeOf(env, platform), '.cache'), 'huggingface'),
  )
  const silent = isTrue(env['HF_HUB_DISABLE_PROGRESS_BARS'])
  const cacheDir = env['HF_HUB_CACHE'] || env['HUGGINGFACE_HUB_CACHE']
  return {
    token: options.token === false ? undefined : checkedToken(options.token ?? findToken(env, home, expand)),
    offline: options.offline ?? isTrue(env['HF_HUB_OFFLINE'] || env['TRANSFORMERS_OFFLINE']),
    cacheDir: options.cacheDir ?? (cacheDir ? expand(cacheDir) : join(home, 'hub')),
    endpoint: checkedEndpoint(options.endpoint ?? (env['HF_ENDPOINT'] || 'https://huggingface.co')),
    onProgress: (!silent && options.onProgress) || (() => {}),
    onNote: options.onNote ?? (() => {}),
    symlinks: !isTrue(env['HF_HUB_DISABLE_SYMLINKS']),
    silenceMs: silenceMs(Number(env['HF_HUB_DOWNLOAD_TIMEOUT'])),
    retries: options.retries ?? 5,
    retryDelayMs: options.retryDelayMs ?? 500,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function isTrue(value: string | undefined): boolean {
  return /^(1|true|yes|on)$/i.test(value ?? '')
}

/** No timer is longer than 2³¹ ms: it would end at once. */
function silenceMs(seconds: number): number {
  return seconds > 0 ? Math.min(seconds * 1000, 2 ** 31 - 1) : 60_000
}

/** As Python's: on Windows HOME does not count, which shells there set to paths that Windows does not know. */
function homeOf(env: Environment, platform: string): string {
  return env[platform === 'win32' ? 'USERPROFILE' : 'HOME'] || homedir()
}

/** `~`, `$NAME` and `${NAME}`, on Windows `%NAME%` too, as Python's expanduser and expandvars. */
function expandPath(path: string, env: Environment, platform: string): string {
  const names = platform === 'win32' ? /\$(?:(\w+)|\{([^}]*)\})|%([^%]+)%/g : /\$(?:(\w+)|\{([^}]*)\})/g
  return path
    .replace(/^~(?=\/|\\|$)/, () => homeOf(env, platform))
    .replace(
      names,
      (whole, bare?: string, braced?: string, percent?: string) =>
        env[bare ?? braced ?? (typeof percent === 'string' ? percent : '')] ?? whole,
    )
}

function checkedEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return text.replace(/\/+$/, '')
  throw new TrituneError('E_HUB', `"${text}" is no address of a hub`, {
    place: 'HF_ENDPOINT',
    remedy: 'write it as https://huggingface.co',
  })
}

function findToken(env: Environment, home: string, expand: (path: string) => string): string | undefined {
  if (isTrue(env['HF_HUB_DISABLE_IMPLICIT_TOKEN'])) return undefined
  const named = (env['HF_TOKEN'] || env['HUGGING_FACE_HUB_TOKEN'] || '').trim()
  return named || storedToken(env['HF_TOKEN_PATH'] ? expand(env['HF_TOKEN_PATH']) : join(home, 'token'))
}

function storedToken(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw fileError(error, path, 'cannot read the access token')
  }
}

/** What no header can carry would be reported as a failure of the network. */
function checkedToken(token: string | undefined): string | undefined {
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return token
  throw new TrituneError('E_HUB', 'the access token has spaces or characters that no token has', {
    place: 'HF_TOKEN, or the file that `hf auth login` wrote',
    remedy: 'copy it again from the settings of your account',
  })
}
