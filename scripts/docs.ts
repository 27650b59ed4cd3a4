/** `bun run docs`: makes the site of the documentation in docs-site/. Fails when a link is broken. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { TrituneError } from '../core/errors.ts'
import { ensureInstalled, ROOT } from './_setup.ts'

if (import.meta.main) {
  try {
    await ensureInstalled()
    const began = performance.now()
    const { buildSite } = await import('./docs/build-site.ts')
    const files = buildSite(resolve(ROOT))
    const folder = resolve(ROOT, 'docs-site')
    rmSync(folder, { recursive: true, force: true })
    for (const [path, content] of files) {
      const place = join(folder, path)
      mkdirSync(dirname(place), { recursive: true })
      writeFileSync(place, content)
    }
    const pages = [...files.keys()].filter((path) => path.endsWith('.html')).length
    console.log(`${folder}/index.html: ${pages} pages in ${((performance.now() - began) / 1000).toFixed(1)} s`)
  } catch (error) {
    if (!(error instanceof TrituneError)) throw error
    console.error(`error: ${error.message}`)
    process.exitCode = 1
  }
}
