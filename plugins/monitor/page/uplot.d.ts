/** ./uplot.js of the page is the module of the package uplot. */
export { default } from 'uplot'
