// The script of an exported file (views/kit/export.py): a model small enough to read, then the view.
import { makeModel, type Packed, revive } from "./shim";

function read(id: string): unknown {
  return JSON.parse(document.getElementById(id)?.textContent ?? "null");
}

const model = makeModel(revive(read("state") as Packed));
const source = new Blob([read("bundle") as string], { type: "text/javascript" });
const url = URL.createObjectURL(source);
const { default: widget } = await import(url);
URL.revokeObjectURL(url);
const el = document.getElementById("view");
const signal = new AbortController().signal;
const definition = typeof widget === "function" ? await widget() : widget;
await definition.initialize?.({ model, signal });
await definition.render({ model, el, signal });
