/** A process for the tests of locks: holds one until it is killed, or adds to a number under it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { tryLock, withLock } from '../../core/files/lock.ts'

const [path, counter, times] = process.argv.slice(2)
if (counter === undefined) {
  const { lock } = await tryLock(path, { remove: true })
  console.log(lock ? 'held' : 'refused')
  if (lock) await new Promise((resolve) => setTimeout(resolve, 60_000))
} else {
  for (let i = 0; i < Number(times); i++) {
    await withLock(
      path,
      async () => {
        const before = Number(readFileSync(counter, 'utf8'))
        await new Promise((resolve) => setTimeout(resolve, 1))
        writeFileSync(counter, String(before + 1))
      },
      { remove: true },
    )
  }
}
