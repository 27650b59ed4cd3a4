/**
 * Writes tests/golden/compression/coding.json: hashes of messages and of what is read of them, made by the code as it is. The ones that are committed were made
 * before coding was made faster, so a test that compares them says that no bit has changed. Made again only where a codec is to say something else.
 *
 *   bun tests/oracle/coding_hashes.ts
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GOLDEN } from '../_golden.ts'
import { CODING_CASES } from '../plugins/vsa-optim/_coding-cases.ts'

const hashes = Object.fromEntries(Object.entries(CODING_CASES).map(([name, hashOf]) => [name, hashOf()]))
writeFileSync(join(GOLDEN, 'compression', 'coding.json'), `${JSON.stringify(hashes, null, 2)}\n`)
