/** The page that trains in the browser, and every file that it loads: all of them beside it, none from elsewhere. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../../core/errors.ts'
import type { Page } from '../layout.ts'

export interface TryPage {
  readonly page: Page
  /** Path on the site → content. */
  readonly files: ReadonlyMap<string, string | Uint8Array<ArrayBuffer>>
}

const FOLDER = 'try'

/** Throws E_FORMAT when the code of the page does not bundle, or brings something of `node:` along. */
export function tryPage(root: string): TryPage {
  const own = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8')
  const bytes = (path: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(join(root, path)))
  const folder = (path: string): string[] => readdirSync(join(root, path))
  return {
    page: {
      path: `${FOLDER}/index.html`,
      title: 'Train in this page',
      section: 'Start',
      html: own('page.html'),
      toc: [],
    },
    files: new Map<string, string | Uint8Array<ArrayBuffer>>([
      [`${FOLDER}/page.css`, own('page.css')],
      [`${FOLDER}/page.js`, own('page.js')],
      [`${FOLDER}/worker.js`, bundle(join(import.meta.dirname, 'worker.ts'), root)],
      [`${FOLDER}/train.jsonl`, bytes('quickstart/moby-dick.train.jsonl')],
      [`${FOLDER}/eval.jsonl`, bytes('quickstart/moby-dick.eval.jsonl')],
      ...folder('quickstart/model').map(
        (file) => [`${FOLDER}/model/${file}`, bytes(`quickstart/model/${file}`)] as const,
      ),
      ...folder('native/prebuilt/wasm').map(
        (file) => [`${FOLDER}/${file}`, bytes(`native/prebuilt/wasm/${file}`)] as const,
      ),
    ]),
  }
}

/** A module and all that it imports as one text for browsers; the process is Bun's. */
export function bundle(entry: string, root: string): string {
  const command = [
    'build',
    entry,
    '--target',
    'browser',
    '--format',
    'esm',
    '--external',
    'node:*',
    '--minify',
  ]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  if (status !== 0) throw new TrituneError('E_FORMAT', `${entry} does not bundle:\n${stderr.slice(-800)}`)
  const builtins = [...stdout.matchAll(/\b(?:from|import)\s*\(?\s*["'](node:[^"']+)["']/g)].map(
    ([, name]) => name,
  )
  if (builtins.length > 0)
    throw new TrituneError(
      'E_FORMAT',
      `${entry} imports ${[...new Set(builtins)].join(', ')}, which no browser has`,
    )
  return stdout
}
