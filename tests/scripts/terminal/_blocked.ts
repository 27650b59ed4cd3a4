/** A process for the tests of signals: its main thread is in native code for seconds, as in a long step. */
import { openModule } from '../../../core/native/ffi.ts'
import { stopOnSignals } from '../../../scripts/terminal/stop-signals.ts'

const libc = openModule<{ usleep(microseconds: number): number }>('libc.so.6', {
  usleep: { args: ['i32'], returns: 'i32' },
})

using stop = await stopOnSignals()
console.log('step')
// usleep() ends when a signal comes; a kernel would go on.
for (const until = Date.now() + Number(process.argv[2]); Date.now() < until;)
  libc.functions.usleep((until - Date.now()) * 1000)
// The training loop gives a turn between steps; Deno needs two of them to hear of SIGHUP.
for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setTimeout(resolve, 5))
stop.check()
console.log(stop.signal.aborted ? 'saved' : 'done')
process.exitCode = stop.signal.aborted ? stop.exitCode() : 0
