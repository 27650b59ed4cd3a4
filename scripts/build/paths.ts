/**
 * Where the packages are made.
 */
import { ROOT } from '../_setup.ts'

export const DIST: string = `${ROOT}dist/`
