// What a bundle may weigh, and how it is weighed.
//
// A bundle is one module that imports nothing, and carries the core: what every view's bundle holds
// (Preact, signals, the wire, the strip of what runs, the shared style).
//
// Why not one core for all views of a page: the text of a module reaches every host in one way, as the
// trait that anywidget imports from. A file beside it would have to be served by each host: JupyterLab
// and Notebook 7 serve extensions, marimo and an exported page serve none. A registry on the page needs
// no server, but whoever is drawn first has to bring the core, and neither Python nor a saved notebook
// knows who that is: every view would carry it all the same. With two kernels on a page it would also
// need one core per version. The most there is to save is the core, 23 kB of the 30 to 82 that a view
// brings each time it is shown, beside data of 100 to 200 kB; a whole bundle is read in 5 ms.
export const CORE_KB = 24;
export const VIEW_KB = 40;
/**
 * Maps, clouds and graphs draw with WebGL.
 * @type {Record<string, number | undefined>}
 */
export const VIEWS_KB = { dual_umap: 100 };

/**
 * Minified bytes of the core, where it takes most, and of each view beside it.
 * @param {{ outputs: Record<string, { bytes: number, inputs: Record<string, { bytesInOutput: number }>, entryPoint?: string }> }} metafile of esbuild
 * @returns {{ core: number, views: Record<string, number> }}
 */
export function weigh({ outputs }) {
  const bundles = Object.entries(outputs)
    .filter(([, { entryPoint }]) => entryPoint?.startsWith("src/widgets/"))
    .map(([path, { bytes, inputs }]) => [path.replace(/^.*\/|\.js$/g, ""), bytes, inputs]);
  const shared = (file) => bundles.every(([, , inputs]) => inputs[file]?.bytesInOutput > 0);
  const weighed = bundles.map(([name, bytes, inputs]) => {
    const core = Object.keys(inputs)
      .filter(shared)
      .reduce((sum, file) => sum + inputs[file].bytesInOutput, 0);
    return [name, core, bytes - core];
  });
  return {
    core: Math.max(...weighed.map(([, core]) => core)),
    views: Object.fromEntries(weighed.map(([name, , view]) => [name, view])),
  };
}
