/**
 * The files of a page: each is a route of its own, so no path of a request ever becomes a path of the disk.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { TrituneError } from '../../core/mod.ts'
import type { Route } from './routes.ts'

/** A file URL. */
export interface FileAddress {
  readonly href: string
}

/** Path on the server, `/` for the page itself → where the file is. */
export type FileSource = Readonly<Record<string, string | FileAddress>>

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

/** Routes that are open: files tell nothing about anybody. They are read once, when the server starts. Throws E_FILE for one that is not there. */
export function fileRoutes(files: FileSource): Route[] {
  return Object.entries(files).map(([path, source]) => {
    const file = typeof source === 'string' ? source : fileURLToPath(source.href)
    const body = read(file)
    const headers = { 'content-type': typeOf(file), 'cache-control': 'no-cache' }
    return { method: 'GET', path, open: true, handle: () => ({ headers, body }) }
  })
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function read(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new TrituneError('E_FILE', 'a file of the page is not there', {
      place: file,
      // A module from JSR is at an address, and has no files.
      remedy: 'install tritune again, from npm',
      cause,
    })
  }
}

function typeOf(file: string): string {
  return TYPES[file.slice(file.lastIndexOf('.') + 1)] ?? 'application/octet-stream'
}
