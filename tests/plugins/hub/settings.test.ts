import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { hubSettings } from '../../../plugins/hub/settings.ts'

const home = mkdtempSync(join(tmpdir(), 'tritune-hf-home-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

function cache(env: Record<string, string>, cacheDir?: string): string {
  return hubSettings({ cacheDir }, env).cacheDir
}

describe('hubSettings()', () => {
  test('finds the cache as huggingface_hub does', () => {
    expect(cache({})).toBe(join(homedir(), '.cache/huggingface/hub'))
    expect(cache({ XDG_CACHE_HOME: '/x' })).toBe('/x/huggingface/hub')
    expect(cache({ HF_HOME: '/h', XDG_CACHE_HOME: '/x' })).toBe('/h/hub')
    expect(cache({ HF_HOME: '/h', HF_HUB_CACHE: '/c' })).toBe('/c')
    expect(cache({ HF_HUB_CACHE: '/c' }, '/o')).toBe('/o')
  })

  test('finds the token in options, environment and file, in this order', () => {
    writeFileSync(join(home, 'token'), 'hf_file\n')
    expect(hubSettings({}, { HF_HOME: home }).token).toBe('hf_file')
    expect(hubSettings({}, { HF_HOME: home, HF_TOKEN: ' hf_env ' }).token).toBe('hf_env')
    expect(hubSettings({ token: 'hf_option' }, { HF_HOME: home, HF_TOKEN: 'hf_env' }).token).toBe('hf_option')
    expect(hubSettings({ token: false }, { HF_HOME: home, HF_TOKEN: 'hf_env' }).token).toBeUndefined()
    expect(hubSettings({}, { HF_HOME: '/nothing' }).token).toBeUndefined()
  })

  test('reads endpoint and offline', () => {
    expect(hubSettings({}, {})).toMatchObject({ endpoint: 'https://huggingface.co', offline: false })
    expect(hubSettings({}, { HF_ENDPOINT: 'https://mirror/', HF_HUB_OFFLINE: '1' })).toMatchObject({
      endpoint: 'https://mirror',
      offline: true,
    })
    expect(hubSettings({ offline: false }, { HF_HUB_OFFLINE: 'true' }).offline).toBe(false)
    expect(hubSettings({}, { HF_HUB_OFFLINE: '0' }).offline).toBe(false)
  })
})
