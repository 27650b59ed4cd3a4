/**
 * Opens the CPU library that TRITUNE_CPU_LIBRARY names and says what came of it; for open-library.test.ts.
 */
import { TrituneError } from '../../core/errors.ts'
import { openLibrary } from '../../core/native/library.ts'

try {
  console.log(`opened ${String(openLibrary('cpu').info['isa'])}`)
} catch (error) {
  console.log(error instanceof TrituneError ? `${error.code} ${error.message}` : `crashed: ${String(error)}`)
}
