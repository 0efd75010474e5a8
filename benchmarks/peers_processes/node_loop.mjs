// The worker's side of the protocol in benchmarks/peers_worker.py, for the systems in Node.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import path from 'node:path';

// The folder with node_modules, as the command line names it.
export const environment = path.resolve(process.argv[2]);
export const modules = path.join(environment, 'node_modules');
export const need = createRequire(path.join(environment, 'package.json'));

// Libraries print what they like on stdout, which carries the protocol: to stderr with it.
for (const level of ['log', 'info', 'debug']) console[level] = console.error;

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

// classes: what the probabilities are of, in their order.
// answer: async, of grey pixels (Uint8Array) and their side: probabilities, or null for no answer.
export async function serve(classes, versions, answer) {
  await answer(new Uint8Array(48 * 48).fill(128), 48); // lazy set-up belongs to loading
  say({ ready: { classes, versions } });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await reply(JSON.parse(line), answer));
    } catch (error) {
      say({ error: String(error) });
    }
  }
}

async function reply({ op, side, faces }, answer) {
  if (op !== 'answer' && op !== 'time') throw new Error(`unknown op ${op}`);
  const answers = [];
  const milliseconds = [];
  for (const face of faces) {
    const pixels = new Uint8Array(Buffer.from(face, 'base64'));
    const started = performance.now();
    const row = await answer(pixels, side);
    milliseconds.push(performance.now() - started);
    answers.push(row && row.every(Number.isFinite) ? { label: row } : null);
  }
  return op === 'answer' ? { answers } : { milliseconds };
}

// Grey pixels as RGB, three equal channels, int32.
export function rgb(pixels) {
  const channels = new Int32Array(pixels.length * 3);
  for (let i = 0; i < pixels.length; i += 1) channels.fill(pixels[i], 3 * i, 3 * i + 3);
  return channels;
}
