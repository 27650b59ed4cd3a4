/**
 * The parts of the oracle, one after the other; rows are printed as they come.
 */
import { openCpu } from '../../plugins/cpu/mod.ts'
import { pythonVersions } from './_python.ts'
import { formatRow, type Row } from './_row.ts'
import { equalityRows } from './equalities.ts'
import { goldenRows } from './golden.ts'
import { pushedRows } from './pushed.ts'
import { conversionRows, roundTripRows } from './round-trips.ts'
import { findSmollm2, smollm2Rows } from './smollm2.ts'

/** True when every row is within its tolerance. `smollm2`: a path, `none`, or undefined to fetch it. */
export async function runOracle(python: string, smollm2: string | undefined): Promise<boolean> {
  const device = openCpu()
  console.log(`${device.description}; ${pythonVersions(python)}`)
  let [rows, bad] = [0, 0]
  const part = async (title: string, all: Iterable<Row> | AsyncIterable<Row>): Promise<void> => {
    console.log(`\n${title}`)
    for await (const row of all) {
      console.log(formatRow(row))
      rows++
      if (!row.ok) bad++
    }
  }
  await part('golden files of transformers, torch and PEFT', goldenRows(device))
  await part('files of this run, read by Python', roundTripRows(device, python))
  await part('pushed to a hub on this machine', pushedRows(device, python))
  await part('runs that must be one run', equalityRows())
  if (smollm2 !== 'none') {
    const path = smollm2 ?? findSmollm2(python)
    await part('a real model', smollm2Rows(device, path))
    await part('a real model, converted', conversionRows(device, python, path))
  }
  console.log(`\n${rows - bad} of ${rows} comparisons are within their tolerance`)
  return bad === 0
}
