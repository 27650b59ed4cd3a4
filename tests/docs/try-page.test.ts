/**
 * The page that trains, in a real Chromium: it fine-tunes the bundled model, shows what came of it, and asks for nothing outside.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { findChromium } from '../../scripts/docs/browser-check.ts'
import { frame } from '../../scripts/docs/layout.ts'
import { bundle, tryPage } from '../../scripts/docs/try/try-page.ts'
import { watchTraining } from '../../scripts/docs/try/watch-training.ts'
import { temporaryFolder } from '../_golden.ts'

const ROOT = join(import.meta.dir, '../..')
const { page, files } = tryPage(ROOT)
const ofSite = (name: string): [string, string] => [
  name,
  readFileSync(join(ROOT, 'scripts/docs', name), 'utf8'),
]
const site = new Map([
  ...files,
  ofSite('style.css'),
  ofSite('site.js'),
  [page.path, frame(page, [page])] as const,
])

describe('what a page gets', () => {
  test('the entry for browsers imports nothing of node:', () => {
    expect(bundle(join(ROOT, 'browser.ts'), ROOT).length).toBeGreaterThan(100_000)
  }, 60_000)

  test('an entry that does is refused by name', () => {
    using folder = temporaryFolder()
    const entry = join(folder.path, 'entry.ts')
    writeFileSync(entry, `import { readFileSync } from 'node:fs'\nconsole.log(readFileSync)\n`)
    expect(() => bundle(entry, ROOT)).toThrow('imports node:fs, which no browser has')
  })
})

const executablePath = findChromium() ?? ''
if (executablePath === '')
  console.log('not looked at in a browser: there is no Chromium (apt-get install chromium)')

describe.skipIf(executablePath === '')('in Chromium', () => {
  test('100 steps: perplexity falls, the curve is drawn, nothing leaves the machine, no tensor is left', async () => {
    const seen = await watchTraining(site, { executablePath, steps: 100, isolated: true })
    expect([seen.failure, seen.faults]).toEqual(['', []])
    expect(seen.status).toBe('100 steps')
    expect(seen.perplexity.after).toBeLessThan(0.8 * seen.perplexity.before)
    expect(seen.samples.before).toStartWith('The captain stood')
    expect(seen.samples.after).not.toBe(seen.samples.before)
    expect(seen.device).toMatch(/^wasm \((relaxed simd|simd128), \d+ threads?\); 4\.0 million parameters/)
    if (availableParallelism() > 1) expect(seen.device).toMatch(/, \d+ threads\)/)
    expect(seen.drawn).toBeGreaterThan(1000)
    expect(seen.left).toBe(0)
  }, 900_000)

  test('without isolation one thread; Stop ends it after the step', async () => {
    const seen = await watchTraining(site, { executablePath, steps: 100, isolated: false, stopAfter: 2 })
    expect(seen.failure).toBe('')
    expect(seen.status).toMatch(/^\d+ steps, then stopped$/)
    expect(seen.device).toContain('1 thread)')
    expect(seen.perplexity.after).toBeGreaterThan(1)
    expect(seen.left).toBe(0)
  }, 300_000)

  test('an engine without SIMD, and a module that is damaged: one error each', async () => {
    const noSimd = await watchTraining(site, {
      executablePath,
      steps: 1,
      isolated: false,
      args: ['--js-flags=--no-enable-sse4-1'],
    })
    expect(noSimd.failure).toContain('this engine runs no WebAssembly with SIMD')
    const cut = new Map(site)
    for (const [path, content] of site)
      if (path.endsWith('.wasm') && typeof content !== 'string') cut.set(path, content.slice(0, 100_000))
    const damaged = await watchTraining(cut, { executablePath, steps: 1, isolated: false })
    expect(damaged.failure).toMatch(/cut off: it has 100000 bytes of at least \d+/)
    const missing = new Map([...site].filter(([path]) => !path.endsWith('.safetensors')))
    const without = await watchTraining(missing, { executablePath, steps: 1, isolated: false })
    expect(without.failure).toContain('model.safetensors could not be loaded (404)')
  }, 120_000)
})
