// Decodes pictures, within limits, and brings them to the network's size with the trainer's own code.

import { counted } from "../logic/words.ts";
import { Fault, type Seen } from "./protocol.ts";
import type { Surface } from "./surface.ts";

/** The largest file, in bytes, that is decoded. */
export const MOST_BYTES = 40e6;

/** The largest picture, in pixels, that is decoded: more than any phone's camera takes at its usual setting. */
export const MOST_PIXELS = 50e6;

/** Fetches a picture's file: the server's, or one of the visitor's own, which has an address in the page. */
export async function fetchPicture(address: string, name: string): Promise<Blob> {
  let answer: Response;
  try {
    answer = await fetch(address);
  } catch {
    throw new Fault("picture", `${name} could not be fetched: the connection to the server failed.`);
  }
  if (!answer.ok) throw new Fault("picture", `The server has no ${name}.`);
  return answer.blob();
}

/** Decodes a picture and resizes it to each of the sizes. */
export async function see(surface: Surface, picture: Blob, sizes: number[]): Promise<Seen[]> {
  if (picture.size > MOST_BYTES) {
    throw new Fault(
      "picture",
      `This file is too large: ${megabytes(picture.size)}, at most ${megabytes(MOST_BYTES)}.`,
    );
  }
  let bitmap: ImageBitmap;
  try {
    // The trainer's files have no colour profiles, so the page looks at the bare numbers too.
    bitmap = await createImageBitmap(picture, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Fault("picture", "This file is not a picture that the browser can read, or it is damaged.");
  }
  const { width, height } = bitmap;
  try {
    if (width * height > MOST_PIXELS) {
      const size = `${counted(Math.round((width * height) / 1e6), "million pixel")}`;
      throw new Fault("picture", `This picture is too large: ${size}, at most ${MOST_PIXELS / 1e6} million.`);
    }
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    if (!context) throw new Fault("picture", "The browser gives no canvas to decode pictures on.");
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    const pixels = new Uint8Array(data.buffer, data.byteOffset, data.length);
    return sizes.map((size) => ({ rgb: surface.resize(pixels, width, height, 4, size), width, height }));
  } catch (error) {
    throw Fault.of(error, "picture");
  } finally {
    bitmap.close();
  }
}

function megabytes(count: number): string {
  return `${Math.round(count / 1e6)} MB`;
}
