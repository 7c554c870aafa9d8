// What a page fetched: code as a server would send it, compressed, and weights as they are.

import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

const compress = promisify(brotliCompress);
const CODE = /\.(js|mjs|wasm)$/;

export class Downloads {
  #sizes = new Map();

  /** Of a list of {url, bytes}: bytes in all, and those of the code in them. */
  async of(files) {
    let code = 0;
    let model = 0;
    for (const { url, bytes } of files) {
      if (CODE.test(new URL(url).pathname)) code += await this.#compressed(url);
      else model += bytes;
    }
    return { bytes: code + model, code_bytes: code };
  }

  async #compressed(url) {
    if (!this.#sizes.has(url)) {
      const content = Buffer.from(await (await fetch(url)).arrayBuffer());
      const params = { [constants.BROTLI_PARAM_QUALITY]: 9 };
      this.#sizes.set(url, (await compress(content, { params })).length);
    }
    return this.#sizes.get(url);
  }
}
