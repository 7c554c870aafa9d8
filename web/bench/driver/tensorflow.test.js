import assert from "node:assert/strict";
import { test } from "node:test";
import onnxProto from "onnx-proto";
import { convert } from "./tensorflow.js";

const { onnx } = onnxProto;

function floats(name, dims, numbers) {
  return { name, dims, dataType: 1, rawData: new Uint8Array(Float32Array.from(numbers).buffer) };
}

function integers(name, numbers) {
  return {
    name,
    dims: [numbers.length],
    dataType: 7,
    rawData: new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer),
  };
}

function node(opType, input, output, attributes = {}) {
  const attribute = Object.entries(attributes).map(([name, ints]) => ({ name, type: 7, ints }));
  return { opType, input, output: [output], attribute };
}

function converted(nodes, constants) {
  const model = onnx.ModelProto.create({ graph: { node: nodes, initializer: constants } });
  const { graph, numbers } = convert(onnx.ModelProto.encode(model).finish());
  const values = Object.fromEntries(
    graph.weights.map(({ name, type, shape, offset }) => {
      const bytes = numbers.subarray(offset, offset + 4 * shape.reduce((a, b) => a * b, 1));
      const kind = type === "int32" ? Int32Array : Float32Array;
      return [name, { shape, numbers: [...new kind(new Uint8Array(bytes).buffer)] }];
    }),
  );
  return { nodes: graph.nodes, values };
}

test("a block: filters H W I O, ReLU in the operation before it, the shortcut's channels", () => {
  // Two outputs, three inputs, a filter of 1 x 2: number 100 o + 10 i + tap.
  const filter = [0, 1].flatMap((o) => [0, 1, 2].flatMap((i) => [0, 1].map((t) => 100 * o + 10 * i + t)));
  const { nodes, values } = converted(
    [
      node("Conv", ["images", "w", "b"], "c", { strides: [2, 2] }),
      node("Relu", ["c"], "r"),
      node("MaxPool", ["images"], "m", { kernel_shape: [1, 1], strides: [2, 2] }),
      node("Pad", ["m", "pads"], "p"),
      node("Gather", ["p", "order"], "g"),
      node("Add", ["r", "g"], "a"),
      node("Relu", ["a"], "logits"),
    ],
    [
      floats("w", [2, 3, 1, 2], filter),
      floats("b", [2], [5, 6]),
      integers("pads", [0, 0, 0, 0, 0, 4, 0, 0]),
      integers("order", [0, 2, 1]),
    ],
  );
  assert.deepEqual(nodes, [
    { op: "conv", inputs: ["images", "w", "b"], output: "r", stride: 2, relu: true },
    { op: "every", inputs: ["images"], output: "m", stride: 2 },
    { op: "pad", inputs: ["m"], output: "p", channels: 4 },
    { op: "gather", inputs: ["p", "order"], output: "g" },
    { op: "add", inputs: ["r", "g"], output: "logits", relu: true },
  ]);
  assert.deepEqual(values.w, {
    shape: [1, 2, 3, 2],
    numbers: [0, 100, 10, 110, 20, 120, 1, 101, 11, 111, 21, 121],
  });
  assert.deepEqual(values.b.numbers, [5, 6]);
  assert.deepEqual(values.order, { shape: [3], numbers: [0, 2, 1] });
});

test("a ReLU whose value is not the only one read stays", () => {
  const { nodes } = converted(
    [node("Add", ["x", "y"], "a"), node("Relu", ["a"], "r"), node("Add", ["a", "r"], "logits")],
    [],
  );
  assert.deepEqual(
    nodes.map(({ op, output, relu }) => [op, output, relu ?? false]),
    [
      ["add", "a", false],
      ["relu", "r", false],
      ["add", "logits", false],
    ],
  );
});

test("the classifier: features x classes, no flattening of what is flat", () => {
  const { nodes, values } = converted(
    [
      node("GlobalAveragePool", ["x"], "pooled"),
      node("Flatten", ["pooled"], "features"),
      node("Gemm", ["features", "w", "b"], "logits"),
    ],
    [floats("w", [2, 3], [1, 2, 3, 4, 5, 6]), floats("b", [2], [7, 8])],
  );
  assert.deepEqual(nodes[1], { op: "dense", inputs: ["pooled", "w", "b"], output: "logits" });
  assert.deepEqual(values.w, { shape: [3, 2], numbers: [1, 4, 2, 5, 3, 6] });
});

test("an operation that has no conversion is named", () => {
  assert.throws(() => converted([node("Softmax", ["x"], "y")], []), /y: no conversion for Softmax/);
});
