// Runs the modules that are named on the command line: random convolutions, each against its definition.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { setFlagsFromString } from "node:v8";

const CASES = 100;
const TOLERANCE = 3e-6;

let failed = 0;
for (const file of process.argv.slice(2)) {
  const code = readFileSync(file);
  // Node 20 knows relaxed SIMD, but only when asked.
  if (!WebAssembly.validate(code)) setFlagsFromString("--experimental-wasm-relaxed-simd");
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), {});
  let worst = 0;
  for (let number = 0; number < CASES; number++) {
    const error = exports.forward_error(number);
    worst = Math.max(worst, error);
    if (error < TOLERANCE) continue;
    failed++;
    console.log(`${file}: case ${number}: relative error ${error}`);
  }
  console.log(`${basename(file)}: largest relative error ${worst.toExponential(1)}`);
}
const passed = CASES * (process.argv.length - 2) - failed;
console.log(`test result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed`);
process.exit(failed ? 1 : 0);
