// A level's ONNX model as TensorFlow.js wants it, which has no reader for ONNX: images N H W C, filters H W I O, ReLU
// inside the operation before it. Only the operations that `dvn-train export` writes (docs/onnx.md).

import onnxProto from "onnx-proto";

const { onnx } = onnxProto;

/**
 * @param {Uint8Array} bytes An ONNX model.
 * @returns {{ graph: object, numbers: Uint8Array }} The nodes and the list of weights; the weights' bytes.
 */
export function convert(bytes) {
  const { graph } = onnx.ModelProto.decode(bytes);
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const readers = new Map();
  for (const node of graph.node) {
    for (const name of node.input) readers.set(name, [...(readers.get(name) ?? []), node]);
  }
  const weights = new Weights();
  const nodes = [];
  // A value that was folded into another goes by that one's name.
  const names = new Map();
  const folded = new Set();
  /** Where the only reader of a value is a ReLU, it becomes part of the operation that makes the value. */
  const withRelu = (node) => {
    const [reader, ...others] = readers.get(node.output[0]) ?? [];
    if (reader?.opType !== "Relu" || others.length > 0) return { output: node.output[0], relu: false };
    folded.add(reader);
    return { output: reader.output[0], relu: true };
  };
  for (const node of graph.node) {
    if (folded.has(node)) continue;
    const convertNode = OPERATIONS[node.opType];
    if (!convertNode) throw new Error(`${node.name || node.output[0]}: no conversion for ${node.opType}`);
    const constant = (input) => constants.get(node.input[input]);
    const value = (input) => names.get(node.input[input]) ?? node.input[input];
    const made = convertNode({ node, constant, value, weights, withRelu });
    if (made.same) names.set(node.output[0], made.same);
    else nodes.push({ output: node.output[0], ...made });
  }
  return { graph: { nodes, weights: weights.list }, numbers: weights.bytes() };
}

const OPERATIONS = {
  Sub: ({ value, constant, weights }) => ({ op: "sub", inputs: [value(0), weights.channels(constant(1))] }),
  Div: ({ value, constant, weights }) => ({ op: "div", inputs: [value(0), weights.channels(constant(1))] }),
  Conv: ({ node, value, constant, weights, withRelu }) => {
    const stride = Number(attribute(node, "strides").ints[0]);
    const filter = weights.filter(constant(1));
    const bias = weights.channels(constant(2));
    return { op: "conv", inputs: [value(0), filter, bias], stride, ...withRelu(node) };
  },
  Add: ({ node, value, withRelu }) => ({ op: "add", inputs: [value(0), value(1)], ...withRelu(node) }),
  Relu: ({ value }) => ({ op: "relu", inputs: [value(0)] }),
  MaxPool: ({ node, value }) => {
    if (attribute(node, "kernel_shape").ints.some((side) => Number(side) !== 1)) {
      throw new Error(`${node.output[0]}: only a window of one pixel can be converted`);
    }
    return { op: "every", inputs: [value(0)], stride: Number(attribute(node, "strides").ints[0]) };
  },
  Pad: ({ value, constant }) => ({ op: "pad", inputs: [value(0)], channels: integers(constant(1))[5] }),
  Gather: ({ value, constant, weights }) => ({
    op: "gather",
    inputs: [value(0), weights.indices(constant(1))],
  }),
  GlobalAveragePool: ({ value }) => ({ op: "mean", inputs: [value(0)] }),
  // The mean has no pixels left already.
  Flatten: ({ value }) => ({ same: value(0) }),
  Gemm: ({ value, constant, weights }) => ({
    op: "dense",
    inputs: [value(0), weights.transposed(constant(1)), weights.channels(constant(2))],
  }),
};

function attribute(node, name) {
  const found = node.attribute.find((attribute) => attribute.name === name);
  if (!found) throw new Error(`${node.output[0]}: ${node.opType} without ${name}`);
  return found;
}

/** Raw data may begin at any byte, so it is copied. */
function floats({ rawData }) {
  return new Float32Array(new Uint8Array(rawData).buffer);
}

function integers({ rawData }) {
  return Array.from(new BigInt64Array(new Uint8Array(rawData).buffer), Number);
}

/** Numbers one after another, 4 bytes each. */
class Weights {
  list = [];
  #arrays = [];
  #offset = 0;

  #put(name, type, shape, numbers) {
    this.list.push({ name, type, shape, offset: this.#offset });
    this.#arrays.push(new Uint8Array(numbers.buffer));
    this.#offset += numbers.byteLength;
    return name;
  }

  /** One number a channel, which is the last dimension. */
  channels(tensor) {
    const numbers = floats(tensor);
    return this.#put(tensor.name, "float32", [numbers.length], numbers);
  }

  /** O I H W to H W I O. */
  filter(tensor) {
    const [outputs, inputs, height, width] = tensor.dims.map(Number);
    const from = floats(tensor);
    const to = new Float32Array(from.length);
    const taps = height * width;
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        for (let t = 0; t < taps; t++) to[(t * inputs + i) * outputs + o] = from[(o * inputs + i) * taps + t];
      }
    }
    return this.#put(tensor.name, "float32", [height, width, inputs, outputs], to);
  }

  /** [rows, columns] to [columns, rows]. */
  transposed(tensor) {
    const [rows, columns] = tensor.dims.map(Number);
    const from = floats(tensor);
    const to = Float32Array.from(from, (_, at) => from[(at % rows) * columns + Math.floor(at / rows)]);
    return this.#put(tensor.name, "float32", [columns, rows], to);
  }

  indices(tensor) {
    const numbers = Int32Array.from(integers(tensor));
    return this.#put(tensor.name, "int32", [numbers.length], numbers);
  }

  bytes() {
    return Buffer.concat(this.#arrays);
  }
}
