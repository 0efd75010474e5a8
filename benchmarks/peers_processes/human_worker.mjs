// @vladmandic/human as a worker, on TensorFlow.js's WebAssembly backend (one thread in Node).
//
// The library runs its emotion network only on faces that its own detector found, so the network
// that it loaded is called directly, with the preparation of its source (src/gear/emotion.ts, 3.3.6,
// no crop, which is its default): scale to the input's side, weigh the channels to grey, 0 to 1
// into -1 to 1. Its answers are not cut at its confidence threshold nor truncated to two decimals.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { modules, need, rgb, serve } from './node_loop.mjs';

// It fetches models over http only, whose address may be anything: they are read from its package.
const MODELS = 'http://models.invalid/';
const fetched = globalThis.fetch;
globalThis.fetch = async (resource, options) => {
  const address = String(resource.url ?? resource);
  if (!address.startsWith(MODELS)) return fetched(resource, options);
  const file = path.join(modules, '@vladmandic/human/models', address.slice(MODELS.length));
  const kind = file.endsWith('.json') ? 'application/json' : 'application/octet-stream';
  return new Response(readFileSync(file), { headers: { 'content-type': kind } });
};

// By its path: the package's `exports` hide this build from `require` of a package name.
const { Human } = need(path.join(modules, '@vladmandic/human/dist/human.node-wasm.js'));
const off = { enabled: false };
const human = new Human({
  debug: false,
  backend: 'wasm',
  wasmPath: path.join(modules, '@tensorflow/tfjs-backend-wasm/dist/'),
  wasmPlatformFetch: false,
  modelBasePath: MODELS,
  cacheModels: false,
  filter: off,
  gesture: off,
  body: off,
  hand: off,
  object: off,
  face: { enabled: true, mesh: off, iris: off, description: off, emotion: { enabled: true } },
});
await human.init();
await human.load();
const { tf } = human;
const network = human.models.models.emotion;
if (!network) throw new Error('its emotion network was not loaded');
const [, height, width] = network.inputs[0].shape;
const GREY = tf.tensor1d([0.2989, 0.587, 0.114]);

async function answer(pixels, side) {
  const output = tf.tidy(() => {
    const image = tf.div(tf.tensor(rgb(pixels), [1, side, side, 3], 'float32'), 255);
    const scaled = tf.image.resizeBilinear(image, [height, width], false);
    const grey = tf.sum(tf.mul(scaled, GREY), 3, true);
    return network.execute(tf.mul(tf.sub(grey, 0.5), 2));
  });
  try {
    return [...(await output.data())];
  } finally {
    output.dispose();
  }
}

const versions = {
  '@vladmandic/human': human.version,
  '@tensorflow/tfjs': human.tf.version_core ?? need('@tensorflow/tfjs/package.json').version,
  backend: tf.getBackend(),
  node: process.version,
};
const classes = ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'];
await serve(classes, versions, answer);
