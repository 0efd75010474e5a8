// @vladmandic/face-api as a worker, on TensorFlow.js's WebAssembly backend (one thread in Node).
//
// FaceExpressionNet.predictExpressions takes an RGB tensor of the face, scales it to 112 px,
// subtracts the mean colour and divides by 255 (src/faceFeatureExtractor/FaceFeatureExtractor.ts).
// The pixels are handed over as 0 to 255, as its own demo for Node does.

import path from 'node:path';
import { modules, need, rgb, serve } from './node_loop.mjs';

const tf = need('@tensorflow/tfjs');
const wasm = need('@tensorflow/tfjs-backend-wasm');
const faceapi = need('@vladmandic/face-api/dist/face-api.node-wasm.js');

wasm.setWasmPaths(path.join(modules, '@tensorflow/tfjs-backend-wasm/dist/'));
await tf.setBackend('wasm');
await tf.ready();
const network = faceapi.nets.faceExpressionNet;
await network.loadFromDisk(path.join(modules, '@vladmandic/face-api/model'));
const classes = [...faceapi.FACE_EXPRESSION_LABELS];

async function answer(pixels, side) {
  const image = tf.tensor3d(rgb(pixels), [side, side, 3], 'int32');
  try {
    const expressions = await network.predictExpressions(image);
    return classes.map((name) => expressions[name]);
  } finally {
    image.dispose();
  }
}

const versions = {
  '@vladmandic/face-api': need('@vladmandic/face-api/package.json').version,
  '@tensorflow/tfjs': tf.version.tfjs,
  backend: tf.getBackend(),
  node: process.version,
};
await serve(classes, versions, answer);
