// Runs models with onnxruntime and compares: node onnx-check.cjs FOLDER, which build/onnx-check.fsx filled. Prints a line for each difference.
const fs = require('fs');
const path = require('path');
const ort = require('onnxruntime-node');

const kinds = {
  float32: ['float32', Float32Array],
  float64: ['float64', Float64Array],
  int32: ['int32', Int32Array],
  int64: ['int64', BigInt64Array],
  bool: ['bool', Uint8Array],
};
const special = { nan: NaN, inf: Infinity, '-inf': -Infinity };
const number = v => (typeof v === 'string' ? special[v] : v);

function tensor(a) {
  const [type, Kind] = kinds[a.dtype];
  const data = a.dtype === 'int64' ? BigInt64Array.from(a.data.map(BigInt)) : Kind.from(a.data.map(number));
  return new ort.Tensor(type, data, a.dims);
}

// What differs, or nothing. float32 may be rounded at other places; the runtime's Fourier transforms of float64 have factors of float32.
function difference(label, expected, found) {
  const dims = Array.from(found.dims).map(Number);
  if (JSON.stringify(dims) !== JSON.stringify(expected.dims) || found.type !== kinds[expected.dtype][0]) {
    return `${found.type}(${dims}) instead of ${expected.dtype}(${expected.dims})`;
  }
  const tolerance = expected.dtype === 'float32' ? 2e-4 : label.startsWith('Op.Fourier ') ? 1e-6 : 1e-9;
  const scale = expected.data.reduce((m, v) => Math.max(m, Number.isFinite(Number(v)) ? Math.abs(Number(v)) : 0), 0);
  for (let i = 0; i < expected.data.length; i++) {
    if (expected.dtype === 'int64') {
      if (BigInt(expected.data[i]) !== found.data[i]) return `[${i}] ${found.data[i]} instead of ${expected.data[i]}`;
      continue;
    }
    const a = number(expected.data[i]), b = Number(found.data[i]);
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    if (!(Math.abs(a - b) <= tolerance * (1 + scale))) return `[${i}] ${b} instead of ${a}`;
  }
  return null;
}

(async () => {
  const folder = process.argv[2];
  const missing = new Map();
  let equal = 0, different = 0;
  for (const line of fs.readFileSync(path.join(folder, 'models.jsonl'), 'utf8').trim().split('\n')) {
    const model = JSON.parse(line);
    let session;
    try {
      session = await ort.InferenceSession.create(path.join(folder, model.file), { logSeverityLevel: 4 });
      const feeds = {};
      for (const name of session.inputNames) feeds[name] = tensor(model.inputs[name]);
      const found = (await session.run(feeds)).output;
      const problem = difference(model.label, model.output, found);
      if (problem) {
        different++;
        console.log(`${model.file} ${model.label}: ${problem}`);
      } else {
        equal++;
      }
    } catch (e) {
      // Kernels that the runtime lacks for an element type say nothing of the model.
      const lacks = /(?:find an implementation for|NOT_IMPLEMENTED[^:]*:)\s*([\w.]+)/.exec(e.message);
      if (lacks) {
        missing.set(lacks[1], (missing.get(lacks[1]) || 0) + 1);
      } else {
        different++;
        console.log(`${model.file} ${model.label}: ${e.message.replace(/\s+/g, ' ').slice(0, 300)}`);
      }
    }
    if (session && session.release) await session.release();
  }
  const lacking = [...missing].map(([name, n]) => `${name} ${n}`).join(', ');
  console.log(`${equal} models equal, ${different} different; the runtime has no kernel for ${[...missing.values()].reduce((a, b) => a + b, 0)} (${lacking})`);
  process.exit(different > 0 ? 1 : 0);
})();
