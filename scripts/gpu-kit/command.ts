/**
 * The one line of bash that unpacks the kit in a copy of the tree, runs the benchmark, and leaves everything in $OUT.
 */
import { TrituneError } from '../../core/errors.ts'
import { ARCHIVE, BUN } from './contents.ts'

const LONGEST = 2000

export interface Run {
  /** Python with torch there; null: none. */
  readonly python: string | null
  /** More arguments of scripts/bench/gpu.ts. */
  readonly more: readonly string[]
}

/** Where there is no xz, Python unpacks. */
export function commandLine({ python, more }: Run): string {
  const benchmark = [
    `${BUN} scripts/bench/gpu.ts --out "$OUT"`,
    ...(python === null ? [] : [`--python ${python}`]),
    ...more,
  ]
  const line = [
    'set -o pipefail',
    `tar -xJf ${ARCHIVE} || python3 -m tarfile -e ${ARCHIVE} . || exit 1`,
    `chmod +x ${BUN}`,
    `${benchmark.join(' ')} 2>&1 | tee "$OUT/log.txt"`,
  ].join('; ')
  if (line.length > LONGEST)
    throw new TrituneError(
      'E_USAGE',
      `the command has ${line.length} characters, at most ${LONGEST} can be given`,
    )
  return line
}
