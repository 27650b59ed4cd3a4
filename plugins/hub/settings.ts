/**
 * Where models are cached and how the hub is reached: options first, then the environment variables of huggingface_hub,
 * then its defaults. https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
 */

import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export interface HubProgress {
  /** Path in the repository. */
  readonly file: string
  /** Bytes of this file that are on the disk, and all it has. */
  readonly received: number
  readonly total: number
}

export interface HubOptions {
  /** Branch, tag or commit; default `main`. */
  readonly revision?: string
  /** Access token; `false` sends none. Default: HF_TOKEN, then the file that `hf auth login` wrote. */
  readonly token?: string | false
  /** Use only what is cached. Default: HF_HUB_OFFLINE. */
  readonly offline?: boolean
  /** Default: HF_HUB_CACHE, then HF_HOME/hub, then ~/.cache/huggingface/hub. */
  readonly cacheDir?: string
  /** Default: HF_ENDPOINT, then https://huggingface.co. */
  readonly endpoint?: string
  readonly onProgress?: (progress: HubProgress) => void
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
  readonly retries: number
  readonly retryDelayMs: number
}

export function hubSettings(
  options: HubOptions,
  env: Readonly<Record<string, string | undefined>>,
): HubSettings {
  const home = env['HF_HOME'] ?? join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'huggingface')
  return {
    token: options.token === false ? undefined : (options.token ?? findToken(env, home)),
    offline: options.offline ?? /^(1|true|yes|on)$/i.test(env['HF_HUB_OFFLINE'] ?? ''),
    cacheDir: options.cacheDir ?? env['HF_HUB_CACHE'] ?? env['HUGGINGFACE_HUB_CACHE'] ?? join(home, 'hub'),
    endpoint: (options.endpoint ?? env['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(/\/+$/, ''),
    onProgress: options.onProgress ?? (() => {}),
    retries: options.retries ?? 5,
    retryDelayMs: options.retryDelayMs ?? 500,
  }
}

function findToken(env: Readonly<Record<string, string | undefined>>, home: string): string | undefined {
  const named = env['HF_TOKEN'] ?? env['HUGGING_FACE_HUB_TOKEN']
  if (named !== undefined && named.trim() !== '') return named.trim()
  const path = env['HF_TOKEN_PATH'] ?? join(home, 'token')
  const stored = existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
  return stored === '' ? undefined : stored
}
