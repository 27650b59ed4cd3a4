/**
 * What the machine is, and its ceilings: copying, launching, multiplying matrices.
 */
import { spawnSync } from 'node:child_process'
import { formatNumber } from './result.ts'
import type { Rig } from './rig.ts'

export async function environment(rig: Rig): Promise<void> {
  const { library, report, call, size } = rig
  const smi = spawnSync(
    'nvidia-smi',
    [
      '--query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem,temperature.gpu',
      '--format=csv,noheader',
    ],
    { encoding: 'utf8' },
  )
  report({ name: 'nvidia-smi', note: smi.stdout?.trim() || 'not there' })
  report({ name: 'tt_devices', note: JSON.stringify(library.devices()) })
  report({ name: 'tt_build_info', note: JSON.stringify(library.info) })
  report({ name: 'tt_options', note: JSON.stringify(library.options()) })

  await rig.part('copy within the device', async () => {
    const bandwidth = copyBandwidth(rig)
    const torch = await rig.torch({ op: 'copy', shape: { bytes: size(2 ** 31, 2 ** 16) } })
    const theirs = torch ? (2 * size(2 ** 31, 2 ** 16)) / Number(torch.seconds) / 1e9 : null
    report({
      name: 'copy within the device',
      ours: bandwidth / 1e9,
      theirs,
      unit: 'GB/s',
      ratio: theirs && bandwidth / 1e9 / theirs,
    })
  })
  await rig.part('upload and download', () => {
    const host = new Uint8Array(size(2 ** 28, 2 ** 16))
    const there = rig.empty([host.length], 'u8')
    const seconds = (body: () => void): number => {
      body()
      const began = performance.now()
      body()
      call.tt_synchronize(0)
      return (performance.now() - began) / 1000
    }
    const up = seconds(() => call.tt_upload(there.address, host, host.length, 0))
    const down = seconds(() => call.tt_download(host, there.address, host.length, 0))
    report({ name: 'upload', ours: host.length / up / 1e9, unit: 'GB/s' })
    report({ name: 'download', ours: host.length / down / 1e9, unit: 'GB/s' })
  })
  await rig.part('launches', () => {
    const x = rig.empty([64], 'f32')
    report({
      name: 'an op of 64 numbers, one after the other',
      ours: 1e6 * rig.time(() => call.tt_fill(x.address, 64, 1, 0, 0)),
      unit: 'µs',
    })
    const began = performance.now()
    const calls = size(2000, 20)
    for (let i = 0; i < calls; i++) call.tt_fill(x.address, 64, 1, 0, 0)
    report({
      name: 'queueing one from JavaScript',
      ours: ((performance.now() - began) * 1000) / calls,
      unit: 'µs',
    })
    call.tt_synchronize(0)
  })
  await rig.part('torch', async () => {
    const torch = await rig.torch({ op: 'environment' })
    if (torch) report({ name: 'torch', note: JSON.stringify(torch.facts) })
    const n = size(8192, 64)
    const product = await rig.torch({ op: 'matmul', shape: { m: n, n, k: n } })
    if (product)
      report({
        name: `torch bf16 ${n}³`,
        theirs: (2 * n ** 3) / Number(product.seconds) / 1e12,
        unit: 'TFLOP/s',
      })
  })
  if (library.has('tt_bench_peak'))
    await rig.part('tt_bench_peak', () => {
      const rate = new Float64Array(1)
      for (const [name, kind, unit, scale] of [
        ['fma f32', 0, 'TFLOP/s', 1e12],
        ['mma bf16', 3, 'TFLOP/s', 1e12],
        ['memcpy', 2, 'GB/s', 1e9],
      ] as const) {
        call.tt_bench_peak(rate, kind, kind === 2 ? size(2 ** 30, 2 ** 16) : 0, size(0.05, 0.001))
        report({ name: `peak of ${name}`, ours: rate[0] / scale, unit, note: formatNumber(rate[0]) })
      }
    })
}

/** Bytes read and written a second by a large copy; every other number is seen beside this one. */
export function copyBandwidth({ call, empty, size, time }: Rig): number {
  const bytes = size(2 ** 30, 2 ** 16)
  const [a, b] = [empty([bytes], 'u8'), empty([bytes], 'u8')]
  call.tt_zero(a.address, bytes, 0)
  return (
    (2 * bytes) /
    time((i) =>
      i % 2 ? call.tt_copy(a.address, b.address, bytes, 0) : call.tt_copy(b.address, a.address, bytes, 0),
    )
  )
}
