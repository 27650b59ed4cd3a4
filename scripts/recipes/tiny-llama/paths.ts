/** Where the recipe reads and writes; the repository is found from this file, not from the working folder. */
import { join } from 'node:path'

const ROOT: string = join(import.meta.dirname, '../../..')

export const QUICKSTART: string = join(ROOT, 'quickstart')
export const MODEL: string = join(QUICKSTART, 'model')
/** Not in git. */
export const CACHE: string = join(ROOT, '.cache/tiny-llama')
