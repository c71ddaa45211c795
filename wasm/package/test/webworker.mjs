/** A worker as browsers have them, over one of Node's: enough for the package's own. */
import { Worker } from 'node:worker_threads';

const SHIM = `
const { parentPort } = require('node:worker_threads');
globalThis.postMessage = (message, transfer) => parentPort.postMessage(message, transfer);
const early = [];
parentPort.on('message', (data) => (globalThis.onmessage ? globalThis.onmessage({ data }) : early.push(data)));
import(process.argv[2]).then(() => early.splice(0).forEach((data) => globalThis.onmessage({ data })));
`;

export class WebWorker extends EventTarget {
  #worker;

  constructor(url) {
    super();
    this.#worker = new Worker(SHIM, { eval: true, argv: [String(url)] });
    this.#worker.on('message', (data) => this.dispatchEvent(Object.assign(new Event('message'), { data })));
    this.#worker.on('error', (error) => this.dispatchEvent(Object.assign(new Event('error'), { message: error.message })));
  }

  postMessage(message, transfer) {
    this.#worker.postMessage(message, transfer);
  }

  terminate() {
    void this.#worker.terminate();
  }
}
