/**
 * Where the hub's settings come from: options, then the environment as huggingface_hub reads it.
 */
import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import { hubSettings } from '../../../plugins/hub/settings.ts'
import { goldenJson, temporaryFolder } from '../../_golden.ts'

interface Case {
  /** `FILE token`: the content of a file in ~/.cache/huggingface. */
  readonly env: Readonly<Record<string, string>>
  readonly expected: Readonly<Record<string, string | boolean | null>>
}

const { cases } = goldenJson<{ readonly cases: readonly Case[] }>('hub/environment.json')

test.each(cases.map(({ env, expected }) => [JSON.stringify(env), env, expected] as const))(
  'hubSettings() of %s is as in huggingface_hub',
  (_, given, expected) => {
    using home = temporaryFolder()
    const env: Record<string, string> = { HOME: home.path }
    for (const [name, value] of Object.entries(given)) {
      const file = join(home.path, '.cache/huggingface', name.replace('FILE ', ''))
      if (!name.startsWith('FILE ')) env[name] = value.replace('<HOME>', home.path)
      else {
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, value)
      }
    }
    const { cacheDir, endpoint, offline, token, symlinks } = hubSettings({}, env)
    const got = { cacheDir, endpoint, offline, token: token ?? null, symlinks }
    expect(JSON.parse(JSON.stringify(got).replaceAll(home.path, '<HOME>'))).toEqual(expected)
  },
)

function failure(env: Readonly<Record<string, string>>): TrituneError {
  try {
    hubSettings({}, env)
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('it did not fail')
}

describe('hubSettings()', () => {
  // https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables: ~/.cache/huggingface on every system.
  test.each(['linux', 'darwin', 'win32'])('the cache is in ~/.cache on %s, too', (platform) => {
    const env = { HOME: '/h', USERPROFILE: '/u', LOCALAPPDATA: '/local' }
    const home = platform === 'win32' ? '/u' : '/h'
    expect(hubSettings({}, env, platform).cacheDir).toBe(join(home, '.cache/huggingface/hub'))
    expect(hubSettings({}, { ...env, XDG_CACHE_HOME: '/x' }, platform).cacheDir).toBe(
      join('/x/huggingface/hub'),
    )
    expect(hubSettings({}, { ...env, HF_HOME: '~/hf' }, platform).cacheDir).toBe(join(home, 'hf/hub'))
  })
  test('%NAME% is a variable on Windows only, as in Python', () => {
    const env = { HOME: '/h', USERPROFILE: '/u', HF_HOME: '%DATA%/hf', DATA: '/d' }
    expect(hubSettings({}, env, 'win32').cacheDir).toBe(join('/d/hf/hub'))
    expect(hubSettings({}, env, 'linux').cacheDir).toBe(join('%DATA%/hf/hub'))
    expect(hubSettings({}, { ...env, HF_HOME: '$DATA/%NO%' }, 'win32').cacheDir).toBe(join('/d/%NO%/hub'))
  })

  test('options win over the environment', () => {
    const env = { HF_HUB_OFFLINE: '1', HF_HUB_CACHE: '/c', HF_TOKEN: 'hf_env', HF_ENDPOINT: 'https://mirror' }
    const options = { offline: false, cacheDir: '/o', token: 'hf_option', endpoint: 'http://localhost:1/' }
    expect(hubSettings(options, env)).toMatchObject({ ...options, endpoint: 'http://localhost:1' })
    expect(hubSettings({ token: false }, env).token).toBeUndefined()
    const implicit = { ...env, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }
    expect(hubSettings({ token: 'hf_option' }, implicit).token).toBe('hf_option')
  })

  test('the longest silence is a time that a timer knows', () => {
    const silence = (seconds: string): number =>
      hubSettings({}, { HF_HUB_DOWNLOAD_TIMEOUT: seconds }).silenceMs
    expect(['10', '', 'x', '0', '-5'].map(silence)).toEqual([10_000, 60_000, 60_000, 60_000, 60_000])
    expect(['Infinity', '1e12'].map(silence)).toEqual([2 ** 31 - 1, 2 ** 31 - 1])
  })

  test('an empty variable is none', () => {
    const env = { HOME: '/p', HF_HOME: '', HF_HUB_CACHE: '', HF_ENDPOINT: '', XDG_CACHE_HOME: '' }
    expect(hubSettings({}, env)).toMatchObject({
      cacheDir: '/p/.cache/huggingface/hub',
      endpoint: 'https://huggingface.co',
    })
  })

  test('progress is silent, and silence is short, where the environment says so', () => {
    const told: number[] = []
    const onProgress = ({ received }: { received: number }): unknown => told.push(received)
    for (const HF_HUB_DISABLE_PROGRESS_BARS of ['1', '0'])
      hubSettings({ onProgress }, { HF_HUB_DISABLE_PROGRESS_BARS }).onProgress({
        file: 'x',
        received: 1,
        total: 2,
      })
    expect(told).toEqual([1])
    expect(hubSettings({}, { HF_HUB_DOWNLOAD_TIMEOUT: '7' }).silenceMs).toBe(7000)
    expect(hubSettings({}, { HF_HUB_DOWNLOAD_TIMEOUT: 'x' }).silenceMs).toBe(60_000)
  })

  test('a token file that is a folder is an error that names it', () => {
    using home = temporaryFolder()
    const error = failure({ HF_TOKEN_PATH: home.path })
    expect(error.code).toBe('E_FILE')
    expect(error.message).toBe(`${home.path}: cannot read the access token: it is a folder, not a file`)
  })

  test.each(['not an address', 'ftp://hub', 'file:///hub', 'huggingface.co'])(
    '%s is no endpoint',
    (HF_ENDPOINT) => {
      expect(failure({ HF_ENDPOINT }).message).toMatch(/^HF_ENDPOINT: .* is no address of a hub\n/)
    },
  )

  test('what cannot be a token is said before anything is sent', () => {
    expect(failure({ HF_TOKEN: 'hf_a b' }).message).toContain('has spaces or characters that no token has')
    expect(failure({ HF_TOKEN: 'hf_ä' }).message).toContain('HF_TOKEN')
  })
})
