/**
 * What browsers get from the servers of tritune: the pages of plugins as they are, and the charts that they show.
 */
import { copyFileSync, cpSync, globSync } from 'node:fs'
import { ROOT } from '../_setup.ts'

/** From a package into the folder of a page, under another name; with the licence that asks to come along. */
const CHARTS: Readonly<Record<string, string>> = {
  'uplot/dist/uPlot.iife.min.js': 'uplot.js',
  'uplot/dist/uPlot.min.css': 'uplot.css',
  'uplot/LICENSE': 'uplot.LICENSE',
}

export function writePageFiles(folder: string): void {
  for (const file of globSync('plugins/*/page/*.{html,css,js}', { cwd: ROOT }))
    cpSync(ROOT + file, folder + file, { recursive: true })
  for (const [from, to] of Object.entries(CHARTS))
    copyFileSync(`${ROOT}node_modules/${from}`, `${folder}plugins/monitor/page/${to}`)
}
