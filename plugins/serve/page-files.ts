/** The files of the page on which one chats, all of them from this package. */
import { fileURLToPath } from 'node:url'
import type { FileSource } from '../http/mod.ts'

/** Of the folder page/. */
export const PAGE_FILES: readonly string[] = ['api.js', 'chat.js', 'index.html', 'style.css']

/** None where the package has no folder: from JSR. */
export function pageFiles(): FileSource {
  if (!import.meta.url.startsWith('file:')) return {}
  const file = (name: string): string => fileURLToPath(new URL(`./page/${name}`, import.meta.url))
  return {
    '/': file('index.html'),
    ...Object.fromEntries(PAGE_FILES.map((name) => [`/${name}`, file(name)])),
  }
}
