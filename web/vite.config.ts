import { defineConfig } from "vite";

// Relative addresses throughout, so that the built folder works at any path of any web server.
export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    // The engine's modules are fetched as files, never inlined as text.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: "es" },
});
